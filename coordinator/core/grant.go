package core

import (
	"fmt"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// sag notes an under-voltage: no start may follow it for a while.
func (c *Core) sag(n *node) {
	n.sagged = true
	c.moved = true
}

// grant lets at most one start go, if the supply, the stagger and the order allow it, and gives up those that waited too
// long.
func (c *Core) grant() {
	c.queued, c.sagging = c.queued[:0], c.sagging[:0]
	for _, o := range c.running {
		for _, s := range o.Steps {
			waits := s.State == StepRunning && s.node.machine.State() == power.StateQueued && !s.node.unwritten()
			switch {
			case !waits:
			case s.queued.IsZero():
				s.queued = c.now
				fallthrough
			default:
				c.queued = append(c.queued, s.Node)
			}
		}
	}
	for _, n := range c.nodes {
		if n.sagged || n.flags[FlagUnderVoltage].Active && c.counted(n) {
			c.sagging = append(c.sagging, n.cfg.Name)
			n.sagged = false
		}
	}
	waiting := ""
	if len(c.queued)+len(c.sagging) > 0 {
		if waiting = c.early(); waiting == "" {
			waiting = c.ask(c.queued)
		} else {
			c.ask(nil) // the plan sees every sag
		}
	}
	if len(c.queued) == 0 {
		waiting = ""
	}
	if waiting != c.waiting {
		c.waiting = waiting
		c.revision++
	}
	c.giveUp()
}

// early says why it is too early for a start, whatever the plan says: the memory does not hold it, or the rail of the last
// one was switched just now, or is yet to be.
func (c *Core) early() string {
	if c.rising != nil && c.rising.machine.State() != power.StateStarting {
		c.rising = nil
	}
	next := c.rose.Add(c.cfg.Supply.Stagger)
	switch {
	case !c.usable():
		return c.StoreHealth().Message
	case c.rising != nil:
		return c.rising.cfg.Name + " comes first: its rail is about to go on"
	case !c.rose.IsZero() && c.now.Before(next):
		c.soon(next)
		return fmt.Sprintf("starts are %s apart", c.cfg.Supply.Stagger)
	}
	return ""
}

// ask asks the plan for a start, and lets it go.
func (c *Core) ask(queued []string) (waiting string) {
	granted, waiting, next := c.plan.Grant(c.now, c.burden(), queued, c.sagging)
	if !next.IsZero() {
		c.soon(next)
	}
	if n := c.byNode[granted]; n != nil {
		c.granted = c.now
		c.moved = true
		if n.cfg.Rail {
			c.rising = n
		}
		c.tell(n, power.Grant{})
	}
	return waiting
}

// giveUp ends the starts that have waited too long since the last one went.
func (c *Core) giveUp() {
	for _, o := range c.running {
		for _, s := range o.Steps {
			if s.State != StepRunning || s.queued.IsZero() || s.node.machine.State() != power.StateQueued {
				continue
			}
			since := s.queued
			if c.granted.After(since) {
				since = c.granted
			}
			at := since.Add(c.cfg.Supply.GiveUp)
			if c.now.Before(at) {
				c.soon(at)
				continue
			}
			ev := power.Cancel{Operation: o.id}
			if s.node.machine.May(ev) != nil {
				continue
			}
			c.finish(o, s, StepFailed, fmt.Sprintf("not started: after %s it still waits: %s", c.cfg.Supply.GiveUp, c.waiting))
			c.tell(s.node, ev)
		}
	}
}
