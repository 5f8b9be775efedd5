package tach

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaximumEdgeRate is the number of edges per second above which a wire is noisy. A fan of
// 15,000 rpm with two pulses per revolution makes 500.
const MaximumEdgeRate = 2000

// StandstillAfter is the time without an edge after which a fan is said to stand still.
const StandstillAfter = time.Second

// Config describes the fan and the window of an [Estimator]. Its zero value suits every common
// 4-pin fan.
type Config struct {
	// PulsesPerRevolution is the number of falling edges per revolution: 1 to 16, 0 means 2.
	PulsesPerRevolution int

	// Window is the time over which a reading is averaged: 1 s to 10 s, 0 means 1 s.
	Window time.Duration

	// MaximumRPM is a speed that the fan cannot reach, in revolutions per minute: 100 to
	// 100,000, 0 means 15,000. Two edges closer than half of the interval at this speed (1 ms
	// with the defaults) are one edge and a glitch; a reading above it is noise. A value just
	// above the fan's nominal speed rejects the most noise.
	MaximumRPM float64
}

// Validate reports every field that is out of its limits, joined. Zero fields are in order.
func (c Config) Validate() error {
	var faults []error
	if c.PulsesPerRevolution < 0 || c.PulsesPerRevolution > 16 {
		faults = append(faults, fmt.Errorf("pulses per revolution: %d is outside 1 to 16", c.PulsesPerRevolution))
	}
	if c.Window != 0 && (c.Window < time.Second || c.Window > 10*time.Second) {
		faults = append(faults, fmt.Errorf("window: %v is outside 1s to 10s", c.Window))
	}
	if c.MaximumRPM != 0 && !(c.MaximumRPM >= 100 && c.MaximumRPM <= 100_000) {
		faults = append(faults, fmt.Errorf("maximum rpm: %v is outside 100 to 100000", c.MaximumRPM))
	}
	return errors.Join(faults...)
}

// NoiseError says that a wire carries too many edges to be a tachometer's.
type NoiseError struct {
	// Edges is the number of edges in the window, lost ones included.
	Edges int
	// Glitches is how many of those that were seen came too soon after another.
	Glitches int
	// Window is the time in which they came.
	Window time.Duration
}

// Error names the counts and the usual cure.
func (e *NoiseError) Error() string {
	return fmt.Sprintf("tach is noisy: %d edges in %v, %d of them glitches; pull the wire up to 3.3 V with 10 kOhm and lead it away from the PWM wire",
		e.Edges, e.Window.Round(time.Millisecond), e.Glitches)
}

// Estimator keeps the recent edges of one wire. It is made by [New], holds about 48 KiB for a
// window of a second, allocates nothing afterwards and must not be used from two goroutines at
// once.
type Estimator struct {
	pulses  float64
	window  time.Duration
	glitch  time.Duration
	maximum float64

	ring      []edge // long enough for one edge more than MaximumEdgeRate allows in a window
	newest    int
	length    int
	intervals []time.Duration // scratch of RPM
}

type edge struct {
	at       time.Duration
	sequence uint32
}

// New returns an estimator that has seen no edge, or what is wrong with the configuration.
func New(config Config) (*Estimator, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.PulsesPerRevolution == 0 {
		config.PulsesPerRevolution = 2
	}
	if config.Window == 0 {
		config.Window = time.Second
	}
	if config.MaximumRPM == 0 {
		config.MaximumRPM = 15_000
	}
	pulses := float64(config.PulsesPerRevolution)
	size := int(config.Window.Seconds()*MaximumEdgeRate) + 2
	return &Estimator{
		pulses:    pulses,
		window:    config.Window,
		glitch:    time.Duration(float64(time.Minute) / (pulses * config.MaximumRPM) / 2),
		maximum:   config.MaximumRPM,
		ring:      make([]edge, size),
		intervals: make([]time.Duration, 0, size),
	}, nil
}

// Edge records a falling edge: the kernel's sequence number of the line, which counts lost
// edges too and may wrap, and its CLOCK_MONOTONIC stamp. An edge that does not follow its
// predecessor in number and time starts a new record, as after a new request of the line.
func (e *Estimator) Edge(sequence uint32, at time.Duration) {
	if e.length > 0 {
		last := e.ring[e.newest]
		if ahead := int32(sequence - last.sequence); ahead <= 0 || at < last.at {
			e.length = 0
		}
	}
	e.newest = (e.newest + 1) % len(e.ring)
	e.ring[e.newest] = edge{at, sequence}
	e.length = min(e.length+1, len(e.ring))
}

