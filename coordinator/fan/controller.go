package fan

import "time"

const (
	// limitGapCelsius is how far under its limit every node must be before a
	// fan that went to full for one of them leaves full.
	limitGapCelsius = 2
	// bootDuty is the least duty while a node boots: it is at its hottest work
	// and cannot say how warm it is.
	bootDuty = 0.5
)

// Controller decides the duty of one fan. Make one with New. It is not safe for
// concurrent use.
type Controller struct {
	cfg   Config
	valid bool

	stepped bool      // Step was called before
	last    time.Time // when
	started bool      // every input was known once

	tracks, spare []track
	frozen        []InputName // kept for Output
	pid           pid
	stall         stall
	level         level
	wish          wish

	resume    bool // the rule did not run in the last step
	release   bool // the last step was fail-safe
	halted    bool // the duty is 0 on purpose
	overLimit bool // a node reached its limit and not all are clear of theirs
}

// New starts a controller in fail-safe: its duty is 1 until every input is
// known. A Config that does not validate makes a controller whose duty is 1 for
// ever, with CauseConfiguration; ask Config.Validate first to say what is wrong.
func New(cfg Config) *Controller {
	return &Controller{
		cfg:     cfg.withDefaults(),
		valid:   cfg.Validate() == nil,
		level:   level{ramp: 1, settled: 1},
		resume:  true,
		release: true,
	}
}

// Step takes what is known at now and returns the duty for the time until the
// next Step, with the reasons. Call it every Config.SampleInterval, also when
// nothing changed: it is what notices silence.
func (c *Controller) Step(now time.Time, in Input) Output {
	elapsed := c.elapsed(now)
	if !c.valid {
		return c.finish(in, 1, Decision{Mode: ModeFailSafe, Cause: CauseConfiguration, Bound: BoundFailSafe, Inputs: len(in.Nodes)}, elapsed)
	}
	c.stall.step(&c.cfg, in.Tach, in.RPM, c.level.duty, elapsed)
	s := c.survey(in.Nodes, c.level.duty, elapsed)
	c.started = c.started || s.unknown == nil
	// The latch outlives the moment: full until every node is clear of its limit.
	c.overLimit = s.reached || c.overLimit && s.hottest != nil
	wanted := c.wish.holds(in.Override, now, elapsed)

	d := Decision{Inputs: len(in.Nodes)}
	d.lead(&s)
	var target float64
	if d.Cause = c.cause(&s, in.WriteErr); d.Cause != CauseNone {
		target = c.failSafe(&d, &s)
	} else if wanted {
		target = c.override(&d, min(max(in.Override.Duty, 0), 1), s.booting)
	} else {
		target = c.auto(&d, &s, in.Absent, elapsed.Seconds())
	}
	out := c.finish(in, target, d, elapsed)
	if d.Mode == ModeAuto && !c.resume {
		c.pid.learn(&c.cfg, d.Unlimited, out.Duty, elapsed.Seconds())
	}
	return out
}

// elapsed is the time since the last step. A clock that jumps is no reason to
// move the fan: it counts as a step that came at once, or late.
func (c *Controller) elapsed(now time.Time) time.Duration {
	first := !c.stepped
	elapsed := now.Sub(c.last)
	c.last, c.stepped = now, true
	if first {
		return 0
	}
	return min(max(elapsed, 0), c.cfg.InputTimeout)
}

// cause is the gravest reason for fail-safe, in the order of the constants.
func (c *Controller) cause(s *survey, writeErr error) Cause {
	switch {
	case writeErr != nil:
		return CauseWriteFailed
	case c.stall.stalled:
		return CauseStalled
	case c.stall.lost(&c.cfg):
		return CauseTachFailed
	case c.overLimit:
		return CauseOverLimit
	case s.unknown != nil && !c.started:
		return CauseStarting
	case s.unknown != nil:
		return CauseInputUnknown
	}
	return CauseNone
}

func (c *Controller) failSafe(d *Decision, s *survey) float64 {
	d.Mode, d.Bound = ModeFailSafe, BoundFailSafe
	switch d.Cause {
	case CauseOverLimit:
		d.name(s.hottest, InputGood)
	case CauseStarting, CauseInputUnknown:
		d.name(s.unknown, s.fault)
	}
	c.level.jump(1)
	c.resume, c.release, c.halted = true, true, false
	return 1
}

