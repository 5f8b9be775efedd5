package sim

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// Rail is the switched 5 V feed of one board, as the master's pin drives and
// reads it.
type Rail struct{ b *Board }

// Set switches the rail. Cutting it while the board's file systems are mounted
// loses them, which is counted. Setting what is already so changes nothing. It
// is syscall.EIO while the rail fails.
func (r *Rail) Set(on bool) error {
	b := r.b
	b.c.lock()
	defer b.c.mu.Unlock()
	switch {
	case b.faults.has(FaultFailedRail):
		return fmt.Errorf("rail %s: set: %w", b.cfg.Name, syscall.EIO)
	case on == b.gate || b.faults.has(FaultRailStuck):
		return nil
	}
	b.gate = on
	b.feed()
	b.c.reschedule()
	return nil
}

// On says what the pin reads, which with a broken rail is not whether the board
// has power. It is syscall.EIO while the rail cannot be read.
func (r *Rail) On() (bool, error) {
	b := r.b
	b.c.lock()
	defer b.c.mu.Unlock()
	if b.faults.has(FaultUnreadableRail) {
		return false, fmt.Errorf("rail %s: read: %w", b.cfg.Name, syscall.EIO)
	}
	return b.gate, nil
}

// Gate says how the pin is driven, whether it can be read or not.
func (r *Rail) Gate() bool {
	r.b.c.lock()
	defer r.b.c.mu.Unlock()
	return r.b.gate
}

// Powered says whether the board has power.
func (b *Board) Powered() bool {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.phase != phaseOff
}

// Plug pulls the board's own plug, or puts it back in, whatever its rail does.
// Pulled while its file systems are mounted it loses them, as any cut does.
func (b *Board) Plug(in bool) {
	b.c.lock()
	defer b.c.mu.Unlock()
	b.unplugged = !in
	b.feed()
	b.c.reschedule()
}

// Mains takes the mains from the whole case, or brings it back. Without it every
// board loses its power, and every rail's pin falls, for nobody drives it any
// more. With it the boards come back whose feed is not switched.
func (c *Case) Mains(on bool) {
	c.lock()
	defer c.mu.Unlock()
	c.dark = !on
	for _, b := range c.boards {
		if c.dark && b.cfg.Rail {
			b.gate = false
		}
		b.feed()
	}
	c.reschedule()
}

// feed gives the board the power that mains, plug, rail and the rail's faults
// make, or takes it.
func (b *Board) feed() {
	on, powered := b.gate, b.phase != phaseOff
	cause := CutByRail
	switch {
	case b.c.dark:
		on, cause = false, CutByMains
	case b.unplugged:
		on, cause = false, CutByPlug
	case powered && b.faults.has(FaultRailWelded):
		on = true
	case !powered && b.faults.has(FaultRailDead):
		on = false
	}
	switch {
	case on == powered:
	case on:
		b.c.emit(b, EventRailOn)
		b.inrush = b.c.now + inrushTime
		b.begin()
	default:
		b.cut(cause)
	}
}

func (b *Board) cut(cause Cut) {
	b.c.emit(b, EventRailOff)
	if b.phase.mounted() {
		b.lost++
		b.dirty = true
		b.c.losses = append(b.c.losses, Loss{Board: b.cfg.Name, At: b.c.now, By: cause})
		b.c.emit(b, EventLost)
	}
	b.hung, b.light = false, false
	b.enter(phaseOff, never)
}

// Cut is who took a board's power.
type Cut int

const (
	CutByRail  Cut = iota // its rail
	CutByPlug             // Board.Plug
	CutByMains            // Case.Mains
)

// String returns the cause in one word.
func (c Cut) String() string {
	switch c {
	case CutByRail:
		return "rail"
	case CutByPlug:
		return "plug"
	case CutByMains:
		return "mains"
	default:
		return fmt.Sprintf("cut(%d)", int(c))
	}
}

// Loss is one cut of a board's power while its file systems were mounted.
type Loss struct {
	Board string
	At    time.Duration // since the start
	By    Cut
}

// String returns the loss as one line: seconds, board, cause.
func (l Loss) String() string {
	return fmt.Sprintf("%.3f %s lost its file systems by its %v", l.At.Seconds(), l.Board, l.By)
}

// LostFileSystems returns how often a board's power was cut while its file
// systems were mounted, since the start, whoever cut it.
func (c *Case) LostFileSystems() int {
	c.lock()
	defer c.mu.Unlock()
	return len(c.losses)
}

// Losses returns every such cut, the oldest first.
func (c *Case) Losses() []Loss {
	c.lock()
	defer c.mu.Unlock()
	return slices.Clone(c.losses)
}
