package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bramblemesh/bramble/host/tach"
)

// TachConfig says which line carries a fan's tachometer.
type TachConfig struct {
	// Line is the pin. The wire is open collector and needs a pull-up to 3.3 V; the pin's own is
	// switched on, 10 kOhm outside make cleaner edges.
	Line Line

	// Name is what other programs are told about the holder of the line, after "bramble/": the
	// fan's name. The kernel keeps 31 characters in all; the rest is cut. Empty means tach.
	Name string

	// Fan describes the fan and the averaging; its zero value suits common fans.
	Fan tach.Config

	// RetryAfter is how long the edges stay off after a storm, and the time between two tries to
	// get a line that cannot be had: 1 s or more, 0 means 30 s.
	RetryAfter time.Duration
}

// Tach reads a fan's speed from a line. Its methods may be called from any goroutine.
type Tach struct {
	config    TachConfig
	machine   machine
	monotonic func() time.Duration

	mu        sync.Mutex
	estimator *tach.Estimator
	fault     error // why there is no reading; nil while the line is watched

	storm chan error // holds the noise from its first sign until the edges are off
}

// NewTach checks the configuration and touches no hardware. It reports every fault at once.
func NewTach(config TachConfig) (*Tach, error) {
	var faults []error
	if config.Line.Offset < 0 {
		faults = append(faults, fmt.Errorf("line offset: %d is below 0", config.Line.Offset))
	}
	if config.RetryAfter != 0 && config.RetryAfter < time.Second {
		faults = append(faults, fmt.Errorf("retry after: %v is below 1s", config.RetryAfter))
	}
	estimator, err := tach.New(config.Fan)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	if config.RetryAfter == 0 {
		config.RetryAfter = 30 * time.Second
	}
	if config.Name == "" {
		config.Name = "tach"
	}
	return &Tach{
		config:    config,
		machine:   machine{characterDevices{}},
		monotonic: Monotonic,
		estimator: estimator,
		storm:     make(chan error, 1),
		fault:     fmt.Errorf("tach %v is not watched yet", config.Line),
	}, nil
}

// RPM returns the fan's speed in revolutions per minute, averaged over the last window, and 0
// when no edge came for a second. The error says why there is no reading: Run is not running,
// the line cannot be had (a [BusyError] names its holder, [ErrNotFound] is wrapped), or the wire
// is noisy (a [tach.NoiseError]). It never blocks on the hardware.
func (t *Tach) RPM() (rpm float64, err error) {
	now := t.monotonic()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fault != nil {
		return 0, t.fault
	}
	if rpm, err = t.estimator.RPM(now); err != nil {
		return 0, fmt.Errorf("tach %v: %w", t.config.Line, err)
	}
	return rpm, nil
}

// Run requests the line and records its edges until the context ends, then lets the line go and
// returns nil. A line that cannot be had, or must be let go because of a storm, is tried again
// after RetryAfter; meanwhile [Tach.RPM] returns the reason. It must run once at a time.
func (t *Tach) Run(ctx context.Context) error {
	defer t.fail(fmt.Errorf("tach %v is no longer watched", t.config.Line))
	for {
		err := t.watch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		t.fail(fmt.Errorf("%w; next try in %v", err, t.config.RetryAfter))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(t.config.RetryAfter):
		}
	}
}

// watch holds the line until the context ends or a storm comes, and returns why it has none.
func (t *Tach) watch(ctx context.Context) error {
	consumer := "bramble/" + t.config.Name
	stop, err := t.machine.watch(t.config.Line, consumer[:min(len(consumer), 31)], t.edge)
	if err != nil {
		return err
	}
	t.fail(nil)
	select {
	case <-ctx.Done():
		return stop()
	case noise := <-t.storm:
		// Not in the handler: closing a line waits for its handler.
		err := stop()
		select {
		case <-t.storm: // came before the line was closed
		default:
		}
		return fmt.Errorf("tach %v: %w", t.config.Line, errors.Join(noise, err))
	}
}

// edge records an edge. The line's watcher calls it for one edge after the other.
func (t *Tach) edge(e edge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.estimator.Edge(e.sequence, e.at)
	if t.estimator.Noisy() && len(t.storm) == 0 {
		_, noise := t.estimator.RPM(e.at)
		t.storm <- noise
	}
}

func (t *Tach) fail(fault error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = fault
}
