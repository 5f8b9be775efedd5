package sim

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// EventKind is what an Event says.
type EventKind int

const (
	EventRailOn      EventKind = iota // power came
	EventRailOff                      // power went
	EventBoot                         // the next boot begins, without a cut before it
	EventMounted                      // a boot has mounted its file systems
	EventReady                        // the agent answers
	EventPowerOff                     // a power-off was announced on the board
	EventReboot                       // a reboot was announced on the board
	EventAgentGone                    // a shutdown has ended the agent
	EventUnmounted                    // a shutdown has unmounted the file systems: a cut does no harm any more
	EventHalted                       // the board has shut down
	EventDoneHigh                     // the done line rose
	EventDoneLow                      // the done line fell
	EventLost                         // the cut took mounted file systems with it
	EventUnannounced                  // a shutdown began that no agent announces
	EventCancelled                    // an announced shutdown was called off
	EventChecking                     // a boot checks the file systems first
	EventReset                        // the watchdog reset the board; a boot begins
	numEventKinds
)

// String returns the event in lower case, in one word.
func (k EventKind) String() string {
	names := [numEventKinds]string{
		"rail-on", "rail-off", "boot", "mounted", "ready", "poweroff", "reboot",
		"agent-gone", "unmounted", "halted", "done-high", "done-low", "lost",
		"unannounced", "cancelled", "checking", "reset",
	}
	if k < 0 || k >= numEventKinds {
		return fmt.Sprintf("event(%d)", int(k))
	}
	return names[k]
}

// Event is something that happened to a board at an instant.
type Event struct {
	At    time.Duration // since the start, exact
	Board string
	Kind  EventKind
}

// String returns the event as one line: seconds, board, what.
func (e Event) String() string {
	return fmt.Sprintf("%.3f %s %v", e.At.Seconds(), e.Board, e.Kind)
}

// Feed is a subscription to a case's events. Make one with Case.Events.
type Feed struct {
	c       *Case
	pending []Event
	signal  chan struct{}
}

// Events subscribes to everything that happens from now on, in order: for a
// program that steps the case itself and looks between the steps. Whoever
// subscribes takes with Feed.Next or ends with Feed.Close; events that nobody
// takes are kept.
func (c *Case) Events() *Feed {
	c.lock()
	defer c.mu.Unlock()
	return c.subscribe()
}

func (c *Case) subscribe() *Feed {
	f := &Feed{c: c, signal: make(chan struct{}, 1)}
	c.feeds = append(c.feeds, f)
	return f
}

// emit tells every feed what happened to a board now.
func (c *Case) emit(b *Board, kind EventKind) {
	for _, f := range c.feeds {
		f.pending = append(f.pending, Event{At: c.now, Board: b.cfg.Name, Kind: kind})
		select {
		case f.signal <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

// Next takes the oldest event not taken yet; false if there is none. It does
// not block.
func (f *Feed) Next() (Event, bool) {
	f.c.lock()
	defer f.c.mu.Unlock()
	if len(f.pending) == 0 {
		return Event{}, false
	}
	e := f.pending[0]
	f.pending = slices.Delete(f.pending, 0, 1)
	return e, true
}

// Close ends the subscription; what was not taken is gone.
func (f *Feed) Close() {
	f.c.lock()
	defer f.c.mu.Unlock()
	f.pending = nil
	if i := slices.Index(f.c.feeds, f); i >= 0 {
		f.c.feeds = slices.Delete(f.c.feeds, i, i+1)
	}
}

// follow calls handle with every event until ctx ends, closes the feed and
// returns nil.
func (f *Feed) follow(ctx context.Context, handle func(Event)) error {
	defer f.Close()
	for {
		for ctx.Err() == nil {
			e, more := f.Next()
			if !more {
				break
			}
			handle(e)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.signal:
		}
	}
}
