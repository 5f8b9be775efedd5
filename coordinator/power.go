package coordinator

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
)

// Rail is the port of the switched feed of one node. Its methods are called by the control loop alone.
type Rail interface {
	// Set switches the rail. Setting what is set already changes nothing.
	Set(on bool) error
	// On reports whether the rail is on, as it is and not as it was set.
	On() (bool, error)
}

// DoneLine is the port of the shutdown-complete wire of one node.
type DoneLine interface {
	// Watch calls seen at once with the level, and then with each edge and its time, in order, until ctx ends or the line
	// fails. Where a kernel kept edges from before, the first call is the level before the oldest of them. The time is
	// comparable with time.Now.
	Watch(ctx context.Context, seen func(high bool, at time.Time)) error
}

// Store is the memory that outlasts the coordinator. Acknowledge may be called while Write is, by another goroutine.
type Store interface {
	// Load returns everything that is kept.
	Load() ([]core.Entry, error)
	// Write keeps all of the entries or none, durably when it returns nil.
	Write(entries []core.Entry) error
	// Damage says what was found damaged when the store was opened and not acknowledged yet; empty when nothing was.
	Damage() string
	// Acknowledge ends that.
	Acknowledge() error
}

// mostWaiting is how many wishes may wait for their answer, also of callers that have given up: an answer comes with a write
// of the memory, and a disk may hang.
const mostWaiting = 1024

var errFull = fmt.Errorf("%w: %d requests wait for it already, and nothing was begun: look at the disk's health and the kernel's log", core.ErrStore, mostWaiting)

var errLineEnded = errors.New("the watch of the line ended")

// Request asks for an operation and returns it once it is on disk. The error is a core.ErrNotFound, core.ErrInvalid,
// core.ErrForbidden, core.ErrSupply, core.ErrBusy or core.ErrStore when nothing was begun, ErrNotRunning, or that of ctx;
// then the operation may have been begun all the same, and the same RequestID finds it.
func (c *Coordinator) Request(ctx context.Context, r core.Request) (core.Answer, error) {
	return c.put(ctx, func(ticket uint64) core.Event { r.Ticket = ticket; return r })
}

// SetPower starts, stops, cycles or reboots nodes.
func (c *Coordinator) SetPower(ctx context.Context, kind core.OperationKind, nodes ...string) (core.OperationView, error) {
	return c.begun(c.Request(ctx, core.Request{Kind: kind, Nodes: nodes, By: inProcess}))
}

// StartCase starts every worker in order.
func (c *Coordinator) StartCase(ctx context.Context) (core.OperationView, error) {
	return c.begun(c.Request(ctx, core.Request{Kind: core.OperationStartCase, By: inProcess}))
}

// StopCase stops every worker in order, and the master last where that is asked.
func (c *Coordinator) StopCase(ctx context.Context, master bool) (core.OperationView, error) {
	return c.begun(c.Request(ctx, core.Request{Kind: core.OperationStopCase, Master: master, By: inProcess}))
}

// inProcess is who asks when a program that embeds the coordinator does not say.
const inProcess = "the program that runs the coordinator"

func (c *Coordinator) begun(a core.Answer, err error) (core.OperationView, error) {
	if err != nil || a.Operation == nil {
		return core.OperationView{}, err
	}
	return *a.Operation, nil
}

// CancelOperation calls an operation off where that is safe, and returns it as it is then.
func (c *Coordinator) CancelOperation(ctx context.Context, id, by string) (core.OperationView, error) {
	return c.begun(c.put(ctx, func(ticket uint64) core.Event { return core.CancelOperation{Ticket: ticket, ID: id, By: by} }))
}

// SetMaintenance takes nodes out of everything but being shown, or takes them back.
func (c *Coordinator) SetMaintenance(ctx context.Context, nodes []string, on bool, by, reason string) error {
	_, err := c.put(ctx, func(ticket uint64) core.Event {
		return core.Maintain{Ticket: ticket, Nodes: nodes, On: on, By: by, Reason: reason}
	})
	return err
}

// ClearFault ends the faults of nodes: what they do is observed anew.
func (c *Coordinator) ClearFault(ctx context.Context, nodes []string, by, reason string) error {
	_, err := c.put(ctx, func(ticket uint64) core.Event {
		return core.ClearFault{Ticket: ticket, Nodes: nodes, By: by, Reason: reason}
	})
	return err
}

