package core

import (
	"math/rand/v2"
	"time"
)

// Core is the state of a case. Make one with New. It is not safe for concurrent use.
type Core struct {
	cfg        Config
	start, now time.Time
	started    bool
	random     *rand.Rand

	nodes  []*node
	byNode map[string]*node
	fans   []*fanState
	alarms []Alarm

	due      time.Time // when Step wants a Wake at the latest
	effects  []Effect
	reports  uint64
	revision uint64
}

// New starts the decisions of a case at now. The error is Config.Validate's.
func New(cfg Config, now time.Time) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Core{
		cfg: cfg, start: now, now: now, due: now, revision: 1,
		random: rand.New(rand.NewPCG(cfg.Seed, 0)),
		byNode: map[string]*node{},
	}
	for _, nc := range cfg.Nodes {
		n := &node{cfg: nc, revision: 1, presence: PresenceConnecting}
		c.nodes = append(c.nodes, n)
		c.byNode[nc.Name] = n
	}
	for _, fc := range cfg.Fans {
		c.fans = append(c.fans, newFan(fc, c.nodes, c.byNode))
	}
	return c, nil
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
	}
	switch ev := ev.(type) {
	case Tick:
		c.expire()
		for _, f := range c.fans {
			c.control(f)
		}
	case Wake:
		c.expire()
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
	}
	return c.effects
}

// Next is when the shell should step Wake if nothing else comes before. It may be in the past.
func (c *Core) Next() time.Time { return c.due }

// expire does what the passing of time alone brings.
func (c *Core) expire() {
	if c.now.Before(c.due) {
		return
	}
	c.due = c.now.Add(time.Hour)
	for _, n := range c.nodes {
		c.silence(n)
		c.judge(n)
		c.soon(c.deadline(n))
	}
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
