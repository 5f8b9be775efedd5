package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	minPulse     = 50 * time.Millisecond
	defaultPulse = 200 * time.Millisecond
	maxPulse     = 2 * time.Second
)

// Why there must be no pulse on the done line, as bits.
const (
	asked     = 1 << iota // the system is being asked to go down
	announced             // a shutdown has been announced
)

// wire is the done line with the one rule about pulses on it: none while a shutdown is on its way, since a watcher takes
// a line that is high then for the proof that the board has ended, and takes its power away.
type wire struct {
	line DoneLine

	mu     sync.Mutex
	barred int
	end    context.CancelFunc // of the pulse that is on the line; nil: none
	low    chan struct{}      // closed when that pulse has ended
}

// bar ends the pulse that is on the line, waits until it is low, and lets no other begin until cleared. A kernel that does
// not answer is not waited for longer than a second: it cannot raise the line either.
func (w *wire) bar(why int) {
	w.mu.Lock()
	w.barred |= why
	end, low := w.end, w.low
	w.mu.Unlock()
	if end == nil {
		return
	}
	end()
	select {
	case <-low:
	case <-time.After(noticeGrace):
	}
}

func (w *wire) clear(why int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.barred &^= why
}

// pulse raises the line for a moment. It blocks until the line is low again.
func (w *wire) pulse(ctx context.Context, width time.Duration) error {
	if w.line == nil {
		return preconditionError{"this board has no done line: add done: {line: N} to its agent's settings"}
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	low := make(chan struct{})
	w.mu.Lock()
	switch {
	case w.barred != 0:
		w.mu.Unlock()
		return errGoingDown
	case w.end != nil:
		w.mu.Unlock()
		return preconditionError{"another pulse is on the done line: try again when it has ended"}
	}
	w.end, w.low = end, low
	w.mu.Unlock()

	err := w.line.Pulse(ctx, width)
	w.mu.Lock()
	w.end = nil
	barred := w.barred != 0
	w.mu.Unlock()
	close(low)
	switch {
	case err == nil:
		return nil
	case barred:
		return errGoingDown
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return preconditionError{fmt.Sprintf("pulse: %v", err)}
	}
}

// pulseWidth is the one that a request asks for.
func pulseWidth(asked *time.Duration) (time.Duration, error) {
	switch {
	case asked == nil:
		return defaultPulse, nil
	case *asked < minPulse || *asked > maxPulse:
		return 0, badRequest("width: %v is not allowed: %v to %v", *asked, minPulse, maxPulse)
	default:
		return *asked, nil
	}
}
