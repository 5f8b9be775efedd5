package sim

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"
)

// ErrNotRunning is wrapped by what only a running board can answer.
var ErrNotRunning = errors.New("not running")

// State is what a board is doing.
type State int

const (
	StateOff      State = iota // without power
	StateBooting               // from power, or the end of a reboot's shutdown, to a running agent
	StateRunning               // up
	StateStopping              // shutting down, for a power-off or a reboot
	StateHalted                // shut down, with power still on
	StateHung                  // frozen by Board.Hang; only cutting its power helps
)

// String returns the state in lower case.
func (s State) String() string {
	switch s {
	case StateOff:
		return "off"
	case StateBooting:
		return "booting"
	case StateRunning:
		return "running"
	case StateStopping:
		return "stopping"
	case StateHalted:
		return "halted"
	case StateHung:
		return "hung"
	default:
		return fmt.Sprintf("state(%d)", int(s))
	}
}

// The bits of a throttling word; 16 bits further up each "has occurred" since
// the boot (vcgencmd manual page).
const (
	flagUnderVoltage = 1 << iota
	flagCapped
	flagThrottled
	flagSoftLimit
	stickyShift = 16
)

// Board is one board of a case, as the agent on it and the wires to it see it.
type Board struct {
	c     *Case
	index int
	cfg   BoardConfig
	kind  figures

	phase    phase
	due      time.Duration // of the next phase
	pace     time.Duration // of this boot or shutdown in all
	inrush   time.Duration // when it ends
	boots    uint64
	id       string    // of this boot
	shutdown EventKind // the last one: EventPowerOff or EventReboot
	hung     bool
	dirty    bool // the next boot checks the file systems

	gate      bool // the rail's pin; true without a rail
	unplugged bool

	load     float64
	burstDue time.Duration
	bursts   uint64
	light    bool

	fast, slow, third float64 // K above the room, by mode

	flags, sticky uint32
	slowdown      float64 // of the heat, by the firmware's limits
	clock         float64 // Hz, the most the firmware allows

	faults faultSet
	frozen float64 // C, what a frozen sensor reads
	lost   int

	wire     wire
	pulseEnd time.Duration // of the agent's pulse; never without one
	swap     *Board        // whose line is in this one's place
}

func newBoard(c *Case, index int, cfg BoardConfig) *Board {
	b := &Board{
		c: c, index: index, cfg: cfg, kind: cfg.Kind.figures(),
		due: never, burstDue: never, pulseEnd: never, load: cfg.Load,
		gate: !cfg.StartsOff, wire: newWire(),
	}
	if !cfg.StartsOff {
		b.begin()
		b.phase, b.due = phaseRunning, never
	}
	return b
}

// Name returns the board's name.
func (b *Board) Name() string { return b.cfg.Name }

// Model returns what /proc/device-tree/model says on such a board.
func (b *Board) Model() string { return b.kind.model }

// Kind returns the kind of board.
func (b *Board) Kind() Kind { return b.cfg.Kind }

// LimitCelsius returns the temperature at which the firmware begins to slow the
// board down: 80 C, and 60 C on a 3B+.
func (b *Board) LimitCelsius() float64 { return b.kind.limit }

// State returns what the board is doing.
func (b *Board) State() State {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.state()
}

func (b *Board) state() State {
	if b.hung {
		return StateHung
	}
	return b.phase.state()
}

// Running says whether the board is up, with its agent unless that is dead.
func (b *Board) Running() bool { return b.State() == StateRunning }

// Silent says whether the board's agent does not answer: not started yet, gone
// with a shutdown, frozen with the board, dead, or silenced by a fault.
func (b *Board) Silent() bool {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.hung || !b.agentRuns() || b.faults.has(FaultSilentAgent)
}

// BootID returns the id of the present boot in the form of
// /proc/sys/kernel/random/boot_id, or "" where no kernel runs.
func (b *Board) BootID() string {
	b.c.lock()
	defer b.c.mu.Unlock()
	if !b.phase.kernelRuns() {
		return ""
	}
	return b.id
}

// Celsius returns what the board's sensor reads: the true temperature with 0.2
// K of noise, rounded to the sensor's step. It is an error while no kernel runs
// (ErrNotRunning) and while the sensor fails (syscall.EIO, as the kernel's
// drivers say it). All readings at one instant are the same.
func (b *Board) Celsius() (float64, error) {
	b.c.lock()
	defer b.c.mu.Unlock()
	if err := b.sensorError(); err != nil {
		return 0, err
	}
	if b.faults.has(FaultFrozenSensor) {
		return b.frozen, nil
	}
	return b.reading(), nil
}

