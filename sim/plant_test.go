package sim

import (
	"math"
	"testing"
	"time"
)

// newCase makes a case or ends the test.
func newCase(t testing.TB, cfg Config) *Case {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.4f, want %.4f within %g", what, got, want, tolerance)
	}
}

// alone is a case of one board at full load.
func alone(kind Kind) Config {
	return Config{Boards: []BoardConfig{{Name: "board", Kind: kind, Load: 1}}}
}

// The settled sweep of github.com/renaudallard/pi_fan: a Pi 4 under four cores
// of stress-ng, cooled by this fan. Its README does not state the room; the
// fit's constant of 42.6 C is the plant's 22 + 7.5 + 13.1.
func TestSettledSweepIsTheMeasuredOne(t *testing.T) {
	for _, m := range []struct{ percent, rpm, celsius float64 }{
		{20, 1088, 63.36}, {30, 1670, 56.86}, {40, 2231, 53.77},
		{50, 2808, 51.79}, {60, 3358, 50.86}, {70, 3874, 49.87},
		{80, 4386, 48.82}, {90, 4849, 48.48}, {100, 5323, 47.77},
	} {
		c := newCase(t, alone(Pi4B))
		must(t, c.Fan().SetDuty(m.percent/100))
		c.Step(20 * time.Minute)
		near(t, "rpm", c.Fan().TrueRPM(), m.rpm, 100)
		near(t, "celsius", c.Board("board").TrueCelsius(), m.celsius, 0.5)
	}
}

// Full duty, full load, 22 C: 47.8 C measured, 48.7 C the highest reading that
// the plant was first found to give.
func TestHighestReadingAtFullDutyAndLoad(t *testing.T) {
	c := newCase(t, Config{})
	for _, b := range c.Boards() {
		must(t, b.SetLoad(1))
	}
	c.Step(10 * time.Minute)
	highest, sum := 0.0, 0.0
	const seconds = 1800
	for range seconds {
		c.Step(time.Second)
		for _, b := range c.Boards() {
			celsius, err := b.Celsius()
			must(t, err)
			highest = max(highest, celsius)
			if b.Name() == "master" {
				sum += celsius
			}
		}
	}
	near(t, "highest reading", highest, 48.7, 0.02)
	near(t, "mean reading of the master", sum/seconds, 47.8, 0.2)
}

func TestTheFanTurnsAsMeasured(t *testing.T) {
	for _, m := range []struct{ percent, rpm float64 }{
		{0, 0}, {6.9, 0}, {7, 410}, {10, 410}, {15, 750}, {20, 1090}, {20.5, 1190.55}, {100, 5412},
	} {
		near(t, "rpm", rpmAt(m.percent/100), m.rpm, 0.01)
	}
}

// exact solves the plant's equations for one Pi 4 with steps of 10 ms
// by the midpoint rule, as an oracle for the tick.
type exact struct{ rpm, x1, x2 float64 }

func (e exact) slope(duty, load, s float64) exact {
	b := resistance(e.rpm, s)
	return exact{
		rpm: (rpmAt(duty) - e.rpm) / 1.5,
		x1:  (7.5*load - e.x1) / 3.2,
		x2:  (b*(0.4+0.6*load) - e.x2) / (2.5 * b),
	}
}

func (e exact) plus(d exact, h float64) exact {
	return exact{e.rpm + h*d.rpm, e.x1 + h*d.x1, e.x2 + h*d.x2}
}

func (e *exact) step(duty, load, s, seconds float64) {
	const h = 0.01
	for range int(seconds/h + 0.5) {
		middle := e.plus(e.slope(duty, load, s), h/2)
		*e = e.plus(middle.slope(duty, load, s), h)
	}
}

func TestStepResponsesFollowTheEquations(t *testing.T) {
	for _, s := range []float64{1, 1.35} {
		cfg := alone(Pi4B)
		cfg.Resistance, cfg.SettledDuty, cfg.Boards[0].Load = s, 1, 0.02
		c := newCase(t, cfg)
		b, fan := c.Board("board"), c.Fan()
		e := exact{rpm: 5412, x1: 7.5 * 0.02, x2: resistance(5412, s) * (0.4 + 0.6*0.02)}
		for _, part := range []struct {
			duty, load float64
			seconds    int
		}{{1, 1, 120}, {0.2, 1, 60}, {0.6, 0.5, 90}, {0, 0.1, 120}, {1, 0.1, 30}} {
			must(t, fan.SetDuty(part.duty))
			must(t, b.SetLoad(part.load))
			for range part.seconds {
				c.Step(time.Second)
				e.step(part.duty, part.load, s, 1)
				if off := math.Abs(b.TrueCelsius() - (22 + e.x1 + e.x2)); off > 0.05 {
					t.Fatalf("s %v, %v: %.3f C away from the equations", s, c.Now(), off)
				}
				near(t, "rpm", fan.TrueRPM(), e.rpm, 1)
			}
		}
	}
}

func TestAThirdModeIsSlow(t *testing.T) {
	cfg := alone(Pi4B)
	cfg.Boards[0].Load, cfg.SettledDuty = 0.02, 1
	open := newCase(t, cfg)
	cfg.ThirdMode = SlowMode{Kelvin: 20, Time: 600 * time.Second}
	closed := newCase(t, cfg)
	above := func() float64 {
		return closed.Board("board").TrueCelsius() - open.Board("board").TrueCelsius()
	}
	idle := 20 * (0.4 + 0.6*0.02)
	near(t, "at the start", above(), idle, 0.001)
	for _, c := range []*Case{open, closed} {
		must(t, c.Board("board").SetLoad(1))
		c.Step(600 * time.Second)
	}
	near(t, "after one time constant", above(), idle+(20-idle)*(1-math.Exp(-1)), 0.01)
}

func TestTimeScaleStretchesTheStep(t *testing.T) {
	run := func(scale float64) float64 {
		cfg := alone(Pi4B)
		cfg.TimeScale, cfg.Boards[0].Load = scale, 0.02
		c := newCase(t, cfg)
		must(t, c.Board("board").SetLoad(1))
		c.Step(time.Duration(30 * scale * float64(time.Second)))
		return c.Board("board").TrueCelsius()
	}
	near(t, "celsius after 30 s and 45 s", run(1.5), run(1), 0.05)
}

func TestTheRoomFollowsSlowly(t *testing.T) {
	c := newCase(t, Config{SettledDuty: 1})
	before := c.Board("master").TrueCelsius()
	must(t, c.SetAmbient(32))
	c.Step(time.Minute)
	near(t, "room after its time constant", c.Ambient(), 22+10*(1-math.Exp(-1)), 0.001)
	near(t, "board with it", c.Board("master").TrueCelsius()-before, c.Ambient()-22, 0.001)
	if err := c.SetAmbient(math.NaN()); err == nil || c.Ambient() > 32 {
		t.Errorf("a room of NaN: error %v, room %v", err, c.Ambient())
	}
}

func TestStillAirWithoutAFan(t *testing.T) {
	cfg := alone(Pi4B)
	cfg.Fan.Absent, cfg.Boards[0].Load = true, 0.02
	c := newCase(t, cfg)
	if c.Fan() != nil {
		t.Error("a case without a fan has one")
	}
	near(t, "celsius", c.Board("board").TrueCelsius(), 22+0.15+resistance(350, 1)*0.412, 0.001)
}
