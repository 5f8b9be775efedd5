package sim

import (
	"fmt"
	"time"
)

// phase is a step of a board's life between two cuts of its power.
type phase int

const (
	phaseOff           phase = iota
	phaseFirmware            // boot loader and early kernel
	phaseMounted             // file systems mounted, perhaps checked, services starting
	phaseRunning             // up
	phaseHeld                // shutdown announced and held back by the agent's delay lock
	phaseAgentStopping       // it has begun, the agent still answers
	phaseUnmounting          // agent gone, file systems mounted until the end
	phaseStalled             // hangs until the watchdog resets the board
	phaseSyncing             // the helper has raised the line, the last sync is still to come
	phasePulseHigh           // the overlay's first activation: power may go
	phasePulseLow
	phaseDone   // the overlay waits for its power to go
	phaseKept   // halted, the line stays as the helper left it
	phaseHalted // halted without a signal: no line, or the overlay gave up
)

// holdTime is how long an announced shutdown waits for the agent's delay lock,
// at most, and can be called off (ASSUMED).
const holdTime = time.Second

// The helper's signal comes this long before the end of the last sync, when a
// cut does no harm any more (ASSUMED).
const leastSync, mostSync = 20 * time.Millisecond, 140 * time.Millisecond

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
	case phaseHeld, phaseAgentStopping, phaseUnmounting, phaseStalled, phaseSyncing:
		return StateStopping
	default:
		return StateHalted
	}
}

func (p phase) firmwareRuns() bool { return p >= phaseFirmware && p <= phaseSyncing }
func (p phase) kernelRuns() bool   { return p >= phaseMounted && p <= phaseSyncing }
func (p phase) mounted() bool      { return p.kernelRuns() }
func (p phase) agentRuns() bool    { return p >= phaseRunning && p <= phaseAgentStopping }
func (p phase) stopping() bool     { return p.state() == StateStopping }
func (p phase) lineDriven() bool   { return p >= phaseMounted && p <= phaseKept }

func (p phase) lineHigh() bool {
	return p == phaseSyncing || p == phasePulseHigh || p == phaseDone || p == phaseKept
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
	b.pulseEnd = never
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
		b.mount()
	case phaseMounted:
		b.c.emit(b, EventReady)
		b.enter(phaseRunning, never)
	case phaseHeld:
		b.enter(phaseAgentStopping, b.pace/2-b.held())
	case phaseAgentStopping:
		b.c.emit(b, EventAgentGone)
		b.enter(phaseUnmounting, b.pace-b.pace/2+b.slowness())
	case phaseUnmounting:
		b.unmount()
	case phaseStalled:
		b.c.emit(b, EventReset)
		b.dirty = true
		b.restart()
	case phaseSyncing:
		b.c.emit(b, EventUnmounted)
		b.end()
	case phasePulseHigh:
		b.enter(phasePulseLow, b.cfg.Overlay.InactiveDelay)
	case phasePulseLow:
		b.enter(phaseDone, b.cfg.Overlay.Timeout)
	default:
		b.enter(phaseHalted, never)
	}
}

// mount goes from the firmware to the kernel, unless nothing boots. What was cut
// while it was mounted is checked first.
func (b *Board) mount() {
	if b.faults.has(FaultNoBoot) {
		b.due = never
		return
	}
	b.c.emit(b, EventMounted)
	lasting := b.pace - b.pace/3
	if b.dirty || unit(b.c.random(streamCheck, b.index, b.boots)) < b.cfg.CheckChance {
		b.c.emit(b, EventChecking)
		lasting += b.vary(b.cfg.CheckTime, streamCheckTime)
	}
	b.dirty = false
	b.enter(phaseMounted, lasting)
}

func (b *Board) restart() {
	b.c.emit(b, EventBoot)
	b.begin()
}

// unmount is the end of a shutdown's time, unless it hangs.
func (b *Board) unmount() {
	switch {
	case b.faults.has(FaultHungShutdown):
		b.due = never
	case b.faults.has(FaultWatchdogReset):
		b.enter(phaseStalled, b.faultTime(FaultWatchdogReset))
	case b.shutdown == EventPowerOff && b.DoneSignal().By == DoneByHelper:
		share := unit(b.c.random(streamSync, b.index, b.boots))
		b.enter(phaseSyncing, leastSync+time.Duration(share*float64(mostSync-leastSync)))
	default:
		b.c.emit(b, EventUnmounted)
		b.end()
	}
}

// end halts the board with its signal, or begins its next boot.
func (b *Board) end() {
	if b.shutdown == EventReboot || b.faults.has(FaultRebootsInstead) {
		b.restart()
		return
	}
	b.c.emit(b, EventHalted)
	b.light = false
	by := b.DoneSignal().By
	switch {
	case by == DoneByOverlay:
		b.enter(phasePulseHigh, b.cfg.Overlay.ActiveDelay)
	case by == DoneByHelper && !b.faults.has(FaultDoneReleased):
		b.enter(phaseKept, never)
	default:
		b.enter(phaseHalted, never)
	}
}

// held returns how long this shutdown can be called off.
func (b *Board) held() time.Duration { return min(holdTime, b.pace/4) }

func (b *Board) slowness() time.Duration {
	if !b.faults.has(FaultSlowShutdown) {
		return 0
	}
	return b.faultTime(FaultSlowShutdown)
}

func (b *Board) faultTime(k FaultKind) time.Duration {
	return time.Duration(b.faults.values[k] * float64(time.Second))
}
