package core

import (
	"errors"
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// hushAfter is how long a stream may have been closed before its node counts as silent: an agent that is restarted is back
// by then.
const hushAfter = 2 * time.Second

// act is what a machine wants done.
type act struct {
	node   *node
	action power.Action
}

// tell steps a node's machine. What it wants is done by settle, at the end of the Step.
func (c *Core) tell(n *node, ev power.Event) {
	for _, a := range n.machine.Step(c.now, ev) {
		c.acts = append(c.acts, act{n, a})
	}
	c.soon(c.next(n))
}

// next is when a node's machine wants to see the time. It is never now: a machine that always wants that must not keep the
// shell from everything else.
func (c *Core) next(n *node) time.Time {
	at, timed := n.machine.Next()
	switch soonest := c.now.Add(time.Millisecond); {
	case !timed:
		return c.now.Add(time.Hour)
	case at.Before(soonest):
		return soonest
	}
	return at
}

// clockwork lets a machine see the time where it wants to, and what time alone brings.
func (c *Core) clockwork(n *node) {
	if at, timed := n.machine.Next(); timed && !c.now.Before(at) {
		c.tell(n, power.Tick{})
	}
	if !n.silent && !c.now.Before(c.hushed(n)) {
		n.silent = true
		c.tell(n, power.Silent{})
	}
	c.witness(n)
}

// hushed is when a node counts as silent if nothing more is heard of it.
func (c *Core) hushed(n *node) time.Time {
	if n.spoke.IsZero() {
		return c.start.Add(c.cfg.UnreachableAfter)
	}
	at := n.spoke.Add(c.cfg.StaleAfter)
	if closed := n.closed.Add(hushAfter); !n.closed.IsZero() && closed.Before(at) {
		at = closed
	}
	return at
}

// listen tells the machine that its node was heard: at the start of a stream, and by each fresh sample.
func (c *Core) listen(n *node, m *Message) {
	if m.Sequence == 1 || c.now.Sub(n.sampled) < c.cfg.StaleAfter {
		n.spoke, n.closed, n.silent = c.now, time.Time{}, false
		c.tell(n, power.Heard{BootID: n.info.BootID, SampledAt: n.sampled, First: m.Sequence == 1})
	}
	if m.Info == nil {
		return
	}
	var signal power.Signal
	if s := m.Info.DoneSignal; s != nil {
		signal = power.Signal{Mechanism: s.Mechanism, ActiveDelay: s.ActiveDelay, InactiveDelay: s.InactiveDelay, Error: s.Error}
	}
	c.tell(n, power.Reported{Signal: signal})
}

// line takes what is seen of a done line.
func (c *Core) line(n *node, ev LineObserved) {
	if !n.cfg.Power.Line {
		return
	}
	c.touch(n)
	switch {
	case ev.Err != nil || !ev.Edge:
		c.tell(n, power.LineSeen{High: ev.High, Err: ev.Err})
	default:
		c.tell(n, power.LineEdge{High: ev.High, At: ev.At})
		c.stray(n, ev.At)
	}
}

// stray tells those whose wiring is tested that the line of another node moved.
func (c *Core) stray(n *node, at time.Time) {
	for _, o := range c.running {
		for _, s := range o.Steps {
			if o.Kind == OperationTestWiring && s.State == StepRunning && s.node != n {
				c.tell(s.node, power.Strayed{Node: n.cfg.Name, At: at})
			}
		}
	}
}

// witness tells the machine of a node that has shut down when no other node's end can have been what its line showed: each
// has been heard since, or is off.
func (c *Core) witness(n *node) {
	m := n.machine
	if n.witnessed = n.witnessed && m.State() == power.StateHalted; n.witnessed || m.State() != power.StateHalted || m.Wiring() != power.WiringUntested {
		return
	}
	latch := m.Record().Latch
	if latch == nil {
		return
	}
	at := c.time(latch.At)
	for _, other := range c.nodes {
		if other != n && other.cfg.Power.Line && other.machine.State() != power.StateOff && !(other.sampled.After(at) && other.presence == PresenceLive) {
			return
		}
	}
	n.witnessed = true
	c.tell(n, power.Witnessed{})
}

// settle does what the machines want, moves the operations on, and has written what must be remembered, until nothing more
// comes of it.
func (c *Core) settle() {
	for {
		for i := 0; i < len(c.acts); i++ {
			a := c.acts[i]
			c.do(a.node, a.action)
		}
		clear(c.acts)
		c.acts = c.acts[:0]
		if c.moved {
			c.moved = false
			c.advance()
			c.grant()
			continue
		}
		c.flush()
		c.release()
		if len(c.acts) == 0 && !c.moved {
			return
		}
	}
}

// do does one thing that a machine wants.
func (c *Core) do(n *node, action power.Action) {
	switch a := action.(type) {
	case power.Persist:
		n.persist = a.Number
		c.remember(n)
	case power.SwitchRail:
		c.withhold(n, SwitchRail{Node: n.cfg.Name, On: a.On})
	case power.AskPowerOff:
		c.withhold(n, AskPowerOff{Node: n.cfg.Name, Operation: a.Operation, WithoutSignal: a.WithoutSignal})
	case power.AskReboot:
		c.withhold(n, AskReboot{Node: n.cfg.Name, Operation: a.Operation})
	case power.AskPulse:
		c.withhold(n, AskPulse{Node: n.cfg.Name, Operation: a.Operation, Width: a.Width})
	case power.Changed:
		c.changed(n, a)
	case power.Milestone:
		c.milestone(n, a)
	case power.Ended:
		c.ended(n, a)
	case power.Swapped:
		if other := c.byNode[a.Node]; other != nil {
			c.tell(other, power.Doubted{})
		}
	case power.Alarm:
		c.raise(n, a)
	}
}

func (c *Core) changed(n *node, a power.Changed) {
	c.moved = true
	c.touch(n)
	// Where nothing but its agent tells of a node, its presence has said it already.
	if operation := n.machine.Task().Operation; n.cfg.Rail || n.cfg.Power.Line || operation != "" {
		c.publish(Report{
			Kind: ReportPowerChanged, Subject: n.cfg.Name, Power: a.To, Operation: operation,
			Message: fmt.Sprintf("%s is %s: %s", n.cfg.Name, a.To, a.Reason),
		})
	}
	c.judge(n)
	c.soon(c.deadline(n))
}

// raise brings an alarm about a node's power to what its machine says.
func (c *Core) raise(n *node, a power.Alarm) {
	kind := [power.Alarms]AlarmKind{
		power.AlarmStuck: AlarmStuck, power.AlarmFault: AlarmPowerFault, power.AlarmLineHigh: AlarmDoneLineHigh,
		power.AlarmWireUnreadable: AlarmWireUnreadable, power.AlarmRailMoved: AlarmRailMoved,
	}[a.Kind]
	c.touch(n)
	c.alarm(&n.raised, kind, a.Active, n.cfg.Name, "", func() string { return a.Message }, "it is "+n.machine.State().String())
}

// withhold lets an effect out, or keeps it until what it depends on is on disk.
func (c *Core) withhold(n *node, e Effect) {
	if len(c.held) == 0 && c.usable() && !n.unwritten() {
		c.out(n, e)
		return
	}
	c.held = append(c.held, held{n, e})
}

// held is an effect that waits for the memory.
type held struct {
	node   *node
	effect Effect
}

// release lets out, in their order, the effects that waited, if their machines still want them.
func (c *Core) release() {
	for len(c.held) > 0 {
		h := c.held[0]
		if !c.usable() || h.node.unwritten() {
			return
		}
		c.held = c.held[1:]
		if c.wants(h.node, h.effect) {
			c.out(h.node, h.effect)
		} else {
			c.undone(h.node, h.effect)
		}
	}
}

var errUnwritten = errors.New("not done: it waited for the memory on disk until it was not wanted any more")

// undone tells a machine that what it asked for was not done.
func (c *Core) undone(n *node, e Effect) {
	switch e := e.(type) {
	case SwitchRail:
		c.tell(n, power.RailWritten{On: e.On, Err: errUnwritten})
	case AskPowerOff:
		c.tell(n, power.Answered{Operation: e.Operation, Err: errUnwritten})
	case AskReboot:
		c.tell(n, power.Answered{Operation: e.Operation, Err: errUnwritten})
	case AskPulse:
		c.tell(n, power.Pulsed{Operation: e.Operation, Err: errUnwritten})
	}
}

// out lets an effect out.
func (c *Core) out(n *node, e Effect) {
	if s, ok := e.(SwitchRail); ok && s.On {
		c.rose = c.now
	}
	if c.rising == n {
		c.rising = nil
	}
	c.moved = true
	c.emit(e)
}

// wants reports whether a node's machine still wants what it asked for.
func (c *Core) wants(n *node, e Effect) bool {
	state, task := n.machine.State(), n.machine.Task()
	switch e := e.(type) {
	case SwitchRail:
		if e.On {
			return state == power.StateStarting
		}
		return state == power.StateCutting
	case AskPowerOff:
		return task.Operation == e.Operation && task.Kind == power.TaskStop && state == power.StateDraining
	case StopMaster:
		_, s := c.underWay(n, e.Operation)
		return s != nil && c.stillUp() == ""
	case AskReboot:
		return task.Operation == e.Operation && task.Kind == power.TaskReboot && state == power.StateDraining
	case AskPulse:
		return task.Operation == e.Operation && task.Kind == power.TaskTest
	}
	return false
}

// powered reports whether a node has power, as far as anyone can tell.
func (n *node) powered() bool { return !n.cfg.Rail || n.rail != RailOff }

// up reports whether a node is up or on its way there.
func (n *node) up() bool {
	switch n.machine.State() {
	case power.StateStarting, power.StateBooting, power.StateReady, power.StateRebooting:
		return true
	}
	return false
}

func (c *Core) viewPower(n *node) PowerView {
	m := n.machine
	v := PowerView{
		State: m.State(), Explanation: m.Explain(), Since: m.Since(), Fault: m.Fault(), Operation: m.Task().Operation,
		Line: m.Line(), Wiring: m.Wiring(), CommittedAmperes: m.Committed(n.cfg.BootPeakAmperes, n.cfg.MaximumAmperes),
	}
	if at, timed := m.Deadline(); timed {
		v.Deadline = at
	}
	if more := c.waits(n, &v); more != "" {
		v.Explanation += "; " + more
	}
	return v
}

// waits says what an operation waits for before it does more to a node.
func (c *Core) waits(n *node, v *PowerView) string {
	switch o, s := c.holder(n.cfg.Name); {
	case o != nil && s.State == StepWaiting:
		v.Operation = o.id
		return fmt.Sprintf("%s waits: %s", o.id, s.Message)
	case !c.usable() && (o != nil || v.State == power.StateHalted):
		return c.StoreHealth().Message
	case v.State == power.StateQueued:
		return c.waiting
	}
	return ""
}
