package fan

import (
	"math"
	"time"
)

const (
	// A fan that turns at less than this part of its curve does not turn as it
	// should.
	stallFraction = 0.5
	// The verdict falls, and is lifted, after this time of readings that agree.
	// With the grace it makes the 3 s within which a standing fan is reported.
	stallTime = 1500 * time.Millisecond
	// A fan that was just started is not judged for so long.
	spinUpGrace = 1500 * time.Millisecond
	// A fan that was told to turn faster is held to a speed that rises by no
	// more than this part of full drive per second.
	spinUpRate = 0.15
	// A reading speaks for the time since the one before, but for no more than
	// this, the window in which a tachometer's edges are counted.
	tachWindow = time.Second
)

// stall judges whether the fan turns.
type stall struct {
	before  float64       // the duty at the last step
	held    float64       // the duty whose speed is expected by now
	grace   time.Duration // left of the spin-up
	slow    time.Duration // of readings that are too slow, in a row
	good    time.Duration // of readings that are fast enough, while stalled
	failed  time.Duration // of failed readings, in a row
	stalled bool
	rpm     float64
	expect  float64
}

// step takes one reading of a fan that was told duty until now.
func (s *stall) step(cfg *Config, tach Tach, rpm, duty float64, elapsed time.Duration) {
	s.rpm, s.expect = 0, 0
	if tach == TachReading && (!(rpm >= 0) || math.IsInf(rpm, 0)) {
		tach = TachFailed
	}
	switch {
	case tach == TachAbsent:
		*s = stall{before: duty}
		return
	case duty == 0:
		*s = stall{failed: s.failed}
	case s.before == 0:
		s.before, s.held, s.grace = duty, min(duty, cfg.MinimumDuty), spinUpGrace
	}
	s.before = duty
	if s.held = min(s.held, duty); s.grace == 0 {
		s.held = min(duty, s.held+spinUpRate*elapsed.Seconds())
	}
	if duty > 0 { // a curve need not begin at 0
		s.expect = cfg.Curve.Expected(s.held)
	}
	s.grace -= min(s.grace, elapsed)
	if tach == TachFailed {
		s.failed += elapsed
		return
	}
	s.failed = 0
	s.rpm = rpm
	if s.grace == 0 {
		s.judge(min(elapsed, tachWindow))
	}
}

func (s *stall) judge(window time.Duration) {
	if s.rpm < stallFraction*s.expect {
		s.slow, s.good = s.slow+window, 0
	} else {
		s.slow, s.good = 0, s.good+window
	}
	switch {
	case s.slow >= stallTime:
		s.stalled = true
	case s.good >= stallTime:
		s.stalled = false
	}
}

// suspect: the fan was too slow in the last reading and has not been judged yet.
func (s *stall) suspect() bool { return s.slow > 0 && !s.stalled }

// lost: the tachometer has not been read for as long as an input may be silent.
func (s *stall) lost(cfg *Config) bool { return s.failed > cfg.InputTimeout-cfg.SampleInterval }
