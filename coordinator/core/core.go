package core

import (
	"math/rand/v2"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// Core is the state of a case. Make one with New. It is not safe for concurrent use.
type Core struct {
	cfg        Config
	start, now time.Time
	started    bool
	random     *rand.Rand

	nodes  []*node
	byNode map[string]*node
	master *node // nil when the configuration names none
	fans   []*fanState
	alarms []Alarm

	due      time.Time // when Step wants a Wake at the latest
	effects  []Effect
	reports  uint64
	revision uint64

	clock power.Instant // at start
	acts  []act         // what machines want, in this Step
	moved bool          // something that operations wait for has changed
	held  []held        // acts that wait for the memory
	memory
	diary

	operations, running []*operation // oldest first
	newest              uint64       // number of the newest
	tag                 string       // in their names
	afterBoot           bool         // outages are still to be dealt with
	restore             []string     // nodes that start again after the master's boot

	plan    *power.Plan
	loads   []power.Load
	queued  []string
	sagging []string
	waiting string    // why the next start waits
	granted time.Time // the last start
	rising  *node     // was granted its start, and its rail is not switched yet
	rose    time.Time // when the last rail was switched on
}

// New starts the decisions of a case at now without a memory: an operation does not outlast the Core. The error is
// Config.Validate's.
func New(cfg Config, now time.Time) (*Core, error) {
	c, err := prepare(cfg, now)
	if err != nil {
		return nil, err
	}
	if cfg.Seed != 0 {
		c.tag = tagOf(cfg.Seed)
	}
	for _, n := range c.nodes {
		n.machine = power.New(n.cfg.Power, nil, now, c.clock)
		c.tell(n, power.Tick{})
	}
	return c, nil
}

// prepare makes a Core that lacks its machines.
func prepare(cfg Config, now time.Time) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Core{
		cfg: cfg, start: now, now: now, due: now, revision: 1,
		random: rand.New(rand.NewPCG(cfg.Seed, 0)),
		byNode: map[string]*node{},
		plan:   power.NewPlan(cfg.Supply), loads: loads(cfg.Nodes),
	}
	for i, nc := range cfg.Nodes {
		n := &node{cfg: nc, index: i, revision: 1, presence: PresenceConnecting}
		c.nodes = append(c.nodes, n)
		c.byNode[nc.Name] = n
		if nc.Power.Master {
			c.master = n
		}
	}
	for _, fc := range cfg.Fans {
		c.fans = append(c.fans, newFan(fc, c.nodes, c.byNode))
	}
	for _, n := range c.nodes {
		n.needs = make([]bool, len(c.nodes))
		c.need(n, n)
	}
	return c, c.waves()
}

// need marks all that a node stands on, and what that stands on.
func (c *Core) need(n, on *node) {
	for _, name := range on.cfg.After {
		if other := c.byNode[name]; !n.needs[other.index] {
			n.needs[other.index] = true
			c.need(n, other)
		}
	}
}

// waves finds each node's turn at a start and at a stop of the whole case.
func (c *Core) waves() error {
	for _, stopping := range []bool{false, true} {
		waves, err := power.Waves(c.loads, stopping)
		if err != nil {
			return err
		}
		for i, wave := range waves {
			for _, name := range wave {
				if n := c.byNode[name]; stopping {
					n.stopWave = i + 1
				} else {
					n.startWave = i + 1
				}
			}
		}
	}
	return nil
}

// Step takes one event and returns what to do about it, in order. The slice is valid until the next Step. The first
// Step also asks for a stream of every node. An event about a node or fan that is not in the Config is ignored.
func (c *Core) Step(now time.Time, ev Event) []Effect {
	c.effects = c.effects[:0]
	if now.After(c.now) {
		c.now = now
	}
	if !c.started {
		c.started = true
		c.dialAll()
		c.healthAlarm()
		for _, o := range c.running {
			c.announceOperation(o, "goes on after a restart of the coordinator")
		}
	}
	c.take(ev)
	c.settle()
	return c.effects
}

func (c *Core) take(ev Event) {
	switch ev := ev.(type) {
	case Tick:
		c.expire()
		c.outage()
		for _, f := range c.fans {
			c.control(f)
		}
	case Wake:
		c.expire()
	case Stored:
		c.stored(ev)
	case StreamOpened:
		if n := c.byNode[ev.Node]; n != nil {
			c.opened(n)
		}
	case StreamClosed:
		if n := c.byNode[ev.Node]; n != nil {
			c.closed(n, ev.Reason)
		}
	case NodeMessage:
		if n := c.byNode[ev.Node]; n != nil {
			c.hear(n, &ev.Message)
		}
	case RailObserved:
		if n := c.byNode[ev.Node]; n != nil && n.cfg.Rail {
			c.observe(n, ev)
		}
	case FanMeasured:
		if f := c.fan(ev.Fan); f != nil {
			c.measured(f, ev)
		}
	case FanWritten:
		if f := c.fan(ev.Fan); f != nil {
			c.wrote(f, ev.Err)
		}
	case SetFan:
		c.set(ev)
	case Request:
		c.request(ev)
	case CancelOperation:
		c.callOff(ev)
	case Maintain:
		c.maintain(ev)
	case ClearFault:
		c.clearFault(ev)
	case AcknowledgeStore:
		c.acknowledge(ev)
	default:
		c.answered(ev)
	}
}

// answered takes what became of what the machines asked for.
func (c *Core) answered(ev Event) {
	switch ev := ev.(type) {
	case LineObserved:
		if n := c.byNode[ev.Node]; n != nil {
			c.line(n, ev)
		}
	case RailWritten:
		if n := c.byNode[ev.Node]; n != nil {
			c.tell(n, power.RailWritten{On: ev.On, Err: ev.Err})
		}
	case Answered:
		if n := c.byNode[ev.Node]; n != nil {
			c.replied(n, ev)
		}
	case Pulsed:
		if n := c.byNode[ev.Node]; n != nil {
			c.tell(n, power.Pulsed{Operation: ev.Operation, Err: ev.Err})
		}
	}
}

// Next is when the shell should step Wake if nothing else comes before. It may be in the past.
func (c *Core) Next() time.Time { return c.due }

// expire does what the passing of time alone brings.
func (c *Core) expire() {
	if c.now.Before(c.due) {
		return
	}
	c.due = c.now.Add(time.Hour)
	if c.failure != nil && !c.flying && c.now.Before(c.retry) {
		c.soon(c.retry)
	}
	for _, n := range c.nodes {
		c.silence(n)
		c.clockwork(n)
		c.judge(n)
		c.soon(c.deadline(n))
	}
	c.moved = c.moved || len(c.running) > 0
}

// soon asks for a Wake at the given time, or earlier.
func (c *Core) soon(at time.Time) {
	if at.Before(c.due) {
		c.due = at
	}
}

func (c *Core) emit(e Effect) { c.effects = append(c.effects, e) }

// publish numbers a report. One without a time of its own happened now.
func (c *Core) publish(r Report) {
	c.reports++
	r.Number = c.reports
	if r.At.IsZero() {
		r.At = c.now
	}
	c.log(r)
	c.emit(Publish{r})
}

// touch marks a node as changed.
func (c *Core) touch(n *node) {
	c.revision++
	n.revision = c.revision
}

func (c *Core) fan(name string) *fanState {
	for _, f := range c.fans {
		if f.cfg.Name == name {
			return f
		}
	}
	return nil
}
