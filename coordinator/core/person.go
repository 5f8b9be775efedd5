package core

import (
	"fmt"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// person writes down what a person did to a node, or to the store.
func (c *Core) person(subject, by, did, reason string) {
	if by == "" {
		by = "somebody"
	}
	text := fmt.Sprintf("%s: %s: %s", subject, by, did)
	if reason != "" {
		text += ": " + reason
	}
	c.publish(Report{Kind: ReportPerson, Subject: subject, Message: text})
}

// callOff takes a person's wish to cancel an operation.
func (c *Core) callOff(ev CancelOperation) {
	o := c.operation(ev.ID)
	switch {
	case o == nil || !o.durable:
		c.refuse(ev.Ticket, unknownOperation(ev.ID))
	case o.State != OperationRunning:
		c.refuse(ev.Ticket, fmt.Errorf("%s: %w: it has ended: %s", o.id, ErrForbidden, o.State))
	case !c.usable():
		c.refuse(ev.Ticket, fmt.Errorf("%w: %s", ErrStore, c.StoreHealth().Message))
	default:
		if o.Cancelled == "" {
			c.cancel(o, ev.By)
		}
		c.waiters = append(c.waiters, waiter{ticket: ev.Ticket, operation: o, begun: true})
	}
}

// each checks that a person's wish can be done to every node, and then does it to all.
func (c *Core) each(ticket uint64, names []string, by, reason, did string, ev power.Event) {
	nodes, err := c.named(names)
	switch {
	case err != nil:
	case len(nodes) == 0:
		err = fmt.Errorf("%w: name at least one node", ErrInvalid)
	case !c.usable():
		err = fmt.Errorf("%w: %s", ErrStore, c.StoreHealth().Message)
	default:
		err = reasonable(reason)
	}
	for _, n := range nodes {
		if err == nil {
			err = refusal(n.machine.May(ev))
		}
	}
	if err != nil {
		c.refuse(ticket, err)
		return
	}
	for _, n := range nodes {
		c.person(n.cfg.Name, by, did, reason)
		c.touch(n)
		c.tell(n, ev)
	}
	c.moved = true
	c.waiters = append(c.waiters, waiter{ticket: ticket, begun: true})
}

func (c *Core) maintain(ev Maintain) {
	did := "takes it back from maintenance"
	if ev.On {
		did = "takes it out for maintenance"
	}
	c.each(ev.Ticket, ev.Nodes, ev.By, ev.Reason, did, power.Maintain{On: ev.On})
}

func (c *Core) clearFault(ev ClearFault) {
	c.each(ev.Ticket, ev.Nodes, ev.By, ev.Reason, "clears what is wrong", power.Clear{})
}
