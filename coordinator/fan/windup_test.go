package fan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

func TestAnHourOfCoolIdleDoesNotDelayTheRise(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("w", 40))
	b.run(time.Hour)
	if b.last.Duty != 0.20 {
		t.Fatalf("after an hour at 15 K under the set-point: duty %v, want the minimum", b.last.Duty)
	}
	b.node(0).Celsius = 80
	took := b.until(10*time.Second, "half duty", func(o fan.Output) bool { return o.Duty >= 0.5 })
	t.Logf("step from 15 K under to 25 K over: half duty after %s", took)
}

func TestSaturationEndsWhenTheErrorTurns(t *testing.T) {
	for _, under := range []float64{1.5, 2, 5, 15} {
		t.Run(fmt.Sprint(under), func(t *testing.T) {
			b := newBench(t, fan.Config{}, worker("w", 40))
			b.run(time.Hour)
			b.node(0).Celsius = 80
			b.run(10 * time.Minute)
			if b.last.Duty != 1 {
				t.Fatalf("25 K over the set-point: duty %v, want 1", b.last.Duty)
			}
			b.node(0).Celsius = 55 - under
			took := b.until(10*time.Second, "leave saturation", func(o fan.Output) bool { return o.Duty < 1 })
			t.Logf("error from +25 K to -%g K: left full after %s", under, took)
		})
	}
}

func TestTheIntegralCountsEveryLimit(t *testing.T) {
	// At rest the unlimited duty stands off by the proportional term and no
	// more, whichever limit binds.
	for _, c := range []struct {
		name    string
		celsius float64
		cfg     fan.Config
		during  func(*bench)
		bound   fan.Bound
	}{
		{"minimum", 40, fan.Config{}, nil, fan.BoundMinimum},
		{"maximum", 70, fan.Config{}, nil, fan.BoundMaximum},
		{"slew down", 40, fan.Config{SlewDown: 0.0005}, nil, fan.BoundSlewDown},
		{"boot hold", 40, fan.Config{}, func(b *bench) { b.in.Nodes[1].Booting = true }, fan.BoundBootHold},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.cfg, worker("w", c.celsius), worker("other", 30))
			b.run(3 * time.Minute)
			if c.during != nil {
				c.during(b)
			}
			d := b.run(10 * time.Minute).Decision
			if d.Bound != c.bound {
				t.Fatalf("bound by %v, want %v", d.Bound, c.bound)
			}
			if off := d.Integral - d.Duty; off > 0.03 || off < -0.03 {
				t.Errorf("the integral %.3f is %.3f from the duty %.3f after ten minutes at the limit", d.Integral, off, d.Duty)
			}
		})
	}
}
