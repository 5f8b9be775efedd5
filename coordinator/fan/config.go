package fan

import "time"

// Config is one fan and the temper of its control. The zero value is a Noctua
// NF-A4x20 5V PWM that never stops; each field that is zero takes the default
// stated with it. Validate says what else is allowed.
type Config struct {
	// MinimumDuty is the least duty at which the fan is driven, a fraction.
	// Default 0.20, allowed 0.05 to 1. A 4-wire fan need not turn below 0.30
	// by Intel's specification; most do at 0.20.
	MinimumDuty float64
	// MayStop lets the duty be 0 when every input is far under its set-point.
	MayStop bool
	// StopBelowCelsius is how far, in kelvins, the leading input must be under
	// its set-point before the fan stops. Default 12, allowed 3 to 60. It counts
	// only with MayStop.
	StopBelowCelsius float64
	// RestartBelowCelsius is how far, in kelvins, the leading input still is
	// under its set-point when the stopped fan starts again. Default half of
	// StopBelowCelsius, and never less than 3 from it. Allowed up to 57.
	RestartBelowCelsius float64
	// StartDuty is the least duty that is given to a fan that stands, for
	// StartFor, a fraction. Default 0.30, allowed 0.05 to 1.
	StartDuty float64
	// StartFor is how long StartDuty lasts. Default 2 s, which is also the most
	// that Intel's specification of 4-wire fans gives a start pulse.
	StartFor time.Duration

	// SlewUp is how fast the duty may rise, per second. Default 0.08, allowed
	// 0.001 to 1. It does not bind fail-safe, an override or a boot.
	SlewUp float64
	// SlewDown is how fast the duty may fall, per second. Default 0.005, allowed
	// 0.0005 to 1. It does not bind an override.
	SlewDown float64

	// Gain is the dimensionless constant c of the proportional gain
	// c/Schedule.Effect(duty). Default 3, allowed 0.01 to 20. The default is the
	// SIMC rule tau/(tau_c+theta) (Skogestad 2003) with a time constant of 60 s,
	// a dead time of 3 s and a closed loop of 17 s. A slower loop lets a board
	// in a hot case pass its limit when all boards go from idle to full.
	Gain float64
	// Schedule is the plant's own gain over the duty. Default DefaultSchedule;
	// otherwise 1 to 64 points, duties rising, values 0.1 to 1000 kelvins.
	Schedule Schedule
	// IntegralTime is the time in which a lasting error repeats the
	// proportional term, and the tracking time of the back-calculation. Default
	// 60 s (SIMC again), allowed 5 s to 1 h.
	IntegralTime time.Duration
	// FilterTime is the time constant that smooths each measurement. Default
	// 4 s, allowed 100 ms to 1 min. Whatever it is, a smoothed value stays
	// within 3 K of the measured one, so a real step is not hidden.
	FilterTime time.Duration
	// DerivativeTime weighs the slope of the leading input. Default 0, which is
	// off; allowed up to 1 min.
	DerivativeTime time.Duration
	// DerivativeFilter is N: the slope is smoothed with the larger of
	// DerivativeTime and FeedForwardTime divided by N. Default 8, allowed 1 to 100.
	DerivativeFilter float64
	// FeedForwardTime adds what the error will be this much later when the
	// leading input is rising; a falling one adds nothing. Default 0, which is
	// off; allowed up to 1 min.
	FeedForwardTime time.Duration
	// DeadBandCelsius is the error, either side of the set-point and in kelvins,
	// within which the integral rests. Default 1, allowed up to 5.
	DeadBandCelsius float64
	// Resolution is the least change of the duty that is made, a fraction.
	// Default 0.02, allowed 0.001 to 0.1.
	Resolution float64
	// HoldTime is how long a small change (under three times Resolution) waits
	// when it takes back the one before. Default 10 s, allowed up to 5 min.
	HoldTime time.Duration

	// InputTimeout is how long an input may be silent. Default 5 s, allowed 1 s
	// to 1 min and at least three times SampleInterval. The fan is at full by
	// then: the last Step before that moment sees to it, so an input counts as
	// silent once its age is more than InputTimeout less SampleInterval.
	InputTimeout time.Duration
	// SampleInterval is how often Step is called. Default 1 s, allowed 10 ms to
	// 5 s.
	SampleInterval time.Duration
	// Curve is the speed of this fan. Default DefaultCurve; otherwise 2 to 64
	// points, duties rising, speeds not falling.
	Curve Curve
}

// withDefaults fills in what is zero. Curves are copied: the caller keeps its own.
func (c Config) withDefaults() Config {
	or(&c.MinimumDuty, 0.20)
	or(&c.StopBelowCelsius, 12)
	or(&c.RestartBelowCelsius, max(0, min(c.StopBelowCelsius/2, c.StopBelowCelsius-stopGapCelsius)))
	or(&c.StartDuty, 0.30)
	or(&c.StartFor, 2*time.Second)
	or(&c.SlewUp, 0.08)
	or(&c.SlewDown, 0.005)
	or(&c.Gain, 3)
	or(&c.IntegralTime, time.Minute)
	or(&c.FilterTime, 4*time.Second)
	or(&c.DerivativeFilter, 8)
	or(&c.DeadBandCelsius, 1)
	or(&c.Resolution, 0.02)
	or(&c.HoldTime, 10*time.Second)
	or(&c.InputTimeout, 5*time.Second)
	or(&c.SampleInterval, time.Second)
	if len(c.Schedule) == 0 {
		c.Schedule = DefaultSchedule()
	}
	if len(c.Curve) == 0 {
		c.Curve = DefaultCurve()
	}
	c.Schedule = append(Schedule(nil), c.Schedule...)
	c.Curve = append(Curve(nil), c.Curve...)
	return c
}

func or[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}