// AcknowledgeStore says that a person has read that the store was damaged.
func (c *Coordinator) AcknowledgeStore(ctx context.Context, by string) error {
	_, err := c.put(ctx, func(ticket uint64) core.Event { return core.AcknowledgeStore{Ticket: ticket, By: by} })
	return err
}

// Operations returns what runs and the newest of what has ended, newest first.
func (c *Coordinator) Operations() []core.OperationView {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Operations()
}

// Operation returns one operation. The error is a core.ErrNotFound.
func (c *Coordinator) Operation(id string) (core.OperationView, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Operation(id)
}

// WatchOperation gives an operation at once and after each change, until it has ended, or ctx or Run ends. An unknown one
// is an error, once.
func (c *Coordinator) WatchOperation(ctx context.Context, id string) iter.Seq2[core.OperationView, error] {
	return func(yield func(core.OperationView, error) bool) {
		var seen uint64
		for {
			over := c.over()
			c.mu.Lock()
			o, err := c.core.Operation(id)
			changed := c.change()
			c.mu.Unlock()
			if err != nil {
				yield(o, err)
				return
			}
			if o.Revision != seen {
				if seen = o.Revision; !yield(o, nil) {
					return
				}
			}
			switch {
			case o.State != core.OperationRunning:
				return
			case over:
				yield(o, ErrNotRunning)
				return
			}
			select {
			case <-changed:
			case <-c.done:
			case <-ctx.Done():
				yield(o, ctx.Err())
				return
			}
		}
	}
}

// Supply returns the supply as it is committed now.
func (c *Coordinator) Supply() core.SupplyView {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Supply()
}

// Events returns at most limit of the newest events that are remembered, of one node or fan or of all, oldest first.
func (c *Coordinator) Events(limit int, subject string) []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Events(limit, subject)
}

// put hands a person's wish to the control loop and waits for the core's answer.
func (c *Coordinator) put(ctx context.Context, wish func(ticket uint64) core.Event) (core.Answer, error) {
	if !c.ran.Load() {
		return core.Answer{}, ErrNotRunning
	}
	reply := make(chan reply, 1)
	ticket := c.tickets.Add(1)
	select {
	case c.inbox <- letter{event: wish(ticket), received: time.Now(), ticket: ticket, reply: reply}:
	case <-c.done:
		return core.Answer{}, ErrNotRunning
	case <-ctx.Done():
		return core.Answer{}, ctx.Err()
	}
	select {
	case r := <-reply:
		return r.answer, r.err
	case <-c.done:
		return core.Answer{}, ErrNotRunning
	case <-ctx.Done():
		return core.Answer{}, ctx.Err()
	}
}

// reply is the core's answer to a wish.
type reply struct {
	answer core.Answer
	err    error
}

// answer gives a waiting caller its answer. Nobody may be waiting any more.
func (c *Coordinator) answer(ticket uint64, r reply) {
	if waiting, ok := c.waiting[ticket]; ok {
		delete(c.waiting, ticket)
		waiting <- r
	}
}

// remember opens the core with what the store keeps. Without a store there is no memory.
func (c *Coordinator) remember(now time.Time) (*core.Core, error) {
	store := c.cfg.Hardware.Store
	if store == nil {
		return core.New(c.cfg.Core, now)
	}
	var clock power.Instant
	if c.cfg.Clock != nil {
		clock = c.cfg.Clock()
	}
	entries, err := store.Load()
	if err != nil {
		return nil, err
	}
	return core.Open(c.cfg.Core, now, clock, entries, store.Damage())
}

// save writes what the core wants kept, until ctx ends. A disk may take seconds: the control loop does not wait for it.
func (c *Coordinator) save(ctx context.Context) {
	defer c.guard()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-c.saves:
			var err error
			if store := c.cfg.Hardware.Store; store != nil {
				err = store.Write(e.Entries)
			}
			c.tell(ctx, core.Stored{Number: e.Number, Err: err})
		}
	}
}

// acknowledge ends the damage of the store.
func (c *Coordinator) acknowledge() error {
	if c.cfg.Hardware.Store == nil {
		return nil
	}
	return c.cfg.Hardware.Store.Acknowledge()
}
