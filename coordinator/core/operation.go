package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

const (
	// keptOperations is how many that have ended are remembered.
	keptOperations = 100
	// mostMilestones of one step are kept: far more than a step has, unless a board reboots over and over.
	mostMilestones = 64
)

// operation is a request that takes time. What is exported of it is remembered as JSON.
type operation struct {
	id       string
	number   uint64 // in the order of their beginning
	revision uint64
	dirty    bool // not on disk as it is, and in Core.dirtyOperations
	flying   bool // on its way there
	durable  bool // it has been there

	Kind                              OperationKind
	State                             OperationState
	Steps                             []*step
	By, Reason, RequestID             string `json:",omitempty"`
	Forced, Rolling, Master, Shutdown bool   `json:",omitempty"`
	Cancelled                         string `json:",omitempty"` // who called it off
	Begun, Ended                      power.Instant
	Message                           string `json:",omitempty"`
}

// step is what an operation does to one node.
type step struct {
	Node  string
	State StepState
	// Task is what comes next, or is under way; Then what follows it, as the start of a cycle does.
	Task, Then power.TaskKind `json:",omitempty"`
	// Wave is its turn, from 1 up; Later that of Then.
	Wave, Later int
	Message     string      `json:",omitempty"`
	Left        bool        `json:",omitempty"` // skipped because another failed
	Milestones  []milestone `json:",omitempty"`

	node      *node     // nil when it is no longer in the configuration
	queued    time.Time // since when it waits for the supply; zero when it does not
	proceeded bool      // the machine was told that all gates are open
	again     bool      // it was begun anew, since nobody knew how it had ended
}

type milestone struct {
	Name   string
	Detail string `json:",omitempty"`
	At     power.Instant
}

func (s *step) over() bool { return s.State >= StepDone }

// step is that of a node; nil without one.
func (o *operation) step(node string) *step {
	for _, s := range o.Steps {
		if s.Node == node {
			return s
		}
	}
	return nil
}

// holder is the running operation that has not ended with a node, and its step; nil where none holds it.
func (c *Core) holder(node string) (*operation, *step) {
	for _, o := range c.running {
		if s := o.step(node); s != nil && !s.over() {
			return o, s
		}
	}
	return nil, nil
}

// operation is that of an identifier; nil without one.
func (c *Core) operation(id string) *operation {
	i := slices.IndexFunc(c.operations, func(o *operation) bool { return o.id == id })
	if i < 0 {
		return nil
	}
	return c.operations[i]
}

// changing marks an operation as changed, and to be written.
func (c *Core) changing(o *operation) {
	c.revision++
	o.revision = c.revision
	c.moved = true
	if !o.dirty {
		o.dirty = true
		c.dirtyOperations = append(c.dirtyOperations, o)
	}
}

// instant is a time that survives the coordinator.
func (c *Core) instant(at time.Time) power.Instant {
	return power.Instant{BootID: c.clock.BootID, Boottime: c.clock.Boottime + at.Sub(c.start)}
}

// time is the way back, for an instant of this boot.
func (c *Core) time(at power.Instant) time.Time {
	if at == (power.Instant{}) {
		return time.Time{}
	}
	return c.start.Add(at.Boottime - c.clock.Boottime)
}

// announceOperation publishes a report about an operation as a whole.
func (c *Core) announceOperation(o *operation, text string) {
	c.publish(Report{Kind: ReportOperation, Operation: o.id, Message: o.id + " (" + o.Kind.String() + ") " + text})
}

func (c *Core) viewOperation(o *operation) OperationView {
	v := OperationView{
		ID: o.id, Kind: o.Kind, State: o.State, Steps: make([]StepView, len(o.Steps)), RequestedBy: o.By, Reason: o.Reason, Forced: o.Forced,
		RequestID: o.RequestID, Begun: c.time(o.Begun), Ended: c.time(o.Ended), Message: o.Message, Revision: o.revision,
	}
	switch {
	case o.State == OperationRunning:
		v.Message = o.progress()
	case !c.usable() && (o.dirty || o.flying):
		v.Message += "; that it ended is not on disk yet: if the coordinator ends before, it goes on after its restart"
	}
	for i, s := range o.Steps {
		v.Steps[i] = StepView{Node: s.Node, State: s.State, Message: s.Message, Milestones: make([]MilestoneView, len(s.Milestones))}
		if s.State == StepRunning && s.node != nil {
			v.Steps[i].Message = s.node.machine.Explain()
			if s.node.machine.State() == power.StateQueued && c.waiting != "" {
				v.Steps[i].Message = c.waiting
			}
		}
		for j, m := range s.Milestones {
			v.Steps[i].Milestones[j] = MilestoneView{Name: m.Name, Detail: m.Detail, At: c.time(m.At)}
		}
	}
	return v
}

// progress says how an operation stands.
func (o *operation) progress() string {
	over := 0
	for _, s := range o.Steps {
		if s.over() {
			over++
		}
	}
	text := fmt.Sprintf("%d of %d steps are over", over, len(o.Steps))
	if o.Cancelled != "" {
		text += "; called off by " + o.Cancelled + ": what has begun ends"
	}
	return text
}

// Operations returns those that run and the last 100 that ended, newest first.
func (c *Core) Operations() []OperationView {
	views := c.OperationsAfter(0)
	slices.Reverse(views)
	return views
}

// OperationsAfter returns every operation that changed after the given revision, oldest first; all of them after 0.
func (c *Core) OperationsAfter(revision uint64) []OperationView {
	var views []OperationView
	for _, o := range c.operations {
		if o.durable && o.revision > revision {
			views = append(views, c.viewOperation(o))
		}
	}
	return views
}

// Operation returns one operation. The error is an ErrNotFound.
func (c *Core) Operation(id string) (OperationView, error) {
	o := c.operation(id)
	if o == nil || !o.durable {
		return OperationView{}, unknownOperation(id)
	}
	return c.viewOperation(o), nil
}

func unknownOperation(id string) error {
	return fmt.Errorf("operation %q: %w: bramblectl operations lists those that are remembered", id, ErrNotFound)
}

// Supply returns the supply as it is committed now.
func (c *Core) Supply() SupplyView {
	return SupplyView{
		LimitAmperes: c.cfg.Supply.LimitAmperes, FixedAmperes: c.cfg.Supply.FixedAmperes,
		CommittedAmperes: c.plan.Committed(c.burden()), Waiting: c.waiting,
	}
}

// burden is every node as the supply sees it now. Nobody waits for the master, which is up, nor for one in maintenance.
func (c *Core) burden() []power.Load {
	for i, n := range c.nodes {
		l := &c.loads[i]
		l.State, l.Powered, l.After = n.machine.State(), n.powered(), n.cfg.After
		free := func(name string) bool { return c.byNode[name].maintained() || c.byNode[name] == c.master }
		if slices.ContainsFunc(l.After, free) {
			l.After = slices.DeleteFunc(slices.Clone(l.After), free)
		}
	}
	return c.loads
}
