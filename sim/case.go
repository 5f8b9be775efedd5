package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// tick is the grid on which heat, rpm and the supply live. The fastest mode has
// a time constant of 3.2 s, and both modes are solved exactly within a tick.
const tick = 100 * time.Millisecond

// never is the due time of what will not happen.
const never = time.Duration(math.MaxInt64)

// Case is a simulated case. Make one with New. All its methods, and those of
// its parts, are safe for concurrent use.
type Case struct {
	cfg  Config
	seed uint64

	mu       sync.Mutex
	now      time.Duration // since the start
	nextTick time.Duration
	nextDue  time.Duration // the earliest due time of anything but the tick

	epoch   time.Time     // what now is counted from, on the clock
	running bool          // tied to the clock by Run
	wake    chan struct{} // tells Run that nextDue came nearer

	boards []*Board
	byName map[string]*Board
	fan    *Fan
	supply *Supply

	plant   plant
	ambient float64 // C, where the room is heading without a fault
	room    float64 // C, where the room is
	volts   float64 // at the boards, at the last tick

	faults    faultSet // those of no board
	dark      bool     // without mains
	losses    []Loss
	feeds     []*Feed
	script    []Step // of the scenario being played
	scriptAt  time.Duration
	scriptPos int
}

// New returns a case as the configuration describes it, at time 0: boards
// settled, fan at full. It reports every fault of the configuration at once.
func New(cfg Config) (*Case, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("simulated case: %w", err)
	}
	cfg = cfg.withDefaults()
	c := &Case{
		cfg:      cfg,
		seed:     mix(cfg.Seed),
		nextTick: tick,
		nextDue:  never,
		epoch:    time.Unix(0, 0).UTC(),
		byName:   make(map[string]*Board, len(cfg.Boards)),
		plant:    newPlant(cfg),
		ambient:  cfg.AmbientCelsius,
		room:     cfg.AmbientCelsius,
	}
	c.supply = &Supply{c: c}
	if !cfg.Fan.Absent {
		c.fan = &Fan{c: c, duty: 1, rpm: rpmAt(1)}
	}
	for i, bc := range cfg.Boards {
		b := newBoard(c, i, bc)
		c.boards = append(c.boards, b)
		c.byName[bc.Name] = b
	}
	c.settle(cfg.SettledDuty)
	c.volts = c.supplyVolts(c.supplyAmps())
	return c, nil
}

// Config returns the configuration with its defaults filled in.
func (c *Case) Config() Config { return c.cfg.withDefaults() }

// Step moves the case on by dt. A dt of zero or less does nothing. While Run
// runs, Step moves the case ahead of the clock by dt.
func (c *Case) Step(dt time.Duration) {
	if dt <= 0 {
		return
	}
	c.lock()
	defer c.mu.Unlock()
	if c.running {
		c.epoch = c.epoch.Add(-dt)
	}
	c.advance(c.now + dt)
}

// Now returns the time since the start of the case.
func (c *Case) Now() time.Duration {
	c.lock()
	defer c.mu.Unlock()
	return c.now
}

// Next returns when something happens next that is neither heat nor a person's
// doing, such as an edge, the end of a boot or a scenario's step; false if
// nothing is due. A program that steps the case to each such instant misses
// none.
func (c *Case) Next() (time.Duration, bool) {
	c.lock()
	defer c.mu.Unlock()
	return c.nextDue, c.nextDue < never
}

// Time converts a time since the start to one on the clock: the clock of the
// last Run, and 1970 before the first, so that a stepped case repeats itself.
func (c *Case) Time(at time.Duration) time.Time {
	c.lock()
	defer c.mu.Unlock()
	return c.epoch.Add(at)
}

// Run ties the case to the clock until ctx ends, then returns nil and leaves
// the case where it is. Whatever the clock did in between, a long pause
// included, is caught up with. A second Run at the same time is an error.
func (c *Case) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	c.mu.Lock()
	if c.running {
		c.mu.Unlock()
		return errors.New("simulated case: it already follows the clock: end the first Run before the next")
	}
	c.running, c.wake, c.epoch = true, wake, time.Now().Add(-c.now)
	c.mu.Unlock()
	defer func() {
		c.lock()
		c.running, c.wake = false, nil
		c.mu.Unlock()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-wake:
		}
		timer.Reset(c.untilNext())
	}
}

