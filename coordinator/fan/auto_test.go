package fan_test

import (
	"math"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

func TestTheWorstMarginLeads(t *testing.T) {
	board, disk := worker("board", 58), worker("disk", 52)
	disk.Sensor, disk.SetPointCelsius = "nvme", 45
	b := newBench(t, fan.Config{}, board, disk)
	if d := b.run(time.Minute).Decision; d.Node != "disk" || d.Sensor != "nvme" || d.Celsius != 52 || math.Abs(d.ErrorCelsius-7) > 0.01 {
		t.Fatalf("a disk 7 K over its set-point beside a hotter board 3 K over its own: %v", d)
	}
}

func TestTheGainFollowsTheSchedule(t *testing.T) {
	// The same small change of the error moves a slow fan little and a fast one
	// much: Kp(u) = c / g(u).
	cfg := fan.Config{Gain: 2, Resolution: 0.001, FilterTime: 100 * time.Millisecond, DeadBandCelsius: 5}
	for _, duty := range []float64{0.3, 0.5, 0.8} {
		b := newBench(t, cfg, worker("a", 55))
		b.in.Override = fan.Override{Active: true, Duty: duty, Until: b.now.Add(time.Minute)}
		b.run(time.Minute)
		b.in.Override = fan.Override{}
		before := b.step().Decision
		b.node(0).Celsius += 0.1
		after := b.step().Decision
		want := 2 / fan.DefaultSchedule().Effect(duty) * (after.ErrorCelsius - before.ErrorCelsius)
		if got := after.Unlimited - before.Unlimited; math.Abs(got-want) > 0.02*want {
			t.Errorf("at duty %v: %v for 0.1 K, want %v", duty, got, want)
		}
	}
}

func TestSlewIsFastUpAndSlowDown(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	b.run(5 * time.Minute)
	b.node(0).Celsius = 90
	up := b.until(11*time.Second, "full", func(o fan.Output) bool { return o.Duty == 1 })
	if up < 9*time.Second {
		t.Errorf("0.2 to 1 in %s; the slew limit of 0.08 allows 10 s", up)
	}
	b.node(0).Celsius = 40
	down := b.until(175*time.Second, "minimum", func(o fan.Output) bool { return o.Duty == 0.20 })
	if down < 158*time.Second {
		t.Errorf("1 to 0.2 in %s; the slew limit of 0.005 allows 160 s", down)
	}
}

func TestTheIntegralRestsInTheDeadBand(t *testing.T) {
	for _, c := range []struct {
		celsius float64
		rests   bool
	}{{55.9, true}, {54.1, true}, {57, false}} {
		b := newBench(t, fan.Config{}, worker("a", 55))
		b.in.Override = fan.Override{Active: true, Duty: 0.5, Until: b.now.Add(time.Minute)}
		b.node(0).Celsius = c.celsius
		b.run(time.Minute)
		first := b.step().Decision
		last := b.run(2 * time.Minute).Decision
		if rests := first.Duty == last.Duty && math.Abs(first.Integral-last.Integral) < 1e-9; rests != c.rests {
			t.Errorf("at %v C: duty %v to %v, integral %.3f to %.3f; rests should be %v", c.celsius, first.Duty, last.Duty, first.Integral, last.Integral, c.rests)
		}
		if c.rests && last.Bound != fan.BoundDeadBand {
			t.Errorf("at %v C: bound %v", c.celsius, last.Bound)
		}
	}
}

func TestNoiseDoesNotMoveTheDuty(t *testing.T) {
	// One step of a Pi's sensor, back and forth, near the set-point.
	b := newBench(t, fan.Config{}, worker("a", 55))
	b.in.Override = fan.Override{Active: true, Duty: 0.4, Until: b.now.Add(time.Minute)}
	b.run(2 * time.Minute)
	changes := 0
	for i := range 3600 {
		b.node(0).Celsius = 55 + 0.538*float64(i*7/3%2)
		if b.step().Changed {
			changes++
		}
	}
	if changes > 2 {
		t.Errorf("%d changes in an hour of noise, want at most 2", changes)
	}
}

func TestChangesAreWorthHearing(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40))
	before := b.run(time.Minute).Duty
	for i := range 3 * 3600 {
		b.node(0).Celsius = 55 + 8*math.Sin(float64(i)/97) + 3*math.Sin(float64(i)/13)
		duty := b.step().Duty
		if move := math.Abs(duty - before); move > 0 && move < 0.02-1e-9 && duty != 1 && duty != 0.20 {
			t.Fatalf("second %d: moved by %v, less than the resolution", i, move)
		}
		before = duty
	}
}

func TestFullAndHalfAreMetExactly(t *testing.T) {
	// Neither is a multiple of this resolution, nor one away from what is below.
	b := newBench(t, fan.Config{Resolution: 0.03, MinimumDuty: 0.49}, worker("a", 40), worker("b", 40))
	b.run(5 * time.Minute)
	b.node(1).Booting = true
	if d := b.step().Decision; d.Duty != 0.5 {
		t.Fatalf("while b boots: %v", d)
	}
	b.node(0).Celsius = 90
	if d := b.run(time.Minute).Decision; d.Duty != 1 {
		t.Fatalf("far too hot: %v", d)
	}
}

