package fan_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

func TestFullUntilEveryInputIsKnown(t *testing.T) {
	a, b := worker("a", 40), worker("b", 40)
	b.Known = false
	c := newBench(t, fan.Config{}, a, b)
	d := c.run(10 * time.Minute).Decision
	if d.Duty != 1 || d.Mode != fan.ModeFailSafe || d.Cause != fan.CauseStarting || d.Node != "b" || d.Fault != fan.InputMissing {
		t.Fatalf("one of two inputs unknown: %v (cause %v)", d, d.Cause)
	}
	c.node(1).Known = true
	c.until(time.Second, "leave full", func(o fan.Output) bool { return o.Duty < 1 && o.Decision.Mode == fan.ModeAuto })
	c.node(1).Known = false
	if d := c.step().Decision; d.Duty != 1 || d.Cause != fan.CauseInputUnknown {
		t.Fatalf("known once, then not: %v (cause %v)", d, d.Cause)
	}
}

func TestTheFirstOutputIsWritten(t *testing.T) {
	if out := newBench(t, fan.Config{}, worker("a", 40)).step(); !out.Changed || out.Duty < 0.9 {
		t.Fatalf("first step: duty %v, changed %v; want it written and near full", out.Duty, out.Changed)
	}
}

func TestAnInputThatCannotBeBelievedMeansFull(t *testing.T) {
	for name, spoil := range map[string]func(*fan.NodeInput){
		"no reading":         func(n *fan.NodeInput) { n.Known = false },
		"not a number":       func(n *fan.NodeInput) { n.Celsius = math.NaN() },
		"infinite":           func(n *fan.NodeInput) { n.Celsius = math.Inf(-1) },
		"too cold":           func(n *fan.NodeInput) { n.Celsius = -40.1 },
		"too hot":            func(n *fan.NodeInput) { n.Celsius = 125.1 },
		"set-point unknown":  func(n *fan.NodeInput) { n.SetPointCelsius = math.NaN() },
		"set-point of 1000":  func(n *fan.NodeInput) { n.SetPointCelsius = 1000 },
		"limit not a number": func(n *fan.NodeInput) { n.LimitCelsius = math.NaN() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, fan.Config{}, worker("a", 40), worker("b", 40))
			b.run(5 * time.Minute)
			good := *b.node(1)
			spoil(b.node(1))
			d := b.step().Decision
			if d.Duty != 1 || d.Cause != fan.CauseInputUnknown || d.Node != "b" {
				t.Fatalf("got %v (cause %v, node %q), want full because of b", d, d.Cause, d.Node)
			}
			*b.node(1) = good
			b.until(time.Second, "leave full", func(o fan.Output) bool { return o.Duty < 1 })
		})
	}
}

func TestSilenceMeansFullInFiveSecondsAndAFreshSampleLeavesIt(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 700 * time.Millisecond, 250 * time.Millisecond} {
		t.Run(every.String(), func(t *testing.T) {
			b := newBench(t, fan.Config{SampleInterval: every}, worker("a", 45), worker("b", 40))
			b.every = every
			b.run(5 * time.Minute)
			b.mute["b"] = true
			took := b.until(10*time.Second, "full", func(o fan.Output) bool { return o.Duty == 1 })
			// The first of these steps came one interval after the last reading.
			if age := took + every; age > 5*time.Second || age < 4*time.Second {
				t.Errorf("full at age %s; want it by 5 s and not before 4 s", age)
			}
			if d := b.last.Decision; d.Node != "b" || d.Fault != fan.InputSilent || d.Bound != fan.BoundFailSafe {
				t.Errorf("said %v (node %q, %v, %v)", d, d.Node, d.Fault, d.Bound)
			}
			b.run(time.Minute)
			b.mute["b"] = false
			b.until(2*time.Second, "leave full", func(o fan.Output) bool { return o.Duty < 1 })
			at, duty := b.now, b.last.Duty
			b.until(5*time.Minute, "minimum", func(o fan.Output) bool { return o.Duty == 0.20 })
			rate := (duty - 0.20) / b.now.Sub(at).Seconds()
			if math.Abs(rate-0.005) > 0.0005 {
				t.Errorf("fell at %.4f a second, want the slew limit of 0.005", rate)
			}
		})
	}
}

func TestAFailedWriteMeansFullAndIsWrittenAgain(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.run(5 * time.Minute)
	b.in.WriteErr = errors.New("permission denied")
	for range 3 {
		if out := b.step(); out.Duty != 1 || !out.Changed || out.Decision.Cause != fan.CauseWriteFailed {
			t.Fatalf("duty %v, changed %v, cause %v", out.Duty, out.Changed, out.Decision.Cause)
		}
	}
	b.in.WriteErr = nil
	b.until(time.Second, "leave full", func(o fan.Output) bool { return o.Duty < 1 })
}

func TestANodeAtItsLimitMeansFullUntilItIsUnderByAGap(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40), worker("b", 50))
	b.node(1).LimitCelsius = 60
	b.run(5 * time.Minute)
	for _, c := range []struct {
		celsius float64
		full    bool
	}{{59.9, false}, {60, true}, {59, true}, {58, true}, {57.9, false}, {59.9, false}, {70, true}} {
		b.node(1).Celsius = c.celsius
		d := b.step().Decision
		if full := d.Mode == fan.ModeFailSafe; full != c.full {
			t.Fatalf("at %v C: %v", c.celsius, d)
		}
		if c.full && (d.Duty != 1 || d.Cause != fan.CauseOverLimit || d.Node != "b" || d.Celsius != c.celsius) {
			t.Fatalf("at %v C: %v (cause %v)", c.celsius, d, d.Cause)
		}
	}
}

