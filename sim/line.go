package sim

import (
	"context"
	"fmt"
	"math"
	"time"
)

// DoneBy is who raises a board's done line at the end of a power-off.
type DoneBy int

const (
	DoneByOverlay DoneBy = iota // the kernel, by the gpio-poweroff overlay: a pulse, then high until it gives up
	DoneByHelper                // bramble-done: high from a little before the last sync until the rail falls
	DoneByNone                  // nobody; the line stays low
	numDoneBy
)

// String returns overlay, helper or none.
func (d DoneBy) String() string {
	names := [numDoneBy]string{"overlay", "helper", "none"}
	if d < 0 || d >= numDoneBy {
		return fmt.Sprintf("done(%d)", int(d))
	}
	return names[d]
}

// DoneSignal is what an agent would report of its board's end of the done line.
type DoneSignal struct {
	By DoneBy

	// The delays of the overlay, as its device tree has them; else 0.
	ActiveDelay, InactiveDelay, Timeout time.Duration
}

// DoneSignal returns how the board shows the end of a power-off: DoneByNone for
// one without a wire.
func (b *Board) DoneSignal() DoneSignal {
	s := DoneSignal{By: b.cfg.DoneBy}
	if !b.cfg.DoneLine {
		s.By = DoneByNone
	}
	if s.By == DoneByOverlay {
		o := b.cfg.Overlay
		s.ActiveDelay, s.InactiveDelay, s.Timeout = o.ActiveDelay, o.InactiveDelay, o.Timeout
	}
	return s
}

// wire is the master's end of a done line.
type wire struct {
	high bool // as last told to the watchers
	told bool // without bounces, as of the last edge
	n    uint64

	glitching, floats, bounced bool
	bounces                    int // still to come

	glitchDue, floatDue, bounceDue time.Duration
}

func newWire() wire { return wire{glitchDue: never, floatDue: never, bounceDue: never} }

func (w *wire) nextDue() time.Duration { return min(w.glitchDue, w.floatDue, w.bounceDue) }

// output returns the level that the board itself gives its wire. Before the
// kernel, and after its end, nobody drives the pin and the pull-down holds it.
func (b *Board) output() bool {
	if !b.phase.lineDriven() || b.DoneSignal().By == DoneByNone {
		return false
	}
	return (b.phase.lineHigh() || b.pulseEnd < never) != b.faults.has(FaultDoneInverted)
}

// clean returns the level at the master's end, bounces aside.
func (b *Board) clean() bool {
	from := b
	if b.swap != nil {
		from = b.swap
	}
	switch {
	case !b.cfg.DoneLine || b.faults.has(FaultDoneStuckLow):
		return false
	case b.faults.has(FaultDoneStuckHigh):
		return true
	case b.faults.has(FaultDoneFloating):
		return b.wire.floats
	default:
		return from.output() != b.wire.glitching
	}
}

// drive tells the watchers when what the board does has changed a level: its own
// line's, and that of the line which is in its line's place.
func (b *Board) drive() {
	b.level()
	if b.swap != nil {
		b.swap.level()
	}
}

// level tells the watchers when the level of the line has changed.
func (b *Board) level() {
	w := &b.wire
	high := b.clean()
	if high != w.told && b.faults.has(FaultDoneBouncing) {
		w.bounced = false
		w.bounces = 2 * (1 + int(b.draw()%3))
		w.bounceDue = b.c.now + b.between(100*time.Microsecond, 2*time.Millisecond)
	}
	w.told = high
	if high = high != w.bounced; high == w.high {
		return
	}
	w.high = high
	if high {
		b.c.emit(b, EventDoneHigh)
	} else {
		b.c.emit(b, EventDoneLow)
	}
}

// draw returns the next random bits of the line.
func (b *Board) draw() uint64 {
	b.wire.n++
	return b.c.random(streamLine, b.index, b.wire.n)
}

// between draws a time, each order of magnitude as likely as the next.
func (b *Board) between(least, most time.Duration) time.Duration {
	return time.Duration(float64(least) * math.Pow(float64(most)/float64(least), unit(b.draw())))
}

// disturb begins or ends what a fault of the line does over time.
func (b *Board) disturb(k FaultKind) {
	w := &b.wire
	switch k {
	case FaultDoneGlitches:
		w.glitching, w.glitchDue = false, never
		if b.faults.has(k) {
			w.glitchDue = b.c.now + b.nextGlitch()
		}
	case FaultDoneFloating:
		w.floats, w.floatDue = false, never
		if b.faults.has(k) {
			w.floatDue = b.c.now
		}
	case FaultDoneBouncing:
		w.bounced, w.bounces, w.bounceDue = false, 0, never
	}
}

func (b *Board) nextGlitch() time.Duration {
	mean := b.faults.values[FaultDoneGlitches]
	return time.Duration(mean * (0.5 + unit(b.draw())) * float64(time.Second))
}

// stir does what is due on the line.
func (b *Board) stir() {
	w, now := &b.wire, b.c.now
	if w.glitchDue <= now {
		w.glitching = !w.glitching
		if w.glitching {
			lengths := [...]time.Duration{time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}
			w.glitchDue = now + lengths[b.draw()%uint64(len(lengths))]
		} else {
			w.glitchDue = now + b.nextGlitch()
		}
	}
	if w.floatDue <= now {
		w.floats = !w.floats
		w.floatDue = now + b.between(time.Millisecond, 2*time.Second)
	}
	if w.bounceDue <= now {
		w.bounced = !w.bounced
		w.bounces--
		w.bounceDue = never
		if w.bounces > 0 {
			w.bounceDue = now + b.between(100*time.Microsecond, 2*time.Millisecond)
		}
	}
	if b.pulseEnd <= now {
		b.pulseEnd = never
	}
	b.drive()
}

// swapWith puts the lines of two boards in each other's place.
func (b *Board) swapWith(other *Board) {
	other.unswap()
	for _, pair := range [...][2]*Board{{b, other}, {other, b}} {
		pair[0].swap = pair[1]
		pair[0].faults.put(FaultDoneSwapped, true, 0)
	}
	b.drive()
}

// unswap puts the line back where it belongs, and the one in its place too.
func (b *Board) unswap() {
	other := b.swap
	if other == nil {
		return
	}
	for _, b := range [...]*Board{b, other} {
		b.swap = nil
		b.faults.put(FaultDoneSwapped, false, 0)
	}
	b.drive()
	other.drive()
}

// DoneLine is the wire on which a board tells the master that it has shut down.
type DoneLine struct{ b *Board }

// High says whether the line is high now.
func (l *DoneLine) High() bool {
	b := l.b
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.wire.high
}

// Watch calls edge with the level as it is, and then at every edge with the
// exact time of it, in order. It blocks until ctx ends and then returns nil. A
// program that steps the case itself takes the edges from Case.Events.
func (l *DoneLine) Watch(ctx context.Context, edge func(high bool, at time.Time)) error {
	b := l.b
	b.c.lock()
	feed := b.c.subscribe()
	high, at := b.wire.high, b.c.epoch.Add(b.c.now)
	b.c.mu.Unlock()
	edge(high, at)
	return feed.follow(ctx, func(e Event) {
		if e.Board == b.cfg.Name && (e.Kind == EventDoneHigh || e.Kind == EventDoneLow) {
			edge(e.Kind == EventDoneHigh, b.c.Time(e.At))
		}
	})
}
