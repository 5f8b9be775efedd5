package core

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/bramblemesh/bramble/coordinator/power"
)

const (
	mostRequestID = 64
	mostReason    = 200
)

// request takes a person's request, or refuses it and changes nothing.
func (c *Core) request(ev Request) {
	if again := c.again(&ev); again != nil {
		if !slices.Equal(again.names(), c.subjects(&ev)) && ev.Kind != OperationStartCase && ev.Kind != OperationStopCase || again.Kind != ev.Kind || again.Forced != ev.Force {
			c.refuse(ev.Ticket, fmt.Errorf("request_id %q: %w: %s was asked with it and does something else: take a new one", ev.RequestID, ErrInvalid, again.id))
			return
		}
		w := waiter{ticket: ev.Ticket, operation: again, begun: again.durable}
		if again.durable {
			c.emit(w.answer(c))
		} else {
			c.waiters = append(c.waiters, w)
		}
		return
	}
	o, plan, err := c.draft(&ev)
	if err != nil {
		c.refuse(ev.Ticket, err)
		return
	}
	if ev.DryRun {
		c.emit(Answer{Ticket: ev.Ticket, Plan: plan})
		return
	}
	c.accept(o, &ev)
	if ev.Ticket > 0 {
		c.waiters = append(c.waiters, waiter{ticket: ev.Ticket, operation: o, plan: plan})
	}
}

func (c *Core) refuse(ticket uint64, err error) { c.emit(Refuse{Ticket: ticket, Err: err}) }

// again is the operation that was asked for with the same identifier of its requester; nil without one.
func (c *Core) again(ev *Request) *operation {
	if ev.RequestID == "" || ev.DryRun {
		return nil
	}
	i := slices.IndexFunc(c.operations, func(o *operation) bool { return o.RequestID == ev.RequestID })
	if i < 0 {
		return nil
	}
	return c.operations[i]
}

// names are the nodes of an operation, sorted.
func (o *operation) names() []string {
	names := make([]string, len(o.Steps))
	for i, s := range o.Steps {
		names[i] = s.Node
	}
	slices.Sort(names)
	return names
}

func (c *Core) subjects(ev *Request) []string { return slices.Sorted(slices.Values(ev.Nodes)) }

// draft checks a request and makes the operation that it asks for, and says what it would do.
func (c *Core) draft(ev *Request) (*operation, []PlannedStep, error) {
	if err := c.check(ev); err != nil {
		return nil, nil, err
	}
	nodes, err := c.subjectsOf(ev)
	if err != nil {
		return nil, nil, err
	}
	o := &operation{
		id: c.name(c.newest + 1), number: c.newest + 1, Kind: ev.Kind, State: OperationRunning, By: ev.By, Reason: ev.Reason, RequestID: ev.RequestID,
		Forced: ev.Force, Rolling: ev.Rolling, Master: ev.Master, Shutdown: ev.Shutdown, Begun: c.instant(c.now),
	}
	actions := map[*step]string{}
	var refusals []error
	for _, n := range nodes {
		s, action, err := c.outline(o, n)
		if err != nil {
			if !o.wholeCase() {
				return nil, nil, err
			}
			refusals = append(refusals, err)
			s.State, s.Message, action = StepFailed, reason(err), "refused: "+reason(err)
		}
		o.Steps = append(o.Steps, s)
		actions[s] = action
	}
	if len(refusals) > 0 && len(refusals) == len(o.Steps) {
		return nil, nil, refusals[0]
	}
	if err := c.dependencies(o); err != nil {
		return nil, nil, err
	}
	c.order(o)
	if err := c.fits(o, ev); err != nil {
		return nil, nil, err
	}
	return o, c.forecast(o, actions), nil
}

func (o *operation) wholeCase() bool {
	return o.Kind == OperationStartCase || o.Kind == OperationStopCase
}