func TestTheNodeOverItsLimitIsNamedBeforeOneNearIt(t *testing.T) {
	near, over := worker("near", 59), worker("over", 60)
	near.LimitCelsius, over.LimitCelsius = 60, 60
	if d := newBench(t, fan.Config{}, near, over).step().Decision; d.Cause != fan.CauseOverLimit || d.Node != "over" {
		t.Fatalf("%v (cause %v)", d, d.Cause)
	}
}

func TestAWrongConfigurationMeansFullForEver(t *testing.T) {
	c := fan.New(fan.Config{MinimumDuty: 7})
	now := time.Now()
	for i := range 100 {
		out := c.Step(now.Add(time.Duration(i)*time.Second), fan.Input{Nodes: []fan.NodeInput{worker("a", 30)}})
		if out.Duty != 1 || out.Decision.Cause != fan.CauseConfiguration || out.Decision.Mode != fan.ModeFailSafe {
			t.Fatalf("step %d: %v", i, out.Decision)
		}
	}
}

func TestTheGravestCauseIsTheOneGiven(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40), worker("b", 40))
	b.rpm = fan.DefaultCurve().Expected
	b.run(time.Minute)
	add := []struct {
		cause  fan.Cause
		happen func()
		needs  time.Duration
	}{
		{fan.CauseInputUnknown, func() { b.node(0).Known = false }, time.Second},
		{fan.CauseOverLimit, func() { b.node(1).LimitCelsius = 40 }, time.Second},
		{fan.CauseTachFailed, func() { b.rpm = func(float64) float64 { return math.NaN() } }, 6 * time.Second},
		{fan.CauseStalled, func() { b.rpm = func(float64) float64 { return 0 } }, 3 * time.Second},
		{fan.CauseWriteFailed, func() { b.in.WriteErr = errors.New("no such device") }, time.Second},
	}
	for _, c := range add {
		c.happen()
		if d := b.run(c.needs).Decision; d.Cause != c.cause || d.Duty != 1 {
			t.Fatalf("want %v, got %v: %v", c.cause, d.Cause, d)
		}
	}
	// A stall is reported whatever else is the cause.
	if !b.last.Decision.Stalled {
		t.Error("the stall is not told any more")
	}
}

func TestNoInputAtAllFallsToTheMinimum(t *testing.T) {
	for _, c := range []struct {
		name    string
		mayStop bool
		absent  bool
		end     float64
		bound   fan.Bound
	}{
		{"runs on", false, true, 0.20, fan.BoundMinimum}, {"stops", true, true, 0, fan.BoundStopped},
		{"runs on for what nobody judges", true, false, 0.20, fan.BoundMinimum},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, fan.Config{MayStop: c.mayStop})
			b.in.Absent = c.absent
			if out := b.step(); out.Duty < 0.9 {
				t.Fatalf("an empty list at the start dropped the duty to %v at once", out.Duty)
			}
			if d := b.run(100 * time.Second).Decision; d.Duty < 0.45 {
				t.Fatalf("fell faster than the slew limit: %v", d)
			}
			d := b.run(3 * time.Minute).Decision
			if d.Duty != c.end || d.Bound != c.bound || d.Mode != fan.ModeAuto || d.Inputs != 0 {
				t.Fatalf("%v (%d inputs)", d, d.Inputs)
			}
			unknown := worker("a", 40)
			unknown.Known = false
			b.in.Nodes = append(b.in.Nodes, unknown)
			if d := b.step().Decision; d.Duty != 1 {
				t.Fatalf("a node that counts and is unknown: %v", d)
			}
		})
	}
}

func TestWhatAPersonReads(t *testing.T) {
	for want, d := range map[string]fan.Decision{
		"100 % fail-safe: w/cpu has no reading: check the node and its sensor": {
			Duty: 1, Cause: fan.CauseStarting, Node: "w", Sensor: "cpu", Fault: fan.InputMissing},
		"100 % fail-safe: w has had no reading for 7.5 s: check the node and its sensor": {
			Duty: 1, Cause: fan.CauseInputUnknown, Node: "w", Fault: fan.InputMissing, Age: 7500 * time.Millisecond},
		"100 % fail-safe: w/cpu reads a value that cannot be true: check the sensor and its set-point": {
			Duty: 1, Cause: fan.CauseInputUnknown, Node: "w", Sensor: "cpu", Fault: fan.InputImplausible},
		"100 % fail-safe: the fan's configuration is not valid: correct it and start again": {
			Duty: 1, Cause: fan.CauseConfiguration},
		"50 % auto: every node is booting; boot hold": {
			Mode: fan.ModeAuto, Duty: 0.5, Inputs: 1, Bound: fan.BoundBootHold},
		"31 % auto: w/cpu 56.5 C, 1.2 K over its set-point; P +3 I +28 D +1 F +2": {
			Mode: fan.ModeAuto, Duty: 0.31, Inputs: 1, Node: "w", Sensor: "cpu", Celsius: 56.5, ErrorCelsius: 1.2,
			Proportional: 0.03, Integral: 0.28, Derivative: 0.01, FeedForward: 0.02, Unlimited: 0.34},
	} {
		if got := d.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := fan.Mode(9).String() + ", " + fan.TachFailed.String() + ", " + fan.InputSilent.String(); got != "unknown 9, failed, silent" {
		t.Error(got)
	}
}
