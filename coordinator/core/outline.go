package core

import (
	"fmt"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// outline is what an operation does to one node: the step, and the action in words. With an error the step is what a
// StartCase or StopCase shows of it.
func (c *Core) outline(o *operation, n *node) (*step, string, error) {
	s := &step{Node: n.cfg.Name, node: n, State: StepWaiting}
	task := map[OperationKind]power.TaskKind{
		OperationPowerOn: power.TaskStart, OperationStartCase: power.TaskStart, OperationPowerOff: power.TaskStop, OperationStopCase: power.TaskStop,
		OperationPowerCycle: power.TaskStop, OperationReboot: power.TaskReboot, OperationTestWiring: power.TaskTest,
	}[o.Kind]
	if o.Forced {
		task = power.TaskCut
	}
	s.Task = task
	if n.cfg.Power.Master {
		return s, "shut down, when every worker is off; it stays powered", nil
	}
	if o.wholeCase() && n.maintained() {
		s.State, s.Message = StepSkipped, "left alone: in maintenance"
		return s, s.Message, nil
	}
	already := n.already(task)
	if o.Kind == OperationPowerCycle {
		s.Then = power.TaskStart
		if !n.cfg.Rail {
			return s, "", refusal(&power.Refusal{Promise: 6, Node: n.cfg.Name, What: "cannot cycle: it has no rail", Do: "restart it with `bramblectl reboot " + n.cfg.Name + "`"})
		}
		if already != "" {
			s.Task, s.Then, already = power.TaskStart, power.TaskNone, ""
		}
	}
	if already != "" {
		s.State, s.Message = StepSkipped, already
		return s, already, nil
	}
	if other, _ := c.holder(n.cfg.Name); other != nil {
		return s, "wait for " + other.id + ", then shut down", nil // only before the master goes down
	}
	if n.machine.State() == power.StateUnknown {
		return s, "observe it, then " + n.action(s), nil // a coordinator that has just started refuses nobody for it
	}
	return s, n.action(s), refusal(n.machine.May(event(o, s.Task)))
}

// event is a task for a machine.
func event(o *operation, task power.TaskKind) power.Event {
	switch task {
	case power.TaskStart:
		return power.Start{Operation: o.id}
	case power.TaskStop:
		return power.Stop{Operation: o.id}
	case power.TaskReboot:
		return power.Reboot{Operation: o.id}
	case power.TaskCut:
		return power.Cut{Operation: o.id, Reason: o.Reason}
	default:
		return power.Test{Operation: o.id}
	}
}

// already says why there is nothing to do; empty when there is.
func (n *node) already(task power.TaskKind) string {
	state := n.machine.State()
	switch task {
	case power.TaskStart:
		if n.up() {
			return "already on: " + state.String()
		}
	case power.TaskStop, power.TaskCut:
		switch {
		case state == power.StateOff:
			return "already off"
		case state == power.StateHalted && !n.cfg.Rail:
			return "halted already, still powered: it has no rail"
		}
	}
	return ""
}

// action says what a step does, in words.
func (n *node) action(s *step) string {
	text := map[power.TaskKind]string{
		power.TaskStart: "switch its rail on", power.TaskStop: "shut down, then cut", power.TaskReboot: "restart its system, with its rail on",
		power.TaskCut: "cut its rail without a proof of done", power.TaskTest: "pulse its done line",
	}[s.Task]
	switch {
	case s.Task == power.TaskStart && !n.cfg.Rail:
		text = "wait until a person has plugged it in: it has no rail"
	case s.Task == power.TaskStop && !n.cfg.Rail:
		text = "shut down; it stays powered: it has no rail"
	case s.Task == power.TaskStop && n.machine.State() == power.StateHalted:
		text = "cut: it has shut down already"
	}
	if s.Then == power.TaskStart {
		text += ", then switch it on"
	}
	return text
}

// forecast is what a request would do, with the current on the supply after each step.
func (c *Core) forecast(o *operation, actions map[*step]string) []PlannedStep {
	loads := append([]power.Load(nil), c.burden()...)
	plan := make([]PlannedStep, len(o.Steps))
	for i, s := range o.Steps {
		load := &loads[s.node.index]
		switch {
		case s.over():
		case s.Task == power.TaskStart || s.Then == power.TaskStart:
			load.State, load.Powered = power.StateReady, true
		case s.Task == power.TaskCut, s.Task == power.TaskStop && s.node.cfg.Rail:
			load.State, load.Powered = power.StateOff, false
		case s.Task == power.TaskStop:
			load.State = power.StateHalted
		}
		action := actions[s]
		if s.State == StepSkipped {
			action = s.Message
		}
		plan[i] = PlannedStep{Node: s.Node, Action: action, Wave: s.Wave, CommittedAmperes: c.plan.Committed(loads)}
	}
	return plan
}

// name is an operation's, short enough to type. Where the names of an earlier run may have been forgotten, a tag keeps them
// apart: agents do nothing twice that has the same name.
func (c *Core) name(number uint64) string {
	if c.tag != "" {
		return fmt.Sprintf("op-%s-%d", c.tag, number)
	}
	return fmt.Sprintf("op-%d", number)
}
