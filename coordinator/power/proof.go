package power

import "time"

// proof watches one done line for the end of a power-off. Times are the kernel's, of the edges.
//
// The gpio-poweroff driver (Linux, drivers/power/reset/gpio-poweroff.c) raises the line, waits with mdelay for the active
// delay, lowers it for the inactive delay, raises it again and waits for its timeout. mdelay is a busy loop against a timer:
// it never ends early, and late only by interrupts or, in a virtual machine, by a host that runs something else. The
// time stamps are taken by an interrupt that may come some milliseconds late, the first one as well as the second. So a
// delay counts when it is within 30 % of what the device tree says, or within 20 ms where that is more.
type proof struct {
	// edges are the newest four, the newest last, each the contrary of the one before; zero where none was seen.
	edges [4]time.Time
	known bool // whether the level is known
	high  bool
	from  time.Time // since when the level is known without an edge
	ripe  time.Time // when it was first looked at after it was due
}

const (
	tolerancePercent = 30
	leastTolerance   = 20 * time.Millisecond
	overlayDelay     = 100 * time.Millisecond // the overlay's default
	lowBefore        = 500 * time.Millisecond // how long the line rests before the overlay's first edge
	quietBefore      = 2 * time.Second        // how long it rests before a helper's
	helperHolds      = 500 * time.Millisecond
	// settles is between the first look at a finished proof and its end: a process that stood still sees its timers before
	// the edges that wait for it.
	settles = 100 * time.Millisecond
)

func (p *proof) edge(high bool, at time.Time) {
	if p.known && p.high == high { // edges were lost between
		*p = proof{}
	}
	if !p.known {
		p.from = time.Time{}
	}
	copy(p.edges[:], p.edges[1:])
	p.edges[3] = at
	p.known, p.high, p.ripe = true, high, time.Time{}
}

// seen takes a level that was read, and says nothing new when it is the one that the last edge left.
func (p *proof) seen(high bool, now time.Time) {
	if p.known && p.high == high {
		return
	}
	*p = proof{known: true, high: high, from: now}
}

// due says when the proof is finished if no further edge comes; false when it cannot be finished like that. It begins after
// lived: what the node did until then was no end. low says that the line was low when the end was asked for or announced,
// for a watch that has begun since.
func (p *proof) due(s Signal, lived time.Time, low bool) (time.Time, bool) {
	if !p.known || !p.high {
		return time.Time{}, false
	}
	switch s.Mechanism {
	case MechanismHelper:
		start := p.edges[3]
		if start.IsZero() {
			return p.from.Add(helperHolds), low && !p.from.Before(lived)
		}
		return start.Add(helperHolds), !start.Before(lived) && p.rested(p.edges[2], start, quietBefore, low)
	case MechanismOverlay:
		return p.overlay(s, lived, low)
	default:
		return time.Time{}, false
	}
}

// rested says that the line was low for so long before it rose; a watch that began within that time goes by low.
func (p *proof) rested(fell, rose time.Time, least time.Duration, low bool) bool {
	if !fell.IsZero() {
		return rose.Sub(fell) >= least
	}
	return !p.from.IsZero() && (low || rose.Sub(p.from) >= least)
}

func (p *proof) overlay(s Signal, lived time.Time, low bool) (time.Time, bool) {
	active, inactive := s.ActiveDelay, s.InactiveDelay
	if active <= 0 {
		active = overlayDelay
	}
	if inactive <= 0 {
		inactive = overlayDelay
	}
	rest, up, down, again := p.edges[0], p.edges[1], p.edges[2], p.edges[3]
	if up.IsZero() {
		return p.remains(active, inactive, lived, low)
	}
	if up.Before(lived) || !p.rested(rest, up, lowBefore, low) ||
		!within(down.Sub(up), active) || !within(again.Sub(down), inactive) {
		return time.Time{}, false
	}
	// A line that swings in this rhythm falls again after the active delay; the driver's last level lasts longer.
	return again.Add(active + tolerance(active)), true
}

// remains takes what a watch that began in the first high level still sees of the signature, on a line that was low before.
// A level alone is none.
func (p *proof) remains(active, inactive time.Duration, lived time.Time, low bool) (time.Time, bool) {
	down, again := p.edges[2], p.edges[3]
	if !low || down.IsZero() || p.from.IsZero() || p.from.Before(lived) || !within(again.Sub(down), inactive) {
		return time.Time{}, false
	}
	return again.Add(active + tolerance(active)), true
}

func within(measured, delay time.Duration) bool { return (measured - delay).Abs() <= tolerance(delay) }

func tolerance(delay time.Duration) time.Duration {
	return max(delay*tolerancePercent/100, leastTolerance)
}

// finished says that the proof is complete, and asks to be called again after settles before it does.
func (p *proof) finished(now time.Time, s Signal, lived time.Time, low bool) bool {
	due, ok := p.due(s, lived, low)
	if !ok || now.Before(due) {
		return false
	}
	if p.ripe.IsZero() {
		p.ripe = now
	}
	return !now.Before(p.ripe.Add(settles))
}

// kernelTimes are the edges that made it, the first one first.
func (p *proof) kernelTimes(s Signal) []time.Time {
	first := 3
	if s.Mechanism == MechanismOverlay {
		first = 1
	}
	if p.edges[first].IsZero() {
		return nil
	}
	return p.edges[first:]
}
