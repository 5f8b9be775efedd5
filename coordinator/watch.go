package coordinator

import (
	"context"
	"fmt"
	"iter"
)

// kept is how many events wait for a slow subscriber.
const kept = 1024

// ring keeps the newest events, which are numbered from 1 without a gap.
type ring struct {
	events [kept]Event
	newest uint64
}

func (r *ring) add(e Event) {
	r.newest = e.Number
	r.events[e.Number%kept] = e
}

// after appends the events after the given number, and says how many of them are no longer kept.
func (r *ring) after(events []Event, number uint64) (_ []Event, dropped uint64) {
	if r.newest > number+kept {
		dropped = r.newest - kept - number
		number += dropped
	}
	for number < r.newest {
		number++
		events = append(events, r.events[number%kept])
	}
	return events, dropped
}

// BehindError says that a subscriber was so slow that it missed events.
type BehindError struct {
	// Dropped is how many it missed.
	Dropped uint64
}

// Error says how many events were missed and what to do.
func (e *BehindError) Error() string {
	return fmt.Sprintf("too slow: %d events were dropped; read the whole state again", e.Dropped)
}

// Watch gives every event from the call on, in order:
//
//	for event, err := range coordinator.Watch(ctx) { ... }
//
// It blocks while there is none, and ends when ctx or Run ends. Nothing waits for a reader: one that falls more than 1024
// events behind gets a *BehindError with the number it missed, and then, if it goes on, the events that are still there.
// Each range over the result begins where Watch was called.
func (c *Coordinator) Watch(ctx context.Context) iter.Seq2[Event, error] {
	c.mu.Lock()
	start := c.events.newest
	c.mu.Unlock()
	return func(yield func(Event, error) bool) {
		seen := start
		for {
			// Look whether it is over before looking for events: so the last ones are not missed.
			over := c.over() || ctx.Err() != nil
			c.mu.Lock()
			events, dropped := c.events.after(nil, seen)
			changed := c.change()
			c.mu.Unlock()
			if dropped > 0 && !yield(Event{}, &BehindError{Dropped: dropped}) {
				return
			}
			for _, e := range events {
				if seen = e.Number; !yield(e, nil) {
					return
				}
			}
			if len(events) > 0 {
				continue
			}
			if over {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
			case <-c.done:
			}
		}
	}
}

// change is closed at the next change. The caller holds the lock.
func (c *Coordinator) change() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// over reports whether Run is about to return, or has.
func (c *Coordinator) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
