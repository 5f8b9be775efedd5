package fan_test

import (
	"math"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

func stalledNow(o fan.Output) bool { return o.Decision.Stalled }

// lagging is a healthy fan whose speed follows with a time constant.
func lagging(seconds, rpm float64) func(float64) float64 {
	return func(duty float64) float64 {
		rpm += (fan.DefaultCurve().Expected(duty) - rpm) * (1 - math.Exp(-1/seconds))
		return rpm
	}
}

func TestAStallIsSaidWithinThreeSeconds(t *testing.T) {
	for name, rpm := range map[string]float64{"stands": 0, "creeps": 500} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, fan.Config{}, worker("a", 40))
			b.rpm = lagging(1.5, 0)
			b.run(5 * time.Minute)
			b.rpm = func(float64) float64 { return rpm }
			if d := b.step().Decision; d.Duty != 0.30 || d.Bound != fan.BoundKick || d.Stalled {
				t.Fatalf("first slow reading: %v, want one kick and no verdict", d)
			}
			took := 1*time.Second + b.until(time.Second, "stalled", stalledNow)
			t.Logf("said %s after the first slow reading", took)
			if d := b.last.Decision; d.Duty != 1 || d.Cause != fan.CauseStalled || d.Mode != fan.ModeFailSafe {
				t.Fatalf("%v (cause %v)", d, d.Cause)
			}
			// 500 rpm would do for 20 %; at full drive it is a stall.
			if d := b.run(time.Hour).Decision; !d.Stalled || d.Duty != 1 {
				t.Fatalf("an hour later: %v", d)
			}
		})
	}
}

func TestAFanThatComesBackIsBelievedAgain(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.rpm = func(float64) float64 { return 0 }
	b.until(4*time.Second, "stalled", stalledNow)
	b.run(time.Minute)
	b.rpm = lagging(1.5, 0)
	b.until(5*time.Second, "turns again", func(o fan.Output) bool { return !o.Decision.Stalled })
	if d := b.run(5 * time.Minute).Decision; d.Duty != 0.20 || d.Stalled {
		t.Fatalf("five minutes later: %v", d)
	}
}

func TestAFanThatNeverStartsIsSaidWithinThreeSecondsOfTheCommand(t *testing.T) {
	b := newBench(t, fan.Config{MayStop: true}, worker("a", 30))
	b.rpm = lagging(1.5, 0)
	b.run(10 * time.Minute)
	if b.last.Duty != 0 {
		t.Fatalf("25 K under the set-point and may stop: %v", b.last.Decision)
	}
	b.rpm = func(float64) float64 { return 0 }
	if d := b.run(time.Minute).Decision; d.Stalled {
		t.Fatalf("a fan that was told to stand is not stalled: %v", d)
	}
	b.node(0).Celsius = 60
	if d := b.step().Decision; d.Duty != 0.30 || d.Bound != fan.BoundKick {
		t.Fatalf("start: %v", d)
	}
	took := time.Second + b.until(2*time.Second, "stalled", stalledNow)
	if took > 3*time.Second {
		t.Errorf("said after %s, want 3 s", took)
	}
}

func TestAHealthyFanIsNeverCalledStalled(t *testing.T) {
	for _, lag := range []float64{0.5, 1.5, 3, 5} {
		b := newBench(t, fan.Config{MayStop: true}, worker("a", 30))
		b.rpm = lagging(lag, 0)
		for i := range 40 {
			b.node(0).Celsius = [...]float64{30, 54, 90, 56, 20}[i%5]
			b.mute["a"] = i%7 == 3
			for range 200 {
				if d := b.step().Decision; d.Stalled {
					t.Fatalf("lag %v s, round %d: %v", lag, i, d)
				}
			}
		}
	}
}

func TestAFanMayTakeTwoSecondsToStart(t *testing.T) {
	b := newBench(t, fan.Config{MayStop: true}, worker("a", 30))
	b.rpm = fan.DefaultCurve().Expected
	b.run(10 * time.Minute)
	b.node(0).Celsius = 60
	b.step()
	b.rpm = func(float64) float64 { return 0 }
	b.run(2 * time.Second)
	b.rpm = fan.DefaultCurve().Expected
	if d := b.step().Decision; d.Stalled || b.last.Duty == 1 {
		t.Fatalf("stood for two seconds of its spin-up: %v", d)
	}
}