// SensorError returns the error that Celsius would give, or nil.
func (b *Board) SensorError() error {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.sensorError()
}

func (b *Board) sensorError() error {
	if err := b.readable(); err != nil {
		return err
	}
	if b.faults.has(FaultFailedSensor) {
		return fmt.Errorf("board %s: thermal zone: %w", b.cfg.Name, syscall.EIO)
	}
	return nil
}

// readable says whether software on the board can read anything.
func (b *Board) readable() error {
	if b.hung || !b.phase.kernelRuns() {
		return b.notRunning()
	}
	return nil
}

func (b *Board) notRunning() error {
	return fmt.Errorf("board %s is %v: %w", b.cfg.Name, b.state(), ErrNotRunning)
}

// noiseKelvin is the deviation of the sensor's noise.
const noiseKelvin = 0.2

// reading returns what the sensor reads now, faults aside.
func (b *Board) reading() float64 {
	noise := noiseKelvin * normal(b.c.random(streamSensor, b.index, uint64(b.c.now)))
	milli := 1000 * (b.celsius() + noise)
	offset, slope := float64(b.kind.sensorOffset), float64(b.kind.sensorSlope)
	code := math.Round((offset - milli) / slope)
	return (offset - slope*code) / 1000
}

// TrueCelsius returns the board's temperature as it is, without a sensor.
func (b *Board) TrueCelsius() float64 {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.celsius()
}

// ThrottleWord returns the firmware's word: under-voltage, capped, throttled
// and soft limit in bits 0 to 3 as they are now, and in bits 16 to 19 since this
// boot. It is ErrNotRunning while no kernel runs.
//
// Between 80 and 85 C both capped and throttled are set; sources differ about
// which of the two comes first.
func (b *Board) ThrottleWord() (uint32, error) {
	b.c.lock()
	defer b.c.mu.Unlock()
	if err := b.readable(); err != nil {
		return 0, err
	}
	return b.flags | b.sticky<<stickyShift, nil
}

// idleBelow is the load under which the governor leaves the clock at its lowest
// (ASSUMED).
const idleBelow = 0.1

// ClockHertz returns the Arm clock, as the firmware measures it; 0 while no
// kernel runs.
func (b *Board) ClockHertz() uint64 {
	b.c.lock()
	defer b.c.mu.Unlock()
	switch {
	case !b.phase.kernelRuns():
		return 0
	case b.drawnLoad() < idleBelow:
		return lowestClock
	default:
		return uint64(b.clock)
	}
}

// Load returns what the board is busy with, 0 to 1.
func (b *Board) Load() float64 {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.load
}

// SetLoad sets what the board is busy with while it runs, 0 to 1. It stays over
// reboots and ends the board's random bursts.
func (b *Board) SetLoad(load float64) error {
	if err := checkLoad(load); err != nil {
		return fmt.Errorf("board %s: %w", b.cfg.Name, err)
	}
	b.c.lock()
	defer b.c.mu.Unlock()
	b.load, b.burstDue = load, never
	return nil
}

func checkLoad(load float64) error {
	if !(load >= 0 && load <= 1) {
		return fmt.Errorf("a load of %v is out of range: use 0 to 1", load)
	}
	return nil
}

// nextBurst draws the board's next load and how long it lasts.
func (b *Board) nextBurst() {
	bits := b.c.random(streamBurst, b.index, b.bursts)
	b.bursts++
	loads := [...]float64{idleLoad, idleLoad, 0.25, 0.6, 1}
	b.load = loads[bits%uint64(len(loads))]
	b.burstDue = b.c.now + time.Duration(20+(bits>>32)%161)*time.Second
}

// SetLight turns the board's identify light on or off. It is ErrNotRunning
// while no kernel runs.
func (b *Board) SetLight(on bool) error {
	b.c.lock()
	defer b.c.mu.Unlock()
	if err := b.readable(); err != nil {
		return err
	}
	b.light = on
	return nil
}

// Light says whether the identify light is on.
func (b *Board) Light() bool {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.light
}

// MountedFileSystems returns how many of the board's file systems are mounted:
// all are counted as one.
func (b *Board) MountedFileSystems() int {
	b.c.lock()
	defer b.c.mu.Unlock()
	if b.phase.mounted() {
		return 1
	}
	return 0
}

// LostFileSystems returns how often the board's power was cut while its file
// systems were mounted.
func (b *Board) LostFileSystems() int {
	b.c.lock()
	defer b.c.mu.Unlock()
	return b.lost
}
