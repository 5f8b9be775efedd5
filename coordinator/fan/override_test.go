package fan_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

func (b *bench) override(duty float64, d time.Duration) {
	b.in.Override = fan.Override{Active: true, Duty: duty, Until: b.now.Add(d)}
}

func TestAnOverrideHoldsUntilItsEnd(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.run(5 * time.Minute)
	b.override(0.43, 10*time.Minute)
	for range 600 {
		if d := b.step().Decision; d.Duty != 0.43 || d.Mode != fan.ModeOverride || d.Bound != fan.BoundOverride {
			t.Fatalf("%v", d)
		}
	}
	d := b.step().Decision
	if d.Mode != fan.ModeAuto || d.Duty < 0.42 || d.Duty > 0.43 {
		t.Fatalf("the moment it ends: %v, want no jump from 43 %%", d)
	}
	b.until(time.Minute, "the rule takes it down", func(o fan.Output) bool { return o.Duty < 0.35 })
}

func TestWhatAnOverrideMayAsk(t *testing.T) {
	for _, c := range []struct {
		name       string
		mayStop    bool
		asked, got float64
		mode       fan.Mode
		bound      fan.Bound
	}{
		{"within range", false, 0.5, 0.5, fan.ModeOverride, fan.BoundOverride},
		{"under the minimum", false, 0.1, 0.2, fan.ModeOverride, fan.BoundMinimum},
		{"nothing, and it may not stop", false, 0, 0.2, fan.ModeOverride, fan.BoundMinimum},
		{"nothing, and it may stop", true, 0, 0, fan.ModeOverride, fan.BoundOverride},
		{"little, and it may stop", true, 0.1, 0.2, fan.ModeOverride, fan.BoundMinimum},
		{"negative", false, -3, 0.2, fan.ModeOverride, fan.BoundMinimum},
		{"more than full", false, 7, 1, fan.ModeOverride, fan.BoundOverride},
		{"not a number", false, math.NaN(), 0.2, fan.ModeAuto, fan.BoundMinimum},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, fan.Config{MayStop: c.mayStop}, worker("a", 45))
			b.run(5 * time.Minute)
			b.override(c.asked, time.Hour)
			if d := b.step().Decision; d.Duty != c.got || d.Mode != c.mode || d.Bound != c.bound {
				t.Fatalf("asked for %v: %v, want %v (%v)", c.asked, d, c.got, c.bound)
			}
		})
	}
}

func TestAnOverrideGivesWay(t *testing.T) {
	for name, c := range map[string]struct {
		happen func(*bench)
		duty   float64
	}{
		"to an unknown input":  {func(b *bench) { b.node(0).Known = false }, 1},
		"to a failed write":    {func(b *bench) { b.in.WriteErr = errors.New("gone") }, 1},
		"to a node over limit": {func(b *bench) { b.node(0).LimitCelsius = 40 }, 1},
		"to a stalled fan":     {func(b *bench) { b.rpm = func(float64) float64 { return 0 } }, 1},
		"to a booting node":    {func(b *bench) { b.node(1).Booting = true }, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, fan.Config{}, worker("a", 45), worker("b", 45))
			b.rpm = lagging(1.5, 0)
			b.run(5 * time.Minute)
			b.override(0.25, time.Hour)
			if d := b.run(10 * time.Second).Decision; d.Duty != 0.25 {
				t.Fatalf("before: %v", d)
			}
			c.happen(b)
			if d := b.run(3 * time.Second).Decision; d.Duty != c.duty {
				t.Fatalf("%v, want duty %v", d, c.duty)
			}
		})
	}
}

func TestAnOverrideToNothingKicksWhenItEnds(t *testing.T) {
	b := newBench(t, fan.Config{MayStop: true}, worker("a", 53))
	b.run(5 * time.Minute)
	b.override(0, time.Minute)
	if d := b.run(time.Minute).Decision; d.Duty != 0 {
		t.Fatalf("%v", d)
	}
	if d := b.step().Decision; d.Duty != 0.30 || d.Bound != fan.BoundKick {
		t.Fatalf("the moment it ends, 2 K under the set-point: %v", d)
	}
}

func TestAClockThatJumpsOnEndsAnOverrideForGood(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.run(5 * time.Minute)
	b.override(0.5, time.Minute)
	b.run(10 * time.Second)
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		b.now = b.now.Add(jump)
		if d := b.step().Decision; d.Mode != fan.ModeAuto {
			t.Fatalf("after %s: %v", jump, d)
		}
	}
}

func TestAClockThatJumpsChangesNothing(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"back an hour": -time.Hour, "back ten years": -10 * 365 * 24 * time.Hour, "back a moment": -time.Millisecond,
		"on an hour": time.Hour, "on ten years": 10 * 365 * 24 * time.Hour, "on 200 years": 200 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			steady, jumping := newBench(t, fan.Config{}, worker("a", 53)), newBench(t, fan.Config{}, worker("a", 53))
			steady.rpm, jumping.rpm = lagging(1.5, 0), lagging(1.5, 0)
			for i := range 1800 {
				celsius := 55 + 6*math.Sin(float64(i)/90)
				steady.node(0).Celsius, jumping.node(0).Celsius = celsius, celsius
				if i == 900 {
					jumping.now = jumping.now.Add(jump)
				}
				before := jumping.last.Duty
				a, b := steady.step(), jumping.step()
				if b.Decision.Mode != fan.ModeAuto || b.Decision.Stalled {
					t.Fatalf("second %d: %v", i, b.Decision)
				}
				// A jump counts as one late call of five seconds at most.
				if i >= 900 && (math.Abs(b.Duty-a.Duty) > 0.12 || b.Duty-before > 5*0.08+0.02 || before-b.Duty > 5*0.005+0.02) {
					t.Fatalf("second %d: %v where the steady clock has %v, before %v", i, b.Duty, a.Duty, before)
				}
			}
		})
	}
}

func TestAStandingClockMovesNothing(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.run(time.Minute)
	before := b.last.Duty
	b.node(0).Celsius = 90
	for range 1000 {
		if out := b.fan.Step(b.now.Add(-b.every), b.in); out.Duty != before {
			t.Fatalf("no time passed and the duty went from %v to %v", before, out.Duty)
		}
	}
}

func TestAnAgeFromTheFutureIsNotTrusted(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.run(time.Minute)
	for age, full := range map[time.Duration]bool{-time.Hour: true, math.MinInt64: true, math.MaxInt64: true, -time.Millisecond: false} {
		b.node(0).Age = age
		if d := b.fan.Step(b.now, b.in).Decision; (d.Duty == 1) != full {
			t.Errorf("age %s: %v", age, d)
		}
	}
}
