package fan

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// stopGapCelsius is the least distance between the points at which the fan
// stops and starts again. Less would make it stop and start with the noise.
const stopGapCelsius = 3

// A Fault is one field of a Config that cannot be used.
type Fault struct {
	// Field is the Go name of the field, with an index in a list: "Curve[3].Duty".
	Field string
	// Value is the faulty value as a person would write it.
	Value string
	// Allowed says what may stand there.
	Allowed string
}

// Error is one line: the field, its value and what is allowed.
func (f *Fault) Error() string { return f.Field + ": " + f.Value + ": " + f.Allowed }

// Validate is nil for a configuration that New can run, with zero fields taken
// as their defaults. Otherwise it joins one *Fault for each faulty field, in
// the order of the fields; Unwrap() []error gives them one by one.
func (c Config) Validate() error {
	c = c.withDefaults()
	var v faults
	v.number("MinimumDuty", c.MinimumDuty, 0.05, 1)
	v.number("StopBelowCelsius", c.StopBelowCelsius, stopGapCelsius, 60)
	v.number("RestartBelowCelsius", c.RestartBelowCelsius, 0, 60-stopGapCelsius)
	if c.MayStop && c.RestartBelowCelsius > c.StopBelowCelsius-stopGapCelsius {
		v.add("RestartBelowCelsius", c.RestartBelowCelsius,
			"must be at least %d less than StopBelowCelsius, which is %g", stopGapCelsius, c.StopBelowCelsius)
	}
	v.number("StartDuty", c.StartDuty, 0.05, 1)
	v.duration("StartFor", c.StartFor, 0, 2*time.Second)
	v.number("SlewUp", c.SlewUp, 0.001, 1)
	v.number("SlewDown", c.SlewDown, 0.0005, 1)
	v.number("Gain", c.Gain, 0.01, 20)
	v.line("Schedule", c.Schedule, 1, 0.1, 1000)
	v.duration("IntegralTime", c.IntegralTime, 5*time.Second, time.Hour)
	v.duration("FilterTime", c.FilterTime, 100*time.Millisecond, time.Minute)
	v.duration("DerivativeTime", c.DerivativeTime, 0, time.Minute)
	v.number("DerivativeFilter", c.DerivativeFilter, 1, 100)
	v.duration("FeedForwardTime", c.FeedForwardTime, 0, time.Minute)
	v.number("DeadBandCelsius", c.DeadBandCelsius, 0, 5)
	v.number("Resolution", c.Resolution, 0.001, 0.1)
	v.duration("HoldTime", c.HoldTime, 0, 5*time.Minute)
	v.duration("InputTimeout", c.InputTimeout, time.Second, time.Minute)
	v.duration("SampleInterval", c.SampleInterval, 10*time.Millisecond, 5*time.Second)
	if c.InputTimeout < 3*c.SampleInterval {
		v.add("InputTimeout", c.InputTimeout, "must be at least three times SampleInterval, which is %s", c.SampleInterval)
	}
	v.line("Curve", c.Curve, 2, 0, 100_000)
	for i := 1; i < len(c.Curve); i++ {
		if c.Curve[i].Value < c.Curve[i-1].Value {
			v.add(fmt.Sprintf("Curve[%d].Value", i), c.Curve[i].Value, "must not be less than the point before it, %g", c.Curve[i-1].Value)
		}
	}
	return errors.Join(v...)
}

type faults []error

func (v *faults) add(field string, value any, allowed string, args ...any) {
	*v = append(*v, &Fault{Field: field, Value: fmt.Sprint(value), Allowed: fmt.Sprintf(allowed, args...)})
}

func (v *faults) number(field string, value, low, high float64) {
	if math.IsNaN(value) || value < low || value > high {
		v.add(field, value, "must be %g to %g", low, high)
	}
}

func (v *faults) duration(field string, value, low, high time.Duration) {
	if value < low || value > high {
		v.add(field, value, "must be %s to %s", low, high)
	}
}

func (v *faults) line(field string, line []Point, least int, low, high float64) {
	const most = 64
	if len(line) < least || len(line) > most {
		v.add(field, fmt.Sprintf("%d points", len(line)), "must have %d to %d", least, most)
		return
	}
	for i, p := range line {
		name := fmt.Sprintf("%s[%d]", field, i)
		v.number(name+".Duty", p.Duty, 0, 1)
		v.number(name+".Value", p.Value, low, high)
		if i > 0 && p.Duty <= line[i-1].Duty {
			v.add(name+".Duty", p.Duty, "must be more than the point before it, %g", line[i-1].Duty)
		}
	}
}
