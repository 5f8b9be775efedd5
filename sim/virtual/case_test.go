package virtual_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// newVirtual plays a scenario on a profile, with the fan's set-point given.
func newVirtual(t *testing.T, profile, scenario string, setPoint float64, report func(*sim.Case, core.Report)) (*sim.Case, *virtual.Shell) {
	t.Helper()
	cfg, err := sim.Profile(profile)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Seed = 7
	c, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.ScenarioNamed(scenario)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Play(s); err != nil {
		t.Fatal(err)
	}
	config := virtual.CoreConfig(c, func(name string) string { return name })
	config.Fans[0].SetPointCelsius = setPoint
	v, err := virtual.New(virtual.Config{Case: c, Core: config, Report: func(r core.Report) { report(c, r) }})
	if err != nil {
		t.Fatal(err)
	}
	return c, v
}

func ignore(*sim.Case, core.Report) {}

// TestReferenceLoad holds the fan against three hours of load on the easy and the hard plant: no board reaches its
// limit, and the fan is never between standing still and its minimum.
func TestReferenceLoad(t *testing.T) {
	for _, profile := range []string{"pico5", "pico5-hard"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			c, v := newVirtual(t, profile, "reference", 55, ignore)
			const minimum = 0.20 // of the default fan.Config
			hottest, sum, changes, before := 0.0, 0.0, 0, c.Fan().Duty()
			const seconds = 3 * 3600
			for range seconds {
				v.Step(time.Second)
				for _, b := range c.Boards() {
					celsius, err := b.Celsius()
					if err != nil {
						t.Fatal(err)
					}
					hottest = max(hottest, celsius)
					if celsius >= b.LimitCelsius() {
						t.Fatalf("%s reads %.1f C at %v, its limit is %.0f", b.Name(), celsius, c.Now(), b.LimitCelsius())
					}
				}
				duty := c.Fan().Duty()
				if duty > 0 && duty < minimum {
					t.Fatalf("duty %.3f at %v", duty, c.Now())
				}
				if math.Abs(duty-before) >= 0.01 {
					changes++
				}
				sum, before = sum+duty, duty
			}
			t.Logf("hottest %.1f C, mean duty %.1f %%, %d changes an hour", hottest, 100*sum/seconds, changes/3)
		})
	}
}

// TestSilentWorker is promise 3 on the whole case: full within 5 s of the silence, away from full within 2 s of the
// first fresh sample, and then down at no more than the slew limit.
func TestSilentWorker(t *testing.T) {
	c, v := newVirtual(t, "pico5", "silent-worker", virtual.SetPointCelsius, ignore)
	const silence, end = 8 * time.Second, 18 * time.Second
	const slew = 0.005 // a second, of the default fan.Config
	var full, left time.Duration
	before := 1.0
	for c.Now() < 30*time.Second {
		v.Step(100 * time.Millisecond)
		duty, now := c.Fan().Duty(), c.Now()
		switch {
		case now > silence && full == 0 && duty == 1:
			full = now
		case now > end && left == 0 && duty < 1:
			left = now
		}
		if full > 0 && now < end && duty < 1 {
			t.Fatalf("duty %.2f at %v, while worker-2 is silent", duty, now)
		}
		if drop := before - duty; left > 0 && drop > slew*2+0.02 { // the output moves in steps of 0.02
			t.Fatalf("duty fell by %.3f at %v", drop, now)
		}
		before = duty
	}
	if full == 0 || full > silence+5*time.Second {
		t.Errorf("full at %v, the silence began at %v", full, silence)
	}
	if left == 0 || left > end+2*time.Second {
		t.Errorf("left full at %v, the silence ended at %v", left, end)
	}
}

// TestStalledFan wants the alarm within 3 s of the stall.
func TestStalledFan(t *testing.T) {
	var alarmed time.Duration
	_, v := newVirtual(t, "pico5", "stalled-fan", virtual.SetPointCelsius, func(c *sim.Case, r core.Report) {
		if r.Kind == core.ReportAlarmRaised && r.Alarm == core.AlarmFanStalled && alarmed == 0 {
			alarmed = c.Now()
		}
	})
	v.Step(30 * time.Second)
	if alarmed < 8*time.Second || alarmed > 11*time.Second {
		t.Errorf("alarm at %v, the stall began at 8s", alarmed)
	}
}

