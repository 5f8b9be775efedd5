package sim

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// phase is a step of a board's life between two cuts of its power.
type phase int

const (
	phaseOff           phase = iota
	phaseFirmware            // boot loader and early kernel
	phaseMounted             // file systems mounted, services starting
	phaseRunning             // agent up
	phaseAgentStopping       // shutdown announced, agent still answers
	phaseUnmounting          // agent gone, file systems mounted until the end
	phasePulseHigh           // the overlay's first activation: power may go
	phasePulseLow
	phaseDone   // the overlay waits for its power to go
	phaseHalted // halted without a signal: no line, or the overlay gave up
)

// The gpio-poweroff overlay's defaults (raspberrypi/linux, overlays/README:
// active_delay_ms, inactive_delay_ms, timeout_ms).
const (
	activeDelay   = 100 * time.Millisecond
	inactiveDelay = 100 * time.Millisecond
	doneTimeout   = 3 * time.Second
)

// inrushTime is how long a board draws inrushAmps more after its rail rises
// (ASSUMED).
const (
	inrushTime = 200 * time.Millisecond
	inrushAmps = 2.0
)

func (p phase) state() State {
	switch p {
	case phaseOff:
		return StateOff
	case phaseFirmware, phaseMounted:
		return StateBooting
	case phaseRunning:
		return StateRunning
	case phaseAgentStopping, phaseUnmounting:
		return StateStopping
	default:
		return StateHalted
	}
}

func (p phase) firmwareRuns() bool { return p >= phaseFirmware && p <= phaseUnmounting }
func (p phase) kernelRuns() bool   { return p >= phaseMounted && p <= phaseUnmounting }
func (p phase) mounted() bool      { return p.kernelRuns() }
func (p phase) agentRuns() bool    { return p == phaseRunning || p == phaseAgentStopping }
func (p phase) stopping() bool     { return p.state() == StateStopping }
func (p phase) lineHigh() bool     { return p == phasePulseHigh || p == phaseDone }

// PowerOff asks the board to shut down and stay down, as logind would be asked.
// Asking again changes nothing. It is ErrNotRunning unless the board is up, and
// an error while it stops for a reboot.
func (b *Board) PowerOff() error { return b.stop(EventPowerOff) }

// Reboot asks the board to restart; see PowerOff. The done line stays low.
func (b *Board) Reboot() error { return b.stop(EventReboot) }

func (b *Board) stop(kind EventKind) error {
	b.c.lock()
	defer b.c.mu.Unlock()
	switch {
	case b.hung:
		return b.notRunning()
	case b.phase.stopping() && b.shutdown == kind:
		return nil
	case b.phase.stopping():
		return fmt.Errorf("board %s is already stopping for a %v: wait for its end", b.cfg.Name, b.shutdown)
	case b.phase != phaseRunning:
		return b.notRunning()
	}
	b.shutdown = kind
	b.pace = b.vary(b.cfg.StopTime, streamStop)
	b.c.emit(b, kind)
	b.enter(phaseAgentStopping, b.pace/2)
	b.c.reschedule()
	return nil
}

// Hang freezes the board as it is: its agent falls silent, it answers nothing
// and ends nothing, and it goes on making heat. Only cutting its power helps. A
// board that is off or halted cannot hang: ErrNotRunning.
func (b *Board) Hang() error {
	b.c.lock()
	defer b.c.mu.Unlock()
	if !b.phase.firmwareRuns() {
		return b.notRunning()
	}
	b.hung, b.due, b.burstDue = true, never, never
	b.c.reschedule()
	return nil
}

// begin gives the board a new boot: id, flags and all.
func (b *Board) begin() {
	b.boots++
	high := b.c.random(streamBootID, b.index, 2*b.boots)
	low := b.c.random(streamBootID, b.index, 2*b.boots+1)
	b.id = fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", // RFC 9562, version 4
		high>>32, high>>16&0xffff, high&0xfff, 0x8000|low>>48&0x3fff, low&0xffffffffffff)
	b.flags, b.sticky, b.slowdown, b.clock = 0, 0, 1, b.kind.clock
	b.light = false
	b.pace = b.vary(b.cfg.BootTime, streamBoot)
	b.enter(phaseFirmware, b.pace/3)
}

// vary returns a time of this boot, up to 10 % away from the usual one.
func (b *Board) vary(usual time.Duration, stream int) time.Duration {
	return time.Duration(float64(usual) * (0.9 + 0.2*unit(b.c.random(stream, b.index, b.boots))))
}

