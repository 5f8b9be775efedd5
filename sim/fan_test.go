package sim

import (
	"errors"
	"math"
	"syscall"
	"testing"
	"time"
)

func TestTheFanStartsAtFullAndLags(t *testing.T) {
	c := newCase(t, Config{})
	fan := c.Fan()
	if fan.Duty() != 1 || fan.TrueRPM() != 5412 {
		t.Errorf("an undriven fan: duty %v, %v rpm", fan.Duty(), fan.TrueRPM())
	}
	must(t, fan.SetDuty(0.4))
	c.Step(1500 * time.Millisecond)
	near(t, "rpm after the lag", fan.TrueRPM(), 2226+(5412-2226)*math.Exp(-1), 0.01)
	c.Step(time.Minute)
	near(t, "rpm settled", fan.TrueRPM(), 2226, 0.001)
	must(t, fan.Safe())
	c.Step(time.Minute)
	near(t, "rpm when safe", fan.TrueRPM(), 5412, 0.001)
}

func TestBadDutiesChangeNothing(t *testing.T) {
	c := newCase(t, Config{})
	must(t, c.Fan().SetDuty(0.3))
	for _, bad := range []float64{-0.01, 1.01, math.NaN(), math.Inf(-1)} {
		if err := c.Fan().SetDuty(bad); err == nil || c.Fan().Duty() != 0.3 {
			t.Errorf("duty %v: error %v, duty %v", bad, err, c.Fan().Duty())
		}
	}
	must(t, c.Fault(Fault{Kind: FaultFailedPWM}))
	if err := c.Fan().SetDuty(0.5); !errors.Is(err, syscall.EIO) || c.Fan().Duty() != 0.3 {
		t.Errorf("a failed write: error %v, duty %v", err, c.Fan().Duty())
	}
	if err := c.Fan().Safe(); err == nil {
		t.Error("a failed write leaves Safe working")
	}
	must(t, c.Clear(Fault{Kind: FaultFailedPWM}))
	must(t, c.Fan().Safe())
}

func TestTheTachIsWithinHalfAPercent(t *testing.T) {
	c := newCase(t, Config{})
	widest, sum := 0.0, 0.0
	const readings = 2000
	for range readings {
		c.Step(time.Second)
		rpm, err := c.Fan().RPM()
		must(t, err)
		off := rpm/c.Fan().TrueRPM() - 1
		widest, sum = max(widest, math.Abs(off)), sum+off
	}
	if widest > 0.005 || widest < 0.004 {
		t.Errorf("the tach is off by up to %.3f %%", 100*widest)
	}
	near(t, "mean error", sum/readings, 0, 0.0003)
}

func TestFanFaults(t *testing.T) {
	c := newCase(t, Config{})
	fan := c.Fan()
	rpm := func() float64 {
		t.Helper()
		r, err := fan.RPM()
		must(t, err)
		return r
	}
	must(t, c.Fault(Fault{Kind: FaultStalledFan}))
	c.Step(time.Second)
	if rpm() > 10 {
		t.Errorf("%v rpm a second after the rotor was blocked", rpm())
	}
	must(t, c.Clear(Fault{Kind: FaultStalledFan}))
	c.Step(time.Minute)
	near(t, "rpm after it was freed", fan.TrueRPM(), 5412, 0.001)

	must(t, c.Fault(Fault{Kind: FaultNoisyTach}))
	if rpm() < 5412 || rpm() > 1.6*5412 {
		t.Errorf("a noisy tach reads %v rpm", rpm())
	}
	must(t, c.Fault(Fault{Kind: FaultLostTach}))
	if rpm() != 0 || fan.TrueRPM() < 5000 {
		t.Errorf("a lost tach reads %v rpm of %v", rpm(), fan.TrueRPM())
	}
	must(t, c.Fault(Fault{Kind: FaultFailedTach}))
	if _, err := fan.RPM(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a failed tach: %v", err)
	}
	cfg := Config{Fan: FanConfig{NoTach: true}}
	if _, err := newCase(t, cfg).Fan().RPM(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no tach: %v", err)
	}
}