// untilNext brings the case up to the present and says how long Run may sleep:
// until something happens, and a second at most, so that catching up is cheap.
func (c *Case) untilNext() time.Duration {
	c.lock()
	defer c.mu.Unlock()
	return min(c.nextDue-c.now, time.Second)
}

// lock takes the case and, while Run runs, brings it up to the present first.
// Every access goes through here, so all that happens at one instant sees one
// state, whichever goroutine comes first.
func (c *Case) lock() {
	c.mu.Lock()
	if c.running {
		c.advance(time.Since(c.epoch))
	}
}

// advance moves time to target, from instant to instant. At one instant the
// tick comes first, as the end of what was; then what is due.
func (c *Case) advance(target time.Duration) {
	for {
		next := min(c.nextTick, c.nextDue)
		if next > target {
			break
		}
		c.now = next
		if next == c.nextTick {
			c.tick()
			c.nextTick += tick
		}
		if next == c.nextDue {
			c.happen()
		}
	}
	c.now = max(c.now, target)
}

// happen does all that is due by now, in the order of the scenario and then of
// the boards.
func (c *Case) happen() {
	for c.scriptPos < len(c.script) && c.scriptAt+c.script[c.scriptPos].At <= c.now {
		c.apply(c.script[c.scriptPos])
		c.scriptPos++
	}
	for _, b := range c.boards {
		for b.due <= c.now {
			b.advance()
		}
		for b.burstDue <= c.now {
			b.nextBurst()
		}
		for min(b.wire.nextDue(), b.pulseEnd) <= c.now {
			b.stir()
		}
	}
	c.reschedule()
}

// reschedule finds out when something is due next. Whatever sets a due time
// calls it afterwards.
func (c *Case) reschedule() {
	c.nextDue = never
	if c.scriptPos < len(c.script) {
		c.nextDue = c.scriptAt + c.script[c.scriptPos].At
	}
	for _, b := range c.boards {
		c.nextDue = min(c.nextDue, b.due, b.burstDue, b.pulseEnd, b.wire.nextDue())
	}
	if c.wake != nil {
		select {
		case c.wake <- struct{}{}:
		default: // Run has a wake-up waiting
		}
	}
}

// Board returns a board by its name, or nil if there is none.
func (c *Case) Board(name string) *Board { return c.byName[name] }

// Boards returns all boards, the master first.
func (c *Case) Boards() []*Board {
	return slices.Clone(c.boards)
}

// Fan returns the fan, or nil for a case without one.
func (c *Case) Fan() *Fan { return c.fan }

// Supply returns the converter that feeds the boards.
func (c *Case) Supply() *Supply { return c.supply }

// Rail returns the rail of a board, or nil if the board has none.
func (c *Case) Rail(board string) *Rail {
	if b := c.byName[board]; b != nil && b.cfg.Rail {
		return &Rail{b}
	}
	return nil
}

// DoneLine returns the done line of a board, or nil if the board has none.
func (c *Case) DoneLine(board string) *DoneLine {
	if b := c.byName[board]; b != nil && b.cfg.DoneLine {
		return &DoneLine{b}
	}
	return nil
}

// Ambient returns the temperature of the room, in C.
func (c *Case) Ambient() float64 {
	c.lock()
	defer c.mu.Unlock()
	return c.room
}

// SetAmbient lets the room go to a new temperature, -20 to 60 C, with a time
// constant of 60 s. While a hot-room fault is set, that is where the room goes
// once it is cleared.
func (c *Case) SetAmbient(celsius float64) error {
	if err := checkAmbient(celsius); err != nil {
		return err
	}
	c.lock()
	defer c.mu.Unlock()
	c.ambient = celsius
	return nil
}

func checkAmbient(celsius float64) error {
	if !(celsius >= minAmbient && celsius <= maxAmbient) {
		return fmt.Errorf("a room of %v C is out of range: use %v to %v", celsius, minAmbient, maxAmbient)
	}
	return nil
}
