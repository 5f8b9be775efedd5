package core

import (
	"fmt"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

const (
	// masterAgain is between two tries to ask the master's agent after an answer that broke off, and masterWithin how long
	// that goes on.
	masterAgain  = 5 * time.Second
	masterWithin = time.Minute
)

// mastersTurn says what the master waits for, and leaves it up when a worker is not off.
func (c *Core) mastersTurn(o *operation, s *step) string {
	for _, other := range o.Steps {
		if other != s && !other.over() {
			return "its turn comes after " + other.Node
		}
	}
	if up := c.stillUp(); up != "" {
		c.finish(o, s, StepFailed, "left up: "+up)
		return s.Message
	}
	return ""
}

// stillUp says why the master must stay up: workers that are not off; empty when all are.
func (c *Core) stillUp() string {
	names := c.upWorkers()
	if names == "" {
		return ""
	}
	return names + " (promise 2: no rail changes because the master stops); see to it, then ask again"
}

// upWorkers names the workers that are not off; empty when all are.
func (c *Core) upWorkers() string {
	var names []string
	for _, n := range c.nodes {
		state := n.machine.State()
		if !n.cfg.Power.Master && state != power.StateOff && !(state == power.StateHalted && !n.cfg.Rail) {
			names = append(names, fmt.Sprintf("%s is %s", n.cfg.Name, state))
		}
	}
	return strings.Join(names, ", ")
}

// stopMaster has the master's own agent asked, once it is on disk that it will be.
func (c *Core) stopMaster(o *operation, s *step) {
	if s.proceeded {
		if at := c.time(s.Milestones[0].At).Add(2 * masterWithin); c.now.Before(at) {
			c.soon(at)
		} else {
			c.finish(o, s, StepFailed, "left up: its agent did not answer")
		}
		return
	}
	switch {
	case o.dirty || o.flying:
	case c.now.Before(s.queued):
		c.soon(s.queued)
	case c.stillUp() != "":
		c.finish(o, s, StepFailed, "left up: "+c.stillUp())
	default:
		s.proceeded = true
		if len(s.Milestones) == 0 {
			c.milestone(s.node, power.Milestone{Operation: o.id, Name: "asked", At: c.now})
		}
		c.withhold(s.node, StopMaster{Node: s.Node, Operation: o.id})
	}
}

// replied takes an agent's answer. The master's ends its step, for there will be nobody to see more of it.
func (c *Core) replied(n *node, ev Answered) {
	if !n.cfg.Power.Master {
		c.tell(n, power.Answered{Operation: ev.Operation, Err: ev.Err, Unsure: ev.Unsure})
		return
	}
	o, s := c.underWay(n, ev.Operation)
	switch {
	case s == nil:
	case ev.Err == nil:
		c.finish(o, s, StepDone, "its system accepted the power-off")
	case ev.Unsure && c.now.Sub(c.time(s.Milestones[0].At)) < masterWithin:
		s.proceeded, s.queued = false, c.now.Add(masterAgain)
		c.soon(s.queued)
	default:
		c.finish(o, s, StepFailed, "left up: its agent did not accept: "+ev.Err.Error())
	}
}
