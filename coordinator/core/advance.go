package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// begun is called once an operation is on disk for the first time.
func (c *Core) begun(o *operation) {
	c.moved = true
	text := "begins for " + o.By
	if o.By == "" {
		text = "begins"
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	c.announceOperation(o, text)
	for _, s := range o.Steps {
		if s.Task == power.TaskCut {
			c.person(s.Node, o.By, "has its rail cut without a proof of done", o.Reason)
		}
	}
}

// advance moves every operation on that is on disk.
func (c *Core) advance() {
	for i := 0; i < len(c.running); i++ {
		if o := c.running[i]; o.durable {
			c.move(o)
			if o.State != OperationRunning {
				i--
			}
		}
	}
}

// move begins the steps of an operation whose turn it is, and ends it when all are over.
func (c *Core) move(o *operation) {
	most := c.cfg.Parallel
	if o.Rolling || o.Kind == OperationTestWiring {
		most = 1
	}
	busy, open := 0, 0
	for _, s := range o.Steps {
		if s.State == StepRunning {
			busy++
			c.proceed(o, s)
		}
	}
	for _, s := range o.Steps {
		if s.State == StepWaiting && o.Cancelled != "" {
			c.finish(o, s, StepCancelled, "called off before it began")
		}
		if s.State == StepWaiting {
			if wait := c.turn(o, s); wait != "" {
				c.note(s, wait)
			} else if busy >= most {
				c.note(s, fmt.Sprintf("%d at a time", most))
			} else if c.begin(o, s); s.State == StepRunning {
				busy++
			}
		}
		if !s.over() {
			open++
		}
	}
	if open == 0 {
		c.conclude(o)
	}
}

// note says what a step waits for. It is not worth writing.
func (c *Core) note(s *step, text string) {
	if s.State == StepWaiting && s.Message != text {
		s.Message = text
		c.touch(s.node)
	}
}

// turn says what a step waits for; empty when it is its turn. A step that cannot come to its turn any more ends.
func (c *Core) turn(o *operation, s *step) string {
	for _, other := range o.Steps {
		switch {
		case other == s || !o.before(other, s):
		case !other.over():
			return "its turn comes after " + other.Node
		case (other.State == StepFailed || other.Left) && (o.Rolling || o.needs(s, other)):
			s.Left = true
			c.finish(o, s, StepSkipped, fmt.Sprintf("left as it is, because of %s: %s", other.Node, other.Message))
			return s.Message
		}
	}
	if s.node.cfg.Power.Master {
		return c.mastersTurn(o, s)
	}
	if s.node.machine.State() == power.StateUnknown {
		return "the coordinator has just started and still observes it"
	}
	if task := s.node.machine.Task(); task.Kind != power.TaskNone && task.Operation != o.id {
		return task.Operation + " is not through with it"
	}
	return ""
}

// before reports whether a step must be over before another begins what it does next: in a start what it stands on, in a
// stop what stands on it.
func (o *operation) before(s, next *step) bool {
	switch {
	case o.Rolling || o.Kind == OperationTestWiring:
		return s.Wave < next.Wave
	case s.node == nil || next.node == nil:
		return false
	case next.Task == power.TaskStart || next.Task == power.TaskReboot:
		return next.node.needs[s.node.index]
	}
	return s.Task != power.TaskStart && s.node.needs[next.node.index]
}

// needs reports whether a step must not begin when one before it has failed. When the master goes down, everything is
// stopped that can be.
func (o *operation) needs(s, failed *step) bool {
	return s.Task == power.TaskStart || s.Task != power.TaskReboot && !o.Shutdown
}

// begin hands a step's task to the node's machine.
func (c *Core) begin(o *operation, s *step) {
	if s.node.cfg.Power.Master {
		c.enter(o, s)
		return
	}
	if already := s.node.already(s.Task); already != "" {
		c.finish(o, s, StepSkipped, already)
		return
	}
	ev := event(o, s.Task)
	if err := s.node.machine.May(ev); err != nil {
		c.finish(o, s, StepFailed, reason(err))
		return
	}
	c.enter(o, s)
	c.tell(s.node, ev)
}

// enter marks a step as under way.
func (c *Core) enter(o *operation, s *step) {
	s.State, s.Message, s.proceeded, s.queued = StepRunning, "", false, time.Time{}
	c.changing(o)
	c.touch(s.node)
}

// proceed opens the gates of a step that waits for them: there are none yet.
func (c *Core) proceed(o *operation, s *step) {
	switch task := s.node.machine.Task(); {
	case s.node.cfg.Power.Master:
		c.stopMaster(o, s)
	case task.Kind == power.TaskNone || task.Operation != o.id:
		c.interrupted(o, s)
	case !s.proceeded && s.node.machine.State() == power.StateDraining:
		s.proceeded = true
		c.tell(s.node, power.Proceed{})
	}
}

// interrupted brings a step on whose machine does not have its task: it was just ending, or has just not begun.
func (c *Core) interrupted(o *operation, s *step) {
	if !s.again && (s.Task == power.TaskStart || s.Task == power.TaskStop) {
		s.State, s.again = StepWaiting, true // if it was done, it is found done
		c.changing(o)
		return
	}
	c.finish(o, s, StepFailed, "interrupted while it ended: look, and ask again if needed")
}

// milestone takes what a machine says that an operation has reached.
func (c *Core) milestone(n *node, a power.Milestone) {
	o, s := c.underWay(n, a.Operation)
	text := n.cfg.Name + ": " + a.Name
	if a.Detail != "" {
		text += ": " + a.Detail
	}
	c.publish(Report{Kind: ReportOperation, Subject: n.cfg.Name, Operation: a.Operation, Message: text, At: a.At})
	if s != nil && len(s.Milestones) < mostMilestones {
		s.Milestones = append(s.Milestones, milestone{Name: a.Name, Detail: a.Detail, At: c.instant(a.At)})
		c.changing(o)
	}
}

// underWay is the running step of an operation and a node; nil without one.
func (c *Core) underWay(n *node, id string) (*operation, *step) {
	for _, o := range c.running {
		if o.id != id {
			continue
		}
		if s := o.step(n.cfg.Name); s != nil && s.State == StepRunning {
			return o, s
		}
	}
	return nil, nil
}

// ended takes the end of a machine's task.
func (c *Core) ended(n *node, a power.Ended) {
	o, s := c.underWay(n, a.Operation)
	if s == nil {
		return
	}
	switch {
	case a.Outcome == power.OutcomeDone && s.Then != power.TaskNone && o.Cancelled != "":
		c.finish(o, s, StepCancelled, a.Reason+"; called off before it was started again")
	case a.Outcome == power.OutcomeDone && s.Then != power.TaskNone:
		s.Task, s.Then, s.State = s.Then, power.TaskNone, StepWaiting
		c.changing(o)
	case a.Outcome == power.OutcomeDone:
		c.finish(o, s, StepDone, a.Reason)
	case a.Outcome == power.OutcomeCancelled:
		c.finish(o, s, StepCancelled, a.Reason)
	default:
		c.finish(o, s, StepFailed, a.Reason)
	}
}

func (c *Core) finish(o *operation, s *step, state StepState, message string) {
	s.State, s.Message, s.Then = state, message, power.TaskNone
	c.changing(o)
	if s.node != nil {
		c.touch(s.node)
	}
}

// conclude ends an operation, all of whose steps are over.
func (c *Core) conclude(o *operation) {
	count := map[StepState][]string{}
	for _, s := range o.Steps {
		text := s.Node
		if s.State == StepFailed || s.State == StepSkipped {
			text += " (" + s.Message + ")"
		}
		count[s.State] = append(count[s.State], text)
	}
	switch {
	case len(count[StepFailed]) > 0 || slices.ContainsFunc(o.Steps, func(s *step) bool { return s.Left }):
		o.State = OperationFailed
	case len(count[StepCancelled]) > 0:
		o.State = OperationCancelled
	default:
		o.State = OperationDone
	}
	own := map[OperationState]StepState{OperationDone: StepDone, OperationFailed: StepFailed, OperationCancelled: StepCancelled}[o.State]
	parts := []string{strings.Join(count[own], ", ")}
	for _, state := range []StepState{StepDone, StepFailed, StepSkipped, StepCancelled} {
		if names := count[state]; len(names) > 0 && state != own {
			parts = append(parts, state.String()+" "+strings.Join(names, ", "))
		}
	}
	if parts[0] == "" {
		parts = parts[1:]
	}
	if names := c.upWorkers(); o.Shutdown && names != "" {
		parts = append(parts, "the master goes down all the same, and "+names+": nothing of it is cut for that, and its rail stays on only where its wiring holds it")
	}
	o.Message, o.Ended = strings.Join(parts, "; "), c.instant(c.now)
	c.running = without(c.running, o)
	c.changing(o)
	c.announceOperation(o, o.State.String()+": "+o.Message)
}

// cancel calls an operation off where that is safe.
func (c *Core) cancel(o *operation, by string) {
	if by == "" {
		by = "a person"
	}
	o.Cancelled = by
	c.changing(o)
	c.announceOperation(o, "is called off by "+by)
	ev := power.Cancel{Operation: o.id}
	for _, s := range o.Steps {
		if s.State == StepRunning && s.node.machine.May(ev) == nil {
			c.tell(s.node, ev)
		}
	}
}