// check finds what is wrong with a request by itself.
func (c *Core) check(ev *Request) error {
	powered := ev.Kind == OperationPowerOff || ev.Kind == OperationPowerCycle
	switch whole := ev.Kind == OperationStartCase || ev.Kind == OperationStopCase; {
	case ev.Kind == OperationUnspecified || ev.Kind >= operationKinds:
		return fmt.Errorf("operation: %w: say what to do: on, off, cycle or reboot", ErrInvalid)
	case whole && len(ev.Nodes) > 0:
		return fmt.Errorf("%s: %w: it is about every worker: name no nodes", ev.Kind, ErrInvalid)
	case !whole && len(ev.Nodes) == 0:
		return fmt.Errorf("%s: %w: name at least one node", ev.Kind, ErrInvalid)
	case len(ev.RequestID) > mostRequestID || !printable(ev.RequestID):
		return fmt.Errorf("request_id: %w: it must be at most %d printable characters", ErrInvalid, mostRequestID)
	case ev.Force && !powered:
		return fmt.Errorf("%s: %w: force only goes with power off and power cycle", ev.Kind, ErrInvalid)
	case ev.Force && strings.TrimSpace(ev.Reason) == "":
		return fmt.Errorf("%s: %w: force needs a reason, which is written down: --reason", ev.Kind, ErrInvalid)
	case ev.Rolling && ev.Kind != OperationReboot && ev.Kind != OperationPowerCycle:
		return fmt.Errorf("%s: %w: rolling only goes with reboot and power cycle", ev.Kind, ErrInvalid)
	case (ev.Master || ev.Shutdown) && ev.Kind != OperationStopCase:
		return fmt.Errorf("%s: %w: the master is only stopped by case stop", ev.Kind, ErrInvalid)
	case ev.Master && c.master == nil:
		return fmt.Errorf("%s: %w: the configuration names no master: mark it with master: true, or leave --master out", ev.Kind, ErrInvalid)
	}
	if err := reasonable(ev.Reason); err != nil {
		return err
	}
	if !ev.DryRun && !c.usable() {
		return fmt.Errorf("%w: %s", ErrStore, c.StoreHealth().Message)
	}
	return nil
}

