package fan

import (
	"fmt"
	"strings"
	"time"
)

// Output is what Step returns.
type Output struct {
	// Duty to write, a fraction: 0, or Config.MinimumDuty to 1.
	Duty float64
	// Changed says that the duty must be written: it is new, or the last write failed.
	Changed bool
	// Decision is how it came about.
	Decision Decision
	// Frozen names every input whose value has been the same for 30 minutes while
	// the duty moved by 0.20 or more. It is worth an alarm and changes nothing
	// here. The list is valid until the next Step.
	Frozen []InputName
}

// InputName is what tells one input from another.
type InputName struct{ Node, Sensor string }

// Decision is the whole of one Step, as plain values. Temperatures are in
// degrees Celsius, the terms and the duty are fractions of full drive.
type Decision struct {
	Mode  Mode
	Cause Cause // of fail-safe; CauseNone in every other mode

	// Node and Sensor led, or are the cause of fail-safe, as the input named
	// them. Both are empty when there is no input that counts.
	Node, Sensor string
	// Celsius is the reading as it came, ErrorCelsius how far the smoothed one
	// is over its set-point (negative: under). Both are 0 when it is not believed.
	Celsius, ErrorCelsius float64
	// Fault says why the reading of Node is not believed, Age how old it is.
	Fault InputFault
	Age   time.Duration
	// Inputs is the number of readings that count.
	Inputs int

	// The terms of the rule, and their sum before any limit. They are 0 where
	// the rule did not run: fail-safe, override, a stopped fan, no input.
	Proportional, Integral, Derivative, FeedForward, Unlimited float64
	// Duty is Output.Duty.
	Duty float64
	// Bound is the limit that shaped the duty last.
	Bound Bound

	// Stalled: the fan turns at less than half the speed it should.
	Stalled bool
	// RPM is the measured speed, 0 without one; ExpectedRPM is what the curve
	// says of the duty that the fan has had time to follow.
	RPM, ExpectedRPM float64
	// Frozen and FrozenSensor are the one of Output.Frozen that has stood still
	// the longest.
	Frozen, FrozenSensor string
}

// Mode is who sets the duty.
type Mode uint8

// The modes.
const (
	ModeFailSafe Mode = iota // something is not known or does not answer: full
	ModeAuto                 // the rule
	ModeOverride             // a person
)

// String is "fail-safe", "auto" or "override".
func (m Mode) String() string { return name(int(m), "fail-safe", "auto", "override") }

// Cause is why the fan is in fail-safe. Where several hold, the first of these
// after CauseNone is given.
type Cause uint8

// The causes of fail-safe.
const (
	CauseNone          Cause = iota
	CauseConfiguration       // New was given a Config that does not validate
	CauseWriteFailed         // the duty could not be written
	CauseStalled             // the fan does not turn as it should
	CauseTachFailed          // the tachometer cannot be read
	CauseOverLimit           // a node is, or just was, at or over its limit
	CauseStarting            // not every input has been known yet
	CauseInputUnknown        // an input that was known is not
)

// String is the cause in a few words.
func (c Cause) String() string {
	return name(int(c), "none", "configuration", "write failed", "stalled", "tach failed", "over limit", "starting", "input unknown")
}

// Bound is the limit that shaped a duty last.
type Bound uint8

// The limits.
const (
	BoundNone       Bound = iota
	BoundMinimum          // the minimum duty
	BoundMaximum          // full drive
	BoundSlewUp           // the fastest allowed rise
	BoundSlewDown         // the fastest allowed fall
	BoundDeadBand         // the error is small and the duty rests
	BoundResolution       // the change is too small, or takes the last one back too soon
	BoundBootHold         // a node boots
	BoundFailSafe         // fail-safe
	BoundOverride         // a person's wish
	BoundStopped          // all is cool and the fan may stop
	BoundKick             // the start of a fan that stands
)

// String is the limit in a few words.
func (b Bound) String() string {
	return name(int(b), "none", "minimum", "maximum", "slew up", "slew down", "dead band", "resolution",
		"boot hold", "fail-safe", "override", "stopped", "kick")
}

// String is the fault in a few words.
func (f InputFault) String() string {
	return name(int(f), "good", "no reading", "silent", "implausible")
}

// String is "absent", "reading" or "failed".
func (t Tach) String() string { return name(int(t), "absent", "reading", "failed") }

func name(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown %d", i)
}

// String is the decision in one line for a person: the duty, whose it is, why,
// and in fail-safe what to look at.
func (d Decision) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.0f %% %s: ", 100*d.Duty, d.Mode)
	switch {
	case d.Mode == ModeFailSafe:
		b.WriteString(d.why())
	case d.Inputs == 0:
		b.WriteString("no node counts")
	case d.Node == "":
		b.WriteString("every node is booting")
	default:
		side := "over"
		if d.ErrorCelsius < 0 {
			side = "under"
		}
		fmt.Fprintf(&b, "%s %.1f C, %.1f K %s its set-point", d.input(), d.Celsius, max(d.ErrorCelsius, -d.ErrorCelsius), side)
	}
	if d.Mode == ModeAuto && d.Unlimited != 0 {
		fmt.Fprintf(&b, "; P %+.0f I %+.0f", 100*d.Proportional, 100*d.Integral)
		if d.Derivative != 0 || d.FeedForward != 0 {
			fmt.Fprintf(&b, " D %+.0f F %+.0f", 100*d.Derivative, 100*d.FeedForward)
		}
	}
	if d.Mode != ModeFailSafe && d.Bound != BoundNone {
		fmt.Fprintf(&b, "; %s", d.Bound)
	}
	if d.Frozen != "" {
		fmt.Fprintf(&b, "; %s/%s reads the same for 30 minutes: check the sensor", d.Frozen, d.FrozenSensor)
	}
	return b.String()
}

func (d Decision) input() string {
	if d.Sensor == "" {
		return d.Node
	}
	return d.Node + "/" + d.Sensor
}

func (d Decision) why() string {
	switch d.Cause {
	case CauseConfiguration:
		return "the fan's configuration is not valid: correct it and start again"
	case CauseWriteFailed:
		return "the duty could not be written: check the fan's output"
	case CauseStalled:
		return fmt.Sprintf("the fan turns at %.0f rpm where %.0f are expected: check for a blocked blade, its plug and the tach wire", d.RPM, d.ExpectedRPM)
	case CauseTachFailed:
		return "the tachometer cannot be read: check its input"
	case CauseOverLimit:
		return fmt.Sprintf("%s is %.1f C, at or near its limit: check its load, airflow and the room", d.input(), d.Celsius)
	case CauseStarting, CauseInputUnknown:
		switch d.Fault {
		case InputSilent:
			return fmt.Sprintf("%s silent for %.1f s: check the node and its link", d.input(), d.Age.Seconds())
		case InputImplausible:
			return d.input() + " reads a value that cannot be true: check the sensor and its set-point"
		}
		if d.Age > 0 {
			return fmt.Sprintf("%s has had no reading for %.1f s: check the node and its sensor", d.input(), d.Age.Seconds())
		}
		return d.input() + " has no reading: check the node and its sensor"
	}
	return d.Cause.String()
}