// enter begins a phase that lasts for a time.
func (b *Board) enter(p phase, lasting time.Duration) {
	b.phase, b.due = p, never
	if lasting < never {
		b.due = b.c.now + lasting
	}
	b.drive()
}

// advance ends the present phase, which is due.
func (b *Board) advance() {
	switch b.phase {
	case phaseFirmware:
		b.c.emit(b, EventMounted)
		b.enter(phaseMounted, b.pace-b.pace/3)
	case phaseMounted:
		b.c.emit(b, EventReady)
		b.enter(phaseRunning, never)
	case phaseAgentStopping:
		b.c.emit(b, EventAgentGone)
		b.enter(phaseUnmounting, b.pace-b.pace/2)
	case phaseUnmounting:
		b.unmount()
	case phasePulseHigh:
		b.enter(phasePulseLow, inactiveDelay)
	case phasePulseLow:
		b.enter(phaseDone, doneTimeout)
	default:
		b.enter(phaseHalted, never)
	}
}

// unmount ends a shutdown in a halt or in the next boot, unless it hangs.
func (b *Board) unmount() {
	if b.faults.has(FaultHungShutdown) {
		b.due = never
		return
	}
	b.c.emit(b, EventUnmounted)
	if b.shutdown == EventReboot {
		b.c.emit(b, EventBoot)
		b.begin()
		return
	}
	b.c.emit(b, EventHalted)
	b.light = false
	if b.cfg.DoneLine {
		b.enter(phasePulseHigh, activeDelay)
	} else {
		b.enter(phaseHalted, never)
	}
}

// drive tells the watchers when the level of the done line has changed.
func (b *Board) drive() {
	high := b.phase.lineHigh()
	switch {
	case !b.cfg.DoneLine || b.faults.has(FaultDoneStuckLow):
		high = false
	case b.faults.has(FaultDoneStuckHigh):
		high = true
	}
	if high == b.lineHigh {
		return
	}
	b.lineHigh = high
	if high {
		b.c.emit(b, EventDoneHigh)
	} else {
		b.c.emit(b, EventDoneLow)
	}
}

// Rail is the switched 5 V feed of one board.
type Rail struct{ b *Board }

// Set switches the rail. Cutting it while the board's file systems are mounted
// loses them, which is counted. Setting what is already so changes nothing. It
// never fails; the error is there for what real rails do.
func (r *Rail) Set(on bool) error {
	b := r.b
	b.c.lock()
	defer b.c.mu.Unlock()
	if on == (b.phase != phaseOff) {
		return nil
	}
	if on {
		b.c.emit(b, EventRailOn)
		b.inrush = b.c.now + inrushTime
		b.begin()
	} else {
		b.cut()
	}
	b.c.reschedule()
	return nil
}

// On says whether the rail is on. It never fails; see Set.
func (r *Rail) On() (bool, error) {
	b := r.b
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.phase != phaseOff, nil
}

func (b *Board) cut() {
	b.c.emit(b, EventRailOff)
	if b.phase.mounted() {
		b.lost++
		b.c.losses = append(b.c.losses, Loss{Board: b.cfg.Name, At: b.c.now})
		b.c.emit(b, EventLost)
	}
	b.hung, b.light = false, false
	b.enter(phaseOff, never)
}

// Loss is one cut of a board's power while its file systems were mounted.
type Loss struct {
	Board string
	At    time.Duration // since the start
}

// LostFileSystems returns how often a board's power was cut while its file
// systems were mounted, since the start.
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

// DoneLine is the wire on which a board tells the master that it has shut down.
type DoneLine struct{ b *Board }

// High says whether the line is high now.
func (l *DoneLine) High() bool {
	b := l.b
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.lineHigh
}

// Watch calls edge with the level as it is, and then at every edge with the
// exact time of it, in order. It blocks until ctx ends and then returns nil.
func (l *DoneLine) Watch(ctx context.Context, edge func(high bool, at time.Time)) error {
	b := l.b
	b.c.lock()
	feed := b.c.subscribe()
	high, at := b.lineHigh, b.c.epoch.Add(b.c.now)
	b.c.mu.Unlock()
	edge(high, at)
	return feed.follow(ctx, func(e Event) {
		if e.Board == b.cfg.Name && (e.Kind == EventDoneHigh || e.Kind == EventDoneLow) {
			edge(e.Kind == EventDoneHigh, b.c.Time(e.At))
		}
	})
}
