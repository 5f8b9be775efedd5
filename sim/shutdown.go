package sim

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// PowerOff shuts the board down for good, as a person does who types it there.
// Asking again changes nothing. It is ErrNotRunning unless the board is up, and
// an error while it stops for a reboot.
func (b *Board) PowerOff() error { return b.stop(EventPowerOff, false) }

// Reboot restarts the board; see PowerOff. The done line stays low.
func (b *Board) Reboot() error { return b.stop(EventReboot, false) }

// AskPowerOff is PowerOff as the board's agent asks for it: it is also
// ErrNotRunning without an agent, and ErrRefused while the system refuses.
func (b *Board) AskPowerOff() error { return b.stop(EventPowerOff, true) }

// AskReboot is Reboot as the board's agent asks for it; see AskPowerOff.
func (b *Board) AskReboot() error { return b.stop(EventReboot, true) }

// ErrRefused is wrapped by what FaultRefusedPowerOff makes of an agent's request.
var ErrRefused = errors.New("interactive authentication required")

func (b *Board) stop(kind EventKind, asked bool) error {
	b.c.lock()
	defer b.c.mu.Unlock()
	defer b.c.reschedule()
	return b.halt(kind, asked)
}

// halt does what stop does.
func (b *Board) halt(kind EventKind, asked bool) error {
	switch {
	case b.hung, asked && !b.agentRuns():
		return b.notRunning()
	case asked && b.faults.has(FaultRefusedPowerOff):
		return fmt.Errorf("board %s: %v: %w", b.cfg.Name, kind, ErrRefused)
	case b.phase.stopping() && b.shutdown == kind:
		return nil
	case b.phase.stopping():
		return fmt.Errorf("board %s is already stopping for a %v: wait for its end", b.cfg.Name, b.shutdown)
	case b.phase != phaseRunning:
		return b.notRunning()
	}
	b.shutdown = kind
	b.pace = b.vary(b.cfg.StopTime, streamStop)
	switch {
	case b.faults.has(FaultDeadAgent):
		b.c.emit(b, EventUnannounced)
		b.enter(phaseUnmounting, b.pace+b.slowness())
	case b.faults.has(FaultAgentDiesBefore):
		b.c.emit(b, EventAgentGone)
		b.c.emit(b, EventUnannounced)
		b.enter(phaseUnmounting, b.pace+b.slowness())
	case b.faults.has(FaultAgentDiesAnnounced):
		b.c.emit(b, kind)
		b.c.emit(b, EventAgentGone)
		b.enter(phaseUnmounting, b.pace+b.slowness())
	default:
		b.c.emit(b, kind)
		b.enter(phaseHeld, b.held())
	}
	return nil
}

// CancelShutdown calls off a shutdown that is announced and still held back by
// the agent's delay lock, up to a second. Later, or without one, it is an error.
func (b *Board) CancelShutdown() error {
	b.c.lock()
	defer b.c.mu.Unlock()
	if b.phase != phaseHeld || b.hung || b.faults.has(FaultDeadAgent) {
		return fmt.Errorf("board %s: no shutdown waits that could be called off", b.cfg.Name)
	}
	b.c.emit(b, EventCancelled)
	b.enter(phaseRunning, never)
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
	b.hung, b.due, b.burstDue, b.pulseEnd = true, never, never, never
	b.drive()
	b.c.reschedule()
	return nil
}

// PulseDoneLine raises the done line for a time, as the agent does to show which
// wire is its own; a width of 0 lowers it at once. It does not block. It is ErrNotRunning without an agent, and
// errors.ErrUnsupported unless the helper owns the line: the kernel's overlay
// lets nobody else.
func (b *Board) PulseDoneLine(width time.Duration) error {
	b.c.lock()
	defer b.c.mu.Unlock()
	switch {
	case b.hung || !b.agentRuns():
		return b.notRunning()
	case b.DoneSignal().By != DoneByHelper:
		return fmt.Errorf("board %s: pulse the done line: %w", b.cfg.Name, errors.ErrUnsupported)
	}
	b.pulseEnd = b.c.now + width
	if width <= 0 {
		b.pulseEnd = never
	}
	b.drive()
	b.c.reschedule()
	return nil
}

// AgentRuns says whether there is an agent that accepts connections, though it
// may be frozen with its board or silenced by a fault.
func (b *Board) AgentRuns() bool {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.agentRuns()
}

func (b *Board) agentRuns() bool { return b.phase.agentRuns() && !b.faults.has(FaultDeadAgent) }

// Watch calls announced with "poweroff" or "reboot" for every shutdown that the
// board's agent learns of, at once for one under way, and with "cancelled" when
// one is called off. It blocks until ctx ends and then returns nil.
func (b *Board) Watch(ctx context.Context, announced func(kind string)) error {
	b.c.lock()
	feed := b.c.subscribe()
	underWay := b.phase.stopping() && b.agentRuns()
	kind := b.shutdown.String()
	b.c.mu.Unlock()
	if underWay {
		announced(kind)
	}
	return feed.follow(ctx, func(e Event) {
		if e.Board == b.cfg.Name && (e.Kind == EventPowerOff || e.Kind == EventReboot || e.Kind == EventCancelled) {
			announced(e.Kind.String())
		}
	})
}
