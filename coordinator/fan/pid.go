package fan

// pid is the rule itself, between a smoothed error and an unlimited duty.
type pid struct {
	kp       float64 // of the last step
	err      float64 // of the last step
	integral float64
	slope    float64 // of the leading input, smoothed once more
	leader   string
	sensor   string
}

// terms are the parts of one unlimited duty.
type terms struct {
	proportional, integral, derivative, feedForward float64
}

func (t terms) sum() float64 { return t.proportional + t.integral + t.derivative + t.feedForward }

// step computes the terms for the leading input. duty is where the fan is now,
// which chooses the gain; resume starts the rule from there without a jump.
func (p *pid) step(cfg *Config, lead *track, err, duty, dt float64, resume bool) terms {
	kp := cfg.Gain / cfg.Schedule.Effect(duty)
	same := p.leader == lead.node && p.sensor == lead.sensor
	switch {
	case resume:
		p.slope = lead.slope
	case same:
		// A new leader's slope would be a kick: it comes in from the next step on.
		smooth := max(cfg.DerivativeTime, cfg.FeedForwardTime).Seconds() / cfg.DerivativeFilter
		if dt > 0 {
			p.slope += (lead.slope - p.slope) * dt / (smooth + dt)
		}
	}
	t := terms{
		proportional: kp * err,
		derivative:   kp * cfg.DerivativeTime.Seconds() * p.slope,
		feedForward:  kp * cfg.FeedForwardTime.Seconds() * max(0, p.slope),
	}
	if others := t.sum(); resume {
		p.integral = duty - others
		if duty >= 1 && others > 0 || duty <= cfg.MinimumDuty && others < 0 {
			// The limit hides what points beyond it, so this is no jump either,
			// and the duty stays at the limit until the error turns.
			p.integral = duty
		}
	} else {
		// The gain follows the duty. The integral keeps its distance from the
		// duty in kelvins, not in duty. Else each change of the gain would weigh
		// an old error anew, which feeds back on itself while the duty rises.
		p.integral = duty + (p.integral-duty)*kp/p.kp
	}
	t.integral = p.integral
	p.kp, p.err, p.leader, p.sensor = kp, err, lead.node, lead.sensor
	return t
}

// learn moves the integral: by the error outside the dead band, and back by
// what the limits made of the unlimited duty. Both share one time constant, so
// at rest the unlimited duty stands off by just the proportional term.
func (p *pid) learn(cfg *Config, unlimited, duty, dt float64) {
	ti := cfg.IntegralTime.Seconds()
	drive := duty - unlimited
	if !deadBand(cfg, p.err) {
		drive += p.kp * p.err
	}
	p.integral += drive * dt / ti
}

func deadBand(cfg *Config, err float64) bool {
	return err <= cfg.DeadBandCelsius && err >= -cfg.DeadBandCelsius
}