func reasonable(reason string) error {
	if len(reason) > mostReason || !printable(reason) {
		return fmt.Errorf("reason: %w: it must be one line of at most %d characters", ErrInvalid, mostReason)
	}
	return nil
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// subjectsOf are the nodes that a request is about.
func (c *Core) subjectsOf(ev *Request) ([]*node, error) {
	var nodes []*node
	for _, n := range c.nodes {
		if len(ev.Nodes) == 0 && (!n.cfg.Power.Master || ev.Master) {
			nodes = append(nodes, n)
		}
	}
	if len(ev.Nodes) > 0 {
		var err error
		if nodes, err = c.named(ev.Nodes); err != nil {
			return nil, err
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("%s: %w: the case has no workers", ev.Kind, ErrInvalid)
	}
	for _, n := range nodes {
		o, _ := c.holder(n.cfg.Name)
		switch {
		case n.cfg.Power.Master && ev.Kind != OperationStopCase:
			return nil, fmt.Errorf("%w: %w", ErrForbidden, &power.Refusal{
				Promise: 2, Node: n.cfg.Name, What: fmt.Sprintf("cannot %s: it is the master, and its end may take every rail with it", ev.Kind),
				Do: "stop everything in order with `bramblectl case stop --master`, or type poweroff or reboot on it, which does the same",
			})
		case o != nil && !ev.Shutdown:
			return nil, fmt.Errorf("%s: %w: %s (%s) holds it: wait for it, or bramblectl operation %s cancel", n.cfg.Name, ErrBusy, o.id, o.Kind, o.id)
		}
	}
	return nodes, nil
}

// named finds nodes by their names, each once.
func (c *Core) named(names []string) ([]*node, error) {
	nodes := make([]*node, 0, min(len(names), len(c.nodes)))
	for _, name := range names {
		n := c.byNode[name]
		switch {
		case n == nil:
			return nil, fmt.Errorf("node %q: %w: this case has %s", name, ErrNotFound, c.allNames())
		case slices.Contains(nodes, n):
			return nil, fmt.Errorf("node %s: %w: name it once", name, ErrInvalid)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (c *Core) allNames() string {
	names := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		names[i] = n.cfg.Name
	}
	return strings.Join(names, ", ")
}

// dependencies refuses to start a node whose predecessor is off and would stay so.
func (c *Core) dependencies(o *operation) error {
	for _, s := range o.Steps {
		if s.over() || s.Task != power.TaskStart && s.Then != power.TaskStart {
			continue
		}
		for _, name := range s.node.cfg.After {
			before := c.byNode[name]
			if other := o.step(name); other != nil && other.State != StepFailed || before.up() || before.cfg.Power.Master || before.maintained() {
				continue
			}
			err := fmt.Errorf("%s: %w: it starts after %s, which is %s: start that too: bramblectl power on %s %s",
				s.Node, ErrForbidden, name, before.machine.State(), name, s.Node)
			if !o.wholeCase() {
				return err
			}
			s.State, s.Message, s.Left = StepSkipped, err.Error(), true
		}
	}
	return nil
}

// fits refuses what the supply does not carry, except after an outage: then those wait that do not fit.
func (c *Core) fits(o *operation, ev *Request) error {
	var starting []string
	for _, s := range o.Steps {
		if !s.over() && (s.Task == power.TaskStart || s.Then == power.TaskStart) {
			starting = append(starting, s.Node)
		}
	}
	if len(starting) == 0 || ev.Ticket == 0 {
		return nil
	}
	if err := c.plan.Fits(c.burden(), starting); err != nil {
		return fmt.Errorf("%s: %w: %w", o.Kind, ErrSupply, err)
	}
	return nil
}

// accept makes an operation the core's own. It begins once it is on disk.
func (c *Core) accept(o *operation, ev *Request) {
	c.newest = o.number
	c.operations = append(c.operations, o)
	c.running = append(c.running, o)
	c.forget()
	if ev.Shutdown {
		c.preempt(o)
	} else if len(c.restore) > 0 {
		c.setRestore(nil) // a person has decided anew
	}
	c.changing(o)
}

// preempt calls every other operation off, for the master goes down, and remembers which nodes were up.
func (c *Core) preempt(o *operation) {
	for _, other := range slices.Clone(c.running) {
		if other != o {
			c.cancel(other, o.By)
		}
	}
	var up []string
	for _, n := range c.nodes {
		if n.cfg.Rail && n.up() {
			up = append(up, n.cfg.Name)
		}
	}
	c.setRestore(up)
}

// order sets the steps' turns, and sorts them by those.
func (c *Core) order(o *operation) {
	stop := func(s *step) int { return s.node.stopWave }
	start := func(s *step) int { return s.node.startWave }
	first := start
	switch {
	case o.Kind == OperationTestWiring:
		first = func(*step) int { return 0 }
	case o.Rolling: // the one that others need comes first
	case o.Kind == OperationPowerOff, o.Kind == OperationStopCase, o.Kind == OperationPowerCycle:
		first = stop
	}
	slices.SortStableFunc(o.Steps, func(a, b *step) int {
		return cmp.Or(last(a)-last(b), first(a)-first(b))
	})
	single := o.Rolling || o.Kind == OperationTestWiring
	for i, s := range o.Steps {
		switch {
		case single:
			s.Wave = i + 1
		case i == 0:
			s.Wave = 1
		case last(s) != last(o.Steps[i-1]) || first(s) != first(o.Steps[i-1]):
			s.Wave = o.Steps[i-1].Wave + 1
		default:
			s.Wave = o.Steps[i-1].Wave
		}
		s.Later = s.node.startWave
	}
}

// last is 1 for the master, which comes after all others.
func last(s *step) int {
	if s.node.cfg.Power.Master {
		return 1
	}
	return 0
}

// reason is a refusal without the node's name, for where that is known.
func reason(err error) string {
	if r, ok := errors.AsType[*power.Refusal](err); ok {
		short := *r
		short.Node = ""
		return short.Error()
	}
	return err.Error()
}

// refusal makes what a machine refuses an error of this package.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrForbidden, err)
}