func TestOneSlowReadingIsNoStall(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	healthy := lagging(1.5, 0)
	b.rpm = healthy
	b.run(5 * time.Minute)
	for range 20 {
		b.rpm = func(float64) float64 { return 0 }
		if d := b.step().Decision; d.Stalled {
			t.Fatalf("one reading of 0: %v", d)
		}
		b.rpm = healthy
		if d := b.run(3 * time.Second).Decision; d.Duty != 0.20 {
			t.Fatalf("after the kick: %v", d)
		}
	}
}

func TestOneSlowReadingAfterALateCallIsNoStall(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.rpm = lagging(1.5, 0)
	b.run(5 * time.Minute)
	b.now = b.now.Add(4 * time.Second)
	b.rpm = func(float64) float64 { return 0 }
	if d := b.step().Decision; d.Stalled {
		t.Fatalf("one reading of 0 in five seconds: %v", d)
	}
}

func TestAStandingFanIsNotHeldToACurveThatStartsLater(t *testing.T) {
	learned := fan.Curve{{0.2, 1088}, {1, 5323}}
	b := newBench(t, fan.Config{MayStop: true, Curve: learned}, worker("a", 30))
	b.rpm = func(duty float64) float64 {
		if duty == 0 {
			return 0
		}
		return learned.Expected(duty)
	}
	if d := b.run(time.Hour).Decision; d.Duty != 0 || d.Stalled || d.ExpectedRPM != 0 {
		t.Fatalf("%v (expected %v rpm)", d, d.ExpectedRPM)
	}
	b.rpm, b.in.Tach = nil, fan.TachFailed
	if d := b.run(5 * time.Second).Decision; d.Duty != 1 || d.Cause != fan.CauseTachFailed {
		t.Fatalf("a tachometer that fails while the fan stands: %v", d)
	}
}

func TestATachThatCannotBeReadMeansFull(t *testing.T) {
	for name, fail := range map[string]func(*bench){
		"failed":       func(b *bench) { b.rpm, b.in.Tach = nil, fan.TachFailed },
		"not a number": func(b *bench) { b.rpm = func(float64) float64 { return math.NaN() } },
		"negative":     func(b *bench) { b.rpm = func(float64) float64 { return -1 } },
		"infinite":     func(b *bench) { b.rpm = func(float64) float64 { return math.Inf(1) } },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, fan.Config{}, worker("a", 40))
			b.rpm = lagging(1.5, 0)
			b.run(5 * time.Minute)
			fail(b)
			if d := b.run(3 * time.Second).Decision; d.Duty != 0.20 {
				t.Fatalf("three failed readings: %v", d)
			}
			b.until(2*time.Second, "full", func(o fan.Output) bool { return o.Decision.Cause == fan.CauseTachFailed })
			if b.last.Duty != 1 || b.last.Decision.Stalled {
				t.Fatalf("%v", b.last.Decision)
			}
			b.rpm = lagging(1.5, 1000)
			b.until(time.Second, "leave full", func(o fan.Output) bool { return o.Duty < 1 })
		})
	}
}

func TestWithoutATachNothingIsJudged(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	if d := b.run(10 * time.Minute).Decision; d.Stalled || d.Duty != 0.20 || d.ExpectedRPM != 0 {
		t.Fatalf("%v (expected %v rpm)", d, d.ExpectedRPM)
	}
}

func TestDefaultCurveIsTheMeasuredFan(t *testing.T) {
	curve := fan.DefaultCurve()
	for duty, rpm := range map[float64]float64{0: 0, 0.2: 1088, 0.25: 1379, 0.6: 3358, 1: 5323, 2: 5323, -1: 0} {
		if got := curve.Expected(duty); got != rpm {
			t.Errorf("at duty %v: %v rpm, want %v", duty, got, rpm)
		}
	}
	if got := (fan.Curve)(nil).Expected(0.5); got != 0 {
		t.Errorf("an empty curve expects %v", got)
	}
}

// A worn or heavily damped fan takes its time from slow to full. It turns faster all the while, and that is no stall.
func TestAFanThatSpeedsUpSlowlyIsNoStall(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	drive := 1.0
	b.rpm = func(duty float64) float64 {
		drive = min(drive+0.09, duty)
		return fan.DefaultCurve().Expected(drive)
	}
	b.run(10 * time.Minute)
	if b.last.Duty != 0.20 {
		t.Fatalf("it is not slow: %v", b.last.Decision)
	}
	b.node(0).Celsius, b.node(0).LimitCelsius = 90, 80
	for i := range 15 {
		if d := b.step().Decision; d.Duty != 1 || d.Stalled {
			t.Fatalf("second %d at %.0f rpm, %.0f are expected: %v", i, d.RPM, d.ExpectedRPM, d)
		}
	}
}
