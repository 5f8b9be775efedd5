package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	askPatience  = 30 * time.Second // with the system, which may have to start polkit first
	maxOperation = 64               // characters of an operation's name
)

// ending is how this boot is asked to end: by one operation at a time, and by each only once.
type ending struct {
	book *book

	mu      sync.Mutex
	current *attempt // nil: none
}

// attempt is one operation on its way to the system.
type attempt struct {
	operation
	withdraw chan struct{} // closed by who calls it off
	done     chan struct{}
	err      error // once done is closed

	held bool // under ending.mu: it can still be called off
}

// shutDown carries out an operation, unless it has been carried out in this boot already.
func (a *Agent) shutDown(ctx context.Context, op operation, mayNotSee error) (repeated bool, err error) {
	if n := utf8.RuneCountInString(op.ID); n < 1 || n > maxOperation {
		return false, badRequest("operation_id: has %d characters, 1 to %d are allowed", n, maxOperation)
	}
	e := a.ending
	e.mu.Lock()
	known, kept := e.book.find(op.ID)
	current := e.current
	switch {
	case kept && known.Kind != op.Kind, current != nil && current.ID == op.ID && current.Kind != op.Kind:
		e.mu.Unlock()
		return false, badRequest("operation_id: %q has been another kind of operation in this boot: use a new one", op.ID)
	case kept && known.Accepted:
		e.mu.Unlock()
		return true, nil
	case current != nil && current.ID == op.ID:
		e.mu.Unlock()
		return current.wait(ctx)
	case current != nil:
		e.mu.Unlock()
		return false, powerError{fmt.Errorf("operation %q (%s) is on its way: %w", current.ID, current.Kind, ErrUnderWay)}
	}
	if a.config.Power == nil {
		mayNotSee = errNoPower
	}
	if mayNotSee != nil {
		e.mu.Unlock()
		return false, mayNotSee
	}
	next := &attempt{operation: op, withdraw: make(chan struct{}), done: make(chan struct{}), held: true}
	e.current = next
	e.mu.Unlock()

	// Whoever asked may go away: from here on the operation takes its course, and the same one asked again finds it.
	next.err = a.attempt(context.WithoutCancel(ctx), next, kept)
	e.mu.Lock()
	e.current = nil
	e.mu.Unlock()
	close(next.done)
	return false, next.err
}

// wait is for who asks again while the operation is on its way.
func (t *attempt) wait(ctx context.Context) (repeated bool, err error) {
	select {
	case <-t.done:
		return t.err == nil, t.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// attempt holds an operation back, and then asks the system. An operation that an earlier process had begun (resumed)
// may be what is under way already.
func (a *Agent) attempt(ctx context.Context, t *attempt, resumed bool) error {
	a.wire.bar(asked)
	defer a.wire.clear(asked)
	if err := a.holdBack(ctx, t); err != nil {
		return err
	}
	a.ending.book.put(t.operation)
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	ask := a.config.Power.PowerOff
	if t.Kind == shutdownReboot.String() {
		ask = a.config.Power.Reboot
	}
	err := ask(ctx)
	if err != nil && !(resumed && errors.Is(err, ErrUnderWay)) {
		a.ending.book.remove(t.ID)
		a.config.Logger.Warn("system refuses to go down", "operation", t.ID, "state", t.Kind, "error", err)
		return powerError{fmt.Errorf("%s: %w", t.Kind, err)}
	}
	t.Accepted = true
	a.ending.book.put(t.operation)
	a.config.Logger.Info("system accepted to go down", "operation", t.ID, "state", t.Kind)
	a.announce(parseShutdown(t.Kind))
	return nil
}

// holdBack waits for as long as the operation can be called off.
func (a *Agent) holdBack(ctx context.Context, t *attempt) error {
	timer := time.NewTimer(a.config.PowerOffHold)
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
	case <-t.withdraw:
	case <-a.stopping:
		err = errStopping
	}
	a.ending.mu.Lock()
	defer a.ending.mu.Unlock()
	t.held = false
	select {
	case <-t.withdraw: // at the same moment: whoever called it off has been told that it is off
		return errWithdrawn
	default:
		return err
	}
}

// callOff calls an operation off that the system has not been asked for yet.
func (a *Agent) callOff(id string) error {
	e := a.ending
	e.mu.Lock()
	defer e.mu.Unlock()
	known, _ := e.book.find(id)
	switch {
	case e.current != nil && e.current.ID == id && e.current.held:
		e.current.held = false
		close(e.current.withdraw)
		a.config.Logger.Info("operation called off", "operation", id, "state", e.current.Kind)
		return nil
	case e.current != nil && e.current.ID == id, known.Accepted:
		return preconditionError{fmt.Sprintf("operation %q: too late: the system has been asked, and takes nothing back; a board that is off can be switched on again", id)}
	default:
		return preconditionError{fmt.Sprintf("operation %q: nothing of it is pending: it was refused, ended before, or belongs to another boot", id)}
	}
}

// mayNotSee says why nobody could see the end of a power-off; nil if somebody could.
func (a *Agent) mayNotSee() error {
	switch s := a.doneSignal(); {
	case s.Trouble != "":
		return preconditionError{"nobody could see the end of this power-off: " + s.Trouble + "; or ask for it without a done signal"}
	case s.Mechanism == 0:
		return preconditionError{"nobody could see the end of this power-off: the board has no done signal: add dtoverlay=gpio-poweroff,gpiopin=N to its config.txt, " +
			"or done: {line: N} to its agent's settings; or ask for it without a done signal"}
	default:
		return nil
	}
}