func (c *Controller) override(d *Decision, duty float64, booting bool) float64 {
	d.Mode, d.Bound = ModeOverride, BoundOverride
	if least := c.cfg.MinimumDuty; duty < least && (duty > 0 || !c.cfg.MayStop) {
		duty, d.Bound = least, BoundMinimum
	}
	if booting {
		duty, d.Bound = c.bootHold(duty, d.Bound)
	}
	c.level.jump(max(duty, c.cfg.MinimumDuty))
	c.resume, c.release, c.halted = true, false, duty == 0
	return duty
}

// auto is the rule: the terms, then the limits in their order.
func (c *Controller) auto(d *Decision, s *survey, absent bool, dt float64) float64 {
	d.Mode = ModeAuto
	if c.halted = c.mayHalt(s, absent); c.halted {
		d.Bound = BoundStopped
		c.level.jump(c.cfg.MinimumDuty)
		c.resume, c.release = true, false
		return 0
	}
	if c.release && !s.booting {
		c.release = false
		if s.leader == nil || s.worst <= c.cfg.DeadBandCelsius {
			// Nothing asks for full any more: leave it now, not when the ramp
			// has moved by a whole resolution.
			c.level.jump(1 - c.cfg.Resolution)
		}
	}
	want := c.level.ramp
	if s.leader != nil {
		t := c.pid.step(&c.cfg, s.leader, s.worst, c.level.ramp, dt, c.resume || s.setPoint)
		want = t.sum()
		d.Proportional, d.Integral, d.Derivative, d.FeedForward, d.Unlimited = t.proportional, t.integral, t.derivative, t.feedForward, want
	} else if !s.booting {
		want = c.cfg.MinimumDuty
	}
	c.resume = s.leader == nil
	c.level.ramp, d.Bound = c.level.limit(&c.cfg, want, dt)
	if s.booting {
		c.level.ramp, d.Bound = c.bootHold(c.level.ramp, d.Bound)
	}
	moved := c.level.settle(&c.cfg, d.Bound == BoundBootHold)
	switch {
	case d.Bound != BoundNone:
	case s.leader != nil && deadBand(&c.cfg, s.worst):
		d.Bound = BoundDeadBand
	case !moved:
		d.Bound = BoundResolution
	}
	return c.level.settled
}

// bootHold raises a duty to what a booting node asks for.
func (c *Controller) bootHold(duty float64, bound Bound) (float64, Bound) {
	if least := max(c.level.duty, bootDuty); duty < least {
		return least, BoundBootHold
	}
	return duty, bound
}

// mayHalt decides between 0 and the minimum duty, with a gap between the two.
func (c *Controller) mayHalt(s *survey, absent bool) bool {
	if !c.cfg.MayStop || s.booting || c.level.settled > c.cfg.MinimumDuty {
		return false
	}
	cool := c.cfg.StopBelowCelsius
	if c.halted {
		cool = c.cfg.RestartBelowCelsius
	}
	if s.leader == nil {
		return absent
	}
	return s.worst <= -cool
}

// finish applies the kick and closes the decision.
func (c *Controller) finish(in Input, target float64, d Decision, elapsed time.Duration) Output {
	before := c.level.duty
	duty, kicked := c.level.drive(&c.cfg, target, c.stall.suspect(), elapsed)
	if kicked {
		d.Bound = BoundKick
	}
	d.Duty = duty
	d.Stalled, d.RPM, d.ExpectedRPM = c.stall.stalled, c.stall.rpm, c.stall.expect
	return Output{Duty: duty, Changed: duty != before || in.WriteErr != nil, Decision: d, Frozen: c.frozen}
}

// lead fills in who leads and who is frozen.
func (d *Decision) lead(s *survey) {
	if in := s.leading; in != nil {
		d.Node, d.Sensor, d.Celsius, d.ErrorCelsius, d.Age = in.Node, in.Sensor, in.Celsius, s.worst, in.Age
	}
	if t := s.frozen; t != nil {
		d.Frozen, d.FrozenSensor = t.node, t.sensor
	}
}

// name makes one input the decision's subject.
func (d *Decision) name(in *NodeInput, fault InputFault) {
	d.Node, d.Sensor, d.Age, d.Fault = in.Node, in.Sensor, in.Age, fault
	d.Celsius, d.ErrorCelsius = 0, 0
	if fault == InputGood {
		d.Celsius, d.ErrorCelsius = in.Celsius, in.Celsius-in.SetPointCelsius
	}
}
