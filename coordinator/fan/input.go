package fan

import (
	"math"
	"time"
)

// Input is what the owner of a fan knows when it calls Step.
type Input struct {
	// Nodes is every reading that this fan must heed: one entry for each sensor
	// of each node it cools. A node that is known to be without power is left
	// out; one that is merely silent is not, for it may be the hottest. Keep the
	// order from call to call where possible.
	Nodes []NodeInput
	// Absent says that every node this fan cools is known to be without power.
	// Where Nodes is empty for another reason, something may be hot that nobody
	// judges, and the fan does not stop.
	Absent bool
	// Tach says what RPM is worth.
	Tach Tach
	// RPM is the measured speed, with TachReading. A value that is negative, NaN
	// or infinite counts as a failed reading.
	RPM float64
	// WriteErr is not nil while the last write of the duty failed.
	WriteErr error
	// Override is a person's wish.
	Override Override
}

// NodeInput is one sensor of one node.
type NodeInput struct {
	// Node and Sensor name the reading, and are how it is told from others.
	Node, Sensor string
	// Celsius is the newest reading.
	Celsius float64
	// SetPointCelsius is the temperature that the fan should hold here.
	SetPointCelsius float64
	// LimitCelsius is the temperature that must not be reached: at or over it
	// the fan is at full. 0 or less: none is known.
	LimitCelsius float64
	// Age of the reading. It grows while no fresh one arrives, whatever its value.
	Age time.Duration
	// Known is false when there is no reading at all: never one, or the sensor
	// failed.
	Known bool
	// Booting is true from the rise of the node's rail, or its announced reboot,
	// to its first reading. Meanwhile nothing else here is judged: the duty does
	// not fall and is at least one half.
	Booting bool
}

// Override is a duty that a person asked for. It gives way to fail-safe, to a
// booting node and to the minimum duty.
type Override struct {
	Active bool
	// Duty is the fraction asked for, 0 to 1. A NaN is not obeyed.
	Duty float64
	// Until is when it ends, by the `now` of Step. It tells one override from
	// another: one that has ended stays so, and the time it had left when it was
	// first seen runs out even if `now` is set back.
	Until time.Time
}

// wish is the override that was seen last.
type wish struct {
	until time.Time
	left  time.Duration
}

// holds says whether an override is to be obeyed.
func (w *wish) holds(o Override, now time.Time, elapsed time.Duration) bool {
	if o.Until.Equal(w.until) {
		w.left -= min(w.left, elapsed)
	} else {
		w.until, w.left = o.Until, o.Until.Sub(now)
	}
	if !now.Before(o.Until) {
		w.left = 0
	}
	return o.Active && w.left > 0 && !math.IsNaN(o.Duty)
}

// Tach is the state of the tachometer's reading.
type Tach uint8

// The states of a tachometer.
const (
	TachAbsent  Tach = iota // there is none: the fan is never judged
	TachReading             // RPM was measured
	TachFailed              // there is one, and it could not be read
)

// InputFault is why a reading is not believed.
type InputFault uint8

// The reasons for which a reading is not believed.
const (
	InputGood        InputFault = iota // it is believed
	InputMissing                       // there is none
	InputSilent                        // it is too old
	InputImplausible                   // it cannot be true
)

// No board that answers is outside these: they are the junction range that a
// Pi's chip is specified for, widened at both ends.
const (
	leastCelsius = -40
	mostCelsius  = 125
)

func (in *NodeInput) fault(cfg *Config) InputFault {
	switch age := in.Age.Abs(); {
	case !in.Known:
		return InputMissing
	// The next Step would come too late to be in time.
	case age > cfg.InputTimeout-cfg.SampleInterval:
		return InputSilent
	case !plausible(in.Celsius), !plausible(in.SetPointCelsius), math.IsNaN(in.LimitCelsius):
		return InputImplausible
	}
	return InputGood
}

func plausible(celsius float64) bool { return celsius >= leastCelsius && celsius <= mostCelsius }

func (in *NodeInput) overLimit(gap float64) bool {
	return in.LimitCelsius > 0 && in.Celsius >= in.LimitCelsius-gap
}
