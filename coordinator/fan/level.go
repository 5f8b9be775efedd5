package fan

import (
	"math"
	"time"
)

// level is the way from an unlimited duty to the one that is written.
type level struct {
	ramp    float64       // within minimum, maximum and slew; never 0
	settled float64       // the ramp, in steps that are worth hearing
	rising  bool          // the last change of settled was upward
	rested  time.Duration // since that change
	duty    float64       // what was written last: 0, settled, or a kick over it
	kick    time.Duration // left of the kick
}

// jump sets the duty past every limit.
func (l *level) jump(duty float64) {
	l.ramp = duty
	l.set(duty)
}

func (l *level) set(duty float64) {
	if duty != l.settled {
		l.rising, l.rested = duty > l.settled, 0
	}
	l.settled = duty
}

// limit is the next ramp on the way to want, and the limit that shaped it.
func (l *level) limit(cfg *Config, want, dt float64) (float64, Bound) {
	bound := BoundNone
	if want <= cfg.MinimumDuty {
		want, bound = cfg.MinimumDuty, BoundMinimum
	} else if want >= 1 {
		want, bound = 1, BoundMaximum
	}
	const rounding = 1e-9 // of floating point: no slew binds within it
	if most := l.ramp + cfg.SlewUp*dt; want > most+rounding {
		return most, BoundSlewUp
	}
	if least := l.ramp - cfg.SlewDown*dt; want < least-rounding {
		return least, BoundSlewDown
	}
	return want, bound
}

// settle follows the ramp in steps that are worth hearing, and says whether it
// is there. It is exactly at the minimum and at full, and where it must be.
func (l *level) settle(cfg *Config, must bool) bool {
	move := l.ramp - l.settled
	size := math.Abs(move)
	atMinimum := l.ramp == cfg.MinimumDuty
	takesBack := (move > 0) != l.rising && l.rested < cfg.HoldTime && size < 3*cfg.Resolution
	switch {
	case move == 0, must, l.ramp == 1:
		l.set(l.ramp)
	case takesBack, size < cfg.Resolution && !atMinimum:
		return false
	case atMinimum:
		l.set(l.ramp)
	default:
		step := math.Round(l.ramp/cfg.Resolution) * cfg.Resolution
		l.set(min(max(step, cfg.MinimumDuty), 1))
	}
	return true
}

// drive gives a fan that stands, or seems to, a kick, and remembers the duty
// that is written.
func (l *level) drive(cfg *Config, duty float64, suspect bool, elapsed time.Duration) (float64, bool) {
	l.rested += elapsed
	switch {
	case duty == 0:
		l.kick = 0
	case l.duty == 0:
		l.kick = cfg.StartFor
	default:
		l.kick -= min(l.kick, elapsed)
	}
	kicked := duty > 0 && duty < cfg.StartDuty && (l.kick > 0 || suspect)
	if kicked {
		duty = cfg.StartDuty
	}
	l.duty = duty
	return duty, kicked
}