func TestASmallChangeIsNotTakenBackAtOnce(t *testing.T) {
	b := newBench(t, fan.Config{SlewDown: 1, FilterTime: 100 * time.Millisecond}, worker("a", 55))
	b.in.Override = fan.Override{Active: true, Duty: 0.5, Until: b.now.Add(time.Minute)}
	b.run(2 * time.Minute)
	b.node(0).Celsius = 55.2
	risen := b.run(2 * time.Second).Duty
	if risen <= 0.5 {
		t.Fatalf("0.2 K more at half duty: %v", b.last.Decision)
	}
	b.node(0).Celsius = 55
	for range 7 {
		if d := b.step().Decision; d.Duty != risen {
			t.Fatalf("taken back within the hold time: %v", d)
		}
	}
	b.until(5*time.Second, "fall", func(o fan.Output) bool { return o.Duty < risen })
}

func TestANewLeaderIsNoKick(t *testing.T) {
	cfg := fan.Config{DerivativeTime: 20 * time.Second, FeedForwardTime: 10 * time.Second, DeadBandCelsius: 5, Resolution: 0.001}
	b := newBench(t, cfg, worker("a", 55), worker("b", 45))
	b.in.Override = fan.Override{Active: true, Duty: 0.5, Until: b.now.Add(time.Minute)}
	b.run(2 * time.Minute)
	before := b.last.Decision
	for b.last.Decision.Node != "b" {
		before = b.last.Decision
		b.node(1).Celsius += 0.5
		b.step()
	}
	after := b.last.Decision
	kp := after.Proportional / after.ErrorCelsius
	if jump := after.Derivative + after.FeedForward - before.Derivative - before.FeedForward; math.Abs(jump) > 1e-9 {
		t.Errorf("the slope of the new leader came in as a jump of %v", jump)
	}
	if most := kp*(after.ErrorCelsius-before.ErrorCelsius) + 0.001; after.Unlimited-before.Unlimited > most {
		t.Errorf("the unlimited duty jumped from %v to %v, want at most %v", before.Unlimited, after.Unlimited, most)
	}
	b.node(1).Celsius += 0.5
	if d := b.step().Decision; d.Derivative <= 0 || d.FeedForward <= 0 {
		t.Errorf("a leader that rises: D %v, F %v; want both positive from its second step on", d.Derivative, d.FeedForward)
	}
}

func TestAFallingSlopeFeedsNothingForward(t *testing.T) {
	b := newBench(t, fan.Config{DerivativeTime: 10 * time.Second, FeedForwardTime: 10 * time.Second}, worker("a", 70))
	b.run(time.Minute)
	for range 20 {
		b.node(0).Celsius -= 0.5
		b.step()
	}
	if d := b.last.Decision; d.Derivative >= 0 || d.FeedForward != 0 {
		t.Errorf("a leader that falls: D %v, want under 0; F %v, want 0", d.Derivative, d.FeedForward)
	}
}

func TestAChangedSetPointIsNoJump(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 55))
	b.in.Override = fan.Override{Active: true, Duty: 0.5, Until: b.now.Add(time.Minute)}
	b.run(2 * time.Minute)
	before := b.last.Duty
	b.node(0).SetPointCelsius = 50
	if d := b.step().Decision; math.Abs(d.Unlimited-before) > 0.02 {
		t.Fatalf("five kelvins off the set-point: unlimited %v from duty %v", d.Unlimited, before)
	}
	if d := b.run(2 * time.Minute).Decision; d.Duty <= before {
		t.Fatalf("and the fan must come to it: %v", d)
	}
}

func TestABootingNodeHoldsTheDuty(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40), worker("b", 40))
	b.run(5 * time.Minute)
	n := b.node(1)
	n.Booting, n.Known, n.Celsius = true, false, 999
	for range 120 {
		if d := b.step().Decision; d.Duty != 0.5 || d.Bound != fan.BoundBootHold || d.Mode != fan.ModeAuto {
			t.Fatalf("while b boots: %v", d)
		}
	}
	b.node(0).Celsius = 65
	b.until(20*time.Second, "rise", func(o fan.Output) bool { return o.Duty > 0.8 })
	b.node(0).Celsius = 40
	held := b.run(5 * time.Second).Duty
	if d := b.run(time.Minute).Decision; d.Duty < held {
		t.Fatalf("fell from %v while b boots: %v", held, d)
	}
	n.Booting, n.Known, n.Celsius = false, true, 40
	if d := b.run(20 * time.Second).Decision; d.Duty >= held || d.Duty < held-0.12 {
		t.Fatalf("after the first sample: %v, want a slow fall from %v", d, held)
	}
}