// Noisy reports whether more edges than [MaximumEdgeRate] allows were seen in the window before
// the newest one; RPM then returns a [NoiseError]. It costs one comparison, so that a handler
// can ask after every edge and switch a storm off before it eats a processor.
func (e *Estimator) Noisy() bool {
	return e.length == len(e.ring) && e.ring[e.newest].at-e.back(e.length-1).at <= e.window
}

// RPM estimates the speed at the time now of CLOCK_MONOTONIC. It returns 0 when no edge came
// for [StandstillAfter], or not two in the window, and a [NoiseError] when the wire carries
// more than a tachometer's edges.
func (e *Estimator) RPM(now time.Duration) (rpm float64, err error) {
	if e.length == 0 {
		return 0, nil
	}
	newest := e.back(0)
	if now-newest.at >= StandstillAfter {
		return 0, nil
	}
	oldest := e.oldest(now - e.window)
	edges := newest.sequence - e.back(oldest).sequence

	// The fan's own bound gives intervals clean enough for a median. A bound from that median
	// fits the present speed; it is above one half because the wire rises in the middle of an
	// interval, and a slow rise is where a coupled signal makes edges.
	pass := e.count(oldest, e.glitch)
	if float64(edges) > e.window.Seconds()*MaximumEdgeRate {
		return 0, e.noise(edges, oldest, pass.glitches)
	}
	if len(e.intervals) > 0 {
		slices.Sort(e.intervals)
		pass = e.count(oldest, max(e.glitch, e.intervals[len(e.intervals)/2]*6/10))
	}
	rpm = float64(time.Minute) * pass.pulses / e.pulses / float64(max(pass.span, 1))
	if rpm > e.maximum {
		return 0, e.noise(edges, oldest, pass.glitches)
	}
	return rpm, nil
}

// tally is what a pass over the window found.
type tally struct {
	pulses   float64       // of the fan
	span     time.Duration // in which they came
	glitches int           // edges that were seen and rejected
}

// count walks the window from the edge that lies oldest places back, rejects every edge that
// follows the last kept one within bound, and leaves the intervals between kept edges that lost
// nothing in between in e.intervals.
func (e *Estimator) count(oldest int, bound time.Duration) tally {
	e.intervals = e.intervals[:0]
	var whole, torn tally // without and with lost edges
	kept, keptEdges := e.back(oldest), 1
	rejected := 0
	for i := oldest - 1; i >= 0; i-- {
		next := e.back(i)
		interval := next.at - kept.at
		if interval < bound {
			rejected++
			continue
		}
		if advance := next.sequence - kept.sequence; advance == uint32(rejected+1) {
			e.intervals = append(e.intervals, interval)
			whole.pulses++
			whole.span += interval
		} else {
			torn.pulses += float64(advance)
			torn.span += interval
		}
		whole.glitches += rejected
		rejected = 0
		kept, keptEdges = next, keptEdges+1
	}
	whole.glitches += rejected
	if whole.span >= torn.span/4 {
		return whole
	}
	// Too little is whole to go by. Among the lost edges were glitches in the same proportion as
	// among those that were seen.
	genuine := float64(keptEdges) / float64(keptEdges+whole.glitches)
	return tally{whole.pulses + torn.pulses*genuine, whole.span + torn.span, whole.glitches}
}

// oldest returns how many places back the earliest edge lies that is not before since.
func (e *Estimator) oldest(since time.Duration) int {
	places := 0
	for places+1 < e.length && e.back(places+1).at >= since {
		places++
	}
	return places
}

// back returns the edge that lies some places before the newest.
func (e *Estimator) back(places int) edge {
	return e.ring[(e.newest-places+len(e.ring))%len(e.ring)]
}

func (e *Estimator) noise(edges uint32, oldest, glitches int) error {
	return &NoiseError{Edges: int(edges) + 1, Glitches: glitches, Window: e.back(0).at - e.back(oldest).at}
}