// TestStepAfterCoolIdle leaves the controller an hour of cool idle in which to wind up, and then wants half duty within
// ten seconds of all the heat there is.
func TestStepAfterCoolIdle(t *testing.T) {
	c, v := newVirtual(t, "pico5", "idle", 55, ignore)
	v.Step(time.Hour)
	if duty := c.Fan().Duty(); duty > 0.25 {
		t.Fatalf("after an hour of idle the duty is %.2f", duty)
	}
	hot := sim.Fault{Kind: sim.FaultHotRoom, Value: 60}
	if err := c.Fault(hot); err != nil {
		t.Fatal(err)
	}
	for _, b := range c.Boards() {
		if err := b.SetLoad(1); err != nil {
			t.Fatal(err)
		}
	}
	crossed := time.Duration(0)
	for range 120 {
		v.Step(time.Second)
		celsius, err := c.Boards()[0].Celsius()
		if err != nil {
			t.Fatal(err)
		}
		if celsius >= 60 && crossed == 0 {
			crossed = c.Now()
		}
		if crossed > 0 && c.Now() >= crossed+10*time.Second {
			break
		}
	}
	if duty := c.Fan().Duty(); crossed == 0 || duty < 0.5 {
		t.Errorf("duty %.2f ten seconds after 5 K over the set-point (at %v)", duty, crossed)
	}
}

// TestReboot follows an announced reboot: the fan keeps at least half, nobody raises an alarm, and the board is back.
func TestReboot(t *testing.T) {
	var story []string
	c, v := newVirtual(t, "pico5", "idle", virtual.SetPointCelsius, func(_ *sim.Case, r core.Report) {
		if r.Subject == "worker-3" {
			story = append(story, fmt.Sprint(r.Kind))
		}
	})
	v.Step(10 * time.Minute)
	if duty := c.Fan().Duty(); duty >= 0.5 {
		t.Fatalf("duty %.2f at idle", duty)
	}
	story = nil
	if err := c.Board("worker-3").Reboot(); err != nil {
		t.Fatal(err)
	}
	v.Step(2 * time.Second)
	for v.Step(time.Second); !c.Board("worker-3").Running(); v.Step(time.Second) {
		if duty := c.Fan().Duty(); duty < 0.5 || duty == 1 {
			t.Fatalf("duty %.2f while worker-3 reboots, at %v", duty, c.Now())
		}
		if c.Now() > 15*time.Minute {
			t.Fatal("worker-3 does not come back")
		}
	}
	v.Step(10 * time.Second)
	want := []string{"shutdown announced", "power changed", "rebooted", "power changed"}
	got := slices.DeleteFunc(story, func(kind string) bool { return kind == "presence changed" })
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCutWorker counts what a wrong edge costs, and sees that a board without power no longer holds the fan up.
func TestCutWorker(t *testing.T) {
	c, v := newVirtual(t, "pico5", "idle", virtual.SetPointCelsius, ignore)
	v.Step(10 * time.Minute)
	if err := c.Rail("worker-4").Set(false); err != nil {
		t.Fatal(err)
	}
	v.Step(time.Minute)
	if lost := c.LostFileSystems(); lost != 1 {
		t.Errorf("lost %d file systems, want 1", lost)
	}
	if duty := c.Fan().Duty(); duty >= 0.5 {
		t.Errorf("duty %.2f: a board whose rail is off still counts", duty)
	}
	for _, n := range v.Core().Nodes(0) {
		if n.Name == "worker-4" && (n.Rail != core.RailOff || !strings.Contains(n.PresenceReason, "rail is off")) {
			t.Errorf("%+v", n)
		}
	}
}

// TestRepeatable runs the same case twice and wants the same reports, to the byte.
func TestRepeatable(t *testing.T) {
	run := func() string {
		var b strings.Builder
		c, v := newVirtual(t, "pico5", "burst", virtual.SetPointCelsius, func(c *sim.Case, r core.Report) {
			fmt.Fprintln(&b, c.Now(), r)
		})
		for range 600 {
			v.Step(time.Second)
			fmt.Fprintln(&b, c.Fan().Duty(), v.Core().Fans(0)[0].Reason)
		}
		return b.String()
	}
	if first, second := run(), run(); first != second {
		t.Error("two runs differ")
	}
}