func TestABootAfterFailSafeLeavesFullWithItsFirstSample(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 40), worker("b", 40))
	b.run(5 * time.Minute)
	b.mute["b"] = true
	b.run(10 * time.Second)
	b.mute["b"], b.node(1).Booting = false, true
	if d := b.run(time.Minute).Decision; d.Duty != 1 || d.Bound != fan.BoundBootHold {
		t.Fatalf("while b boots: %v", d)
	}
	b.node(1).Booting = false
	b.until(time.Second, "leave full", func(o fan.Output) bool { return o.Duty < 1 })
}

func TestWhenEveryNodeBoots(t *testing.T) {
	n := worker("a", 40)
	b := newBench(t, fan.Config{MayStop: true}, n)
	b.run(20 * time.Minute)
	if b.last.Duty != 0 {
		t.Fatalf("cool and may stop: %v", b.last.Decision)
	}
	b.node(0).Booting = true
	if d := b.run(10 * time.Second).Decision; d.Duty != 0.5 || d.Node != "" || d.Inputs != 1 {
		t.Fatalf("%v", d)
	}
}

func TestStopAndStartHaveAGap(t *testing.T) {
	b := newBench(t, fan.Config{MayStop: true, StopBelowCelsius: 10, RestartBelowCelsius: 6}, worker("a", 40))
	b.run(10 * time.Minute)
	at := func(celsius, duty float64, bound fan.Bound) {
		t.Helper()
		b.node(0).Celsius = celsius
		if d := b.run(time.Minute).Decision; d.Duty != duty || d.Bound != bound {
			t.Fatalf("at %v C: %v, want duty %v, %v", celsius, d, duty, bound)
		}
	}
	at(44, 0, fan.BoundStopped)
	at(48.5, 0, fan.BoundStopped)
	at(49.5, 0.20, fan.BoundMinimum)
	at(45.5, 0.20, fan.BoundMinimum)
	at(44.5, 0, fan.BoundStopped)
	b.node(0).Celsius = 52
	kicked := 0
	for range 10 {
		if d := b.step().Decision; d.Bound == fan.BoundKick {
			kicked++
			if d.Duty != 0.30 {
				t.Fatalf("kick: %v", d)
			}
		}
	}
	if kicked != 2 {
		t.Errorf("the start kick lasted %d s, want 2", kicked)
	}
}

func TestAFanThatMayNotStopRunsOn(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", -20))
	if d := b.run(time.Hour).Decision; d.Duty != 0.20 {
		t.Fatalf("%v", d)
	}
}

func TestAFrozenInputIsToldAndChangesNothing(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("lives", 55), worker("frozen", 41.5))
	for i := range 3 * 3600 {
		n := b.node(0)
		n.Celsius = 50 + 10*math.Sin(float64(i)/300)
		d := b.step().Decision
		if early := i < 1800; early && d.Frozen != "" {
			t.Fatalf("told after %d s", i)
		}
		if d.Mode != fan.ModeAuto {
			t.Fatalf("second %d: %v", i, d)
		}
	}
	if d := b.last.Decision; d.Frozen != "frozen" || d.FrozenSensor != "cpu" {
		t.Fatalf("frozen is %q/%q", d.Frozen, d.FrozenSensor)
	}
	if got := b.last.Frozen; len(got) != 1 || got[0] != (fan.InputName{Node: "frozen", Sensor: "cpu"}) {
		t.Fatalf("frozen are %v", got)
	}
	b.node(1).Celsius += 0.5
	if d := b.step().Decision; d.Frozen != "" {
		t.Fatalf("it moved and is still told: %v", d)
	}
}

func TestWhatIsKnownOfAFrozenInput(t *testing.T) {
	swing := func(b *bench, d time.Duration) fan.Decision {
		b.override(0.3, d/2)
		b.run(d / 2)
		b.override(0.6, d/2)
		return b.run(d - d/2).Decision
	}
	b := newBench(t, fan.Config{}, worker("a", 50), worker("b", 41.5))
	swing(b, 20*time.Minute)
	b.in.Nodes = append([]fan.NodeInput{worker("new", 40)}, b.in.Nodes...)
	if d := swing(b, 11*time.Minute); d.Frozen == "" || d.Frozen == "new" {
		t.Fatalf("a node that joined made the others forgotten, or is told itself: frozen %q", d.Frozen)
	}
	if got := b.last.Frozen; len(got) != 2 || got[0].Node != "a" || got[1].Node != "b" {
		t.Fatalf("two stand still, told are %v", got)
	}
	for i := range b.in.Nodes {
		b.node(i).Known = false
	}
	b.step()
	for i := range b.in.Nodes {
		b.node(i).Known = true
	}
	if d := swing(b, 20*time.Minute); d.Frozen != "" || len(b.last.Frozen) > 0 {
		t.Fatalf("a reading that was lost and came back twenty minutes ago is told: frozen %q", d.Frozen)
	}
}

func TestAStillInputUnderAStillFanIsNotFrozen(t *testing.T) {
	b := newBench(t, fan.Config{}, worker("a", 41.5))
	b.run(10 * time.Minute)
	b.node(0).Celsius = 42 // now at the minimum, and there it stays
	if d := b.run(3 * time.Hour).Decision; d.Frozen != "" {
		t.Fatalf("%v", d)
	}
}
