package sim

import (
	"errors"
	"math"
	"regexp"
	"syscall"
	"testing"
	"time"
)

func word(t *testing.T, b *Board) uint32 {
	t.Helper()
	w, err := b.ThrottleWord()
	must(t, err)
	return w
}

// A reading is one that the board's sensor can give: its device tree's offset
// less a whole number of steps.
func TestReadingsAreOnTheSensorsGrid(t *testing.T) {
	for kind, grid := range map[Kind]struct{ offset, step int }{
		Pi4B: {410040, 487}, Pi3BPlus: {407000, 538},
	} {
		c := newCase(t, alone(kind))
		sum, squares := 0.0, 0.0
		const readings = 5000
		c.Step(time.Hour)
		for range readings {
			c.Step(time.Second)
			celsius, err := c.Board("board").Celsius()
			must(t, err)
			if milli := int(math.Round(celsius * 1000)); (grid.offset-milli)%grid.step != 0 {
				t.Fatalf("%v read %v, which is off its grid", kind, celsius)
			}
			off := celsius - c.Board("board").TrueCelsius()
			sum, squares = sum+off, squares+off*off
		}
		step := float64(grid.step) / 1000
		near(t, "mean error of "+kind.String(), sum/readings, 0, 0.02)
		// Rounding adds a twelfth of the step squared.
		near(t, "deviation of "+kind.String(), math.Sqrt(squares/readings),
			math.Sqrt(0.04+step*step/12), 0.03)
	}
}

func TestAReadingBelongsToItsInstant(t *testing.T) {
	c := newCase(t, Config{})
	b := c.Board("worker-3")
	first, _ := b.Celsius()
	for range 10 {
		if again, _ := b.Celsius(); again != first {
			t.Fatalf("read %v, then %v at the same instant", first, again)
		}
	}
	for range 50 {
		c.Step(time.Second)
		if again, _ := b.Celsius(); again != first {
			return
		}
	}
	t.Error("fifty readings without noise")
}

func TestSoftLimitOfA3BPlus(t *testing.T) {
	cfg := alone(Pi3BPlus)
	cfg.AmbientCelsius, cfg.Resistance = 30, 1.35
	c := newCase(t, cfg)
	b := c.Board("board")
	must(t, c.Fan().SetDuty(0.2))
	c.Step(20 * time.Minute)
	if b.TrueCelsius() < 60 {
		t.Fatalf("%.2f C is not hot enough to test with", b.TrueCelsius())
	}
	if w := word(t, b); w != 0x80008 {
		t.Errorf("word %#x at %.2f C, want 0x80008", w, b.TrueCelsius())
	}
	if hz := b.ClockHertz(); hz != 1.2e9 {
		t.Errorf("clock %d Hz, want 1.2 GHz", hz)
	}
	// Four fifths of the load's heat: 30 + 0.92 (7.5 x 0.8 + B (0.4 + 0.6 x 0.8)).
	near(t, "celsius", b.TrueCelsius(), 30+0.92*(7.5*0.8+resistance(1090, 1.35)*(0.4+0.6*0.8)), 0.01)

	must(t, c.Fan().SetDuty(1))
	must(t, c.SetAmbient(15))
	c.Step(20 * time.Minute)
	if w := word(t, b); w != 0x80000 {
		t.Errorf("word %#x at %.2f C, want 0x80000: the past stays until the next boot", w, b.TrueCelsius())
	}
	must(t, b.Reboot())
	c.Step(time.Minute)
	if w := word(t, b); w != 0 {
		t.Errorf("word %#x after a reboot, want 0", w)
	}
}

func TestThrottlingFrom80Celsius(t *testing.T) {
	cfg := alone(Pi4B)
	cfg.AmbientCelsius, cfg.Boards[0].Load = 22, 0.5
	c := newCase(t, cfg)
	b := c.Board("board")
	must(t, c.Fan().SetDuty(0))
	must(t, b.SetLoad(1))
	throttled := false
	for range 3600 {
		c.Step(time.Second)
		// The limits were looked at just now, at this temperature.
		hot := b.TrueCelsius() >= 80
		if got := word(t, b)&0xf == 0x6; got != hot {
			t.Fatalf("word %#x at %.3f C", word(t, b), b.TrueCelsius())
		}
		throttled = throttled || hot
	}
	if !throttled {
		t.Fatal("it never got hot enough")
	}
	unlimited := 22 + 7.5 + resistance(350, 1)
	if got := b.TrueCelsius(); got < 80 || got > min(85, unlimited-1) {
		t.Errorf("settled at %.2f C, want between 80 and 85 and below %.2f", got, unlimited)
	}
	if hz := b.ClockHertz(); hz >= 1.5e9 || hz < 600e6 {
		t.Errorf("clock %d Hz while throttled", hz)
	}
	if b.LimitCelsius() != 80 {
		t.Errorf("limit %v C", b.LimitCelsius())
	}
}

func TestTheFirmwareLooksOnceASecond(t *testing.T) {
	cfg := alone(Pi3BPlus)
	cfg.AmbientCelsius, cfg.Resistance = 26, 1.35
	c := newCase(t, cfg)
	must(t, c.Fan().SetDuty(0.4))
	c.Step(5 * time.Minute)
	changes, before := 0, word(t, c.Board("board"))
	for range 3000 {
		c.Step(100 * time.Millisecond)
		now := word(t, c.Board("board"))
		if now != before {
			changes++
			if c.Now()%time.Second != 0 {
				t.Fatalf("the word changed at %v", c.Now())
			}
		}
		before = now
	}
	if changes == 0 {
		t.Error("a board at its soft limit never passed it")
	}
}

func TestSensorFaults(t *testing.T) {
	c := newCase(t, Config{})
	b := c.Board("worker-2")
	must(t, c.Fault(Fault{Kind: FaultFrozenSensor, Board: "worker-2"}))
	frozen, err := b.Celsius()
	must(t, err)
	must(t, b.SetLoad(1))
	c.Step(time.Minute)
	if again, _ := b.Celsius(); again != frozen || b.TrueCelsius() < frozen+5 {
		t.Errorf("frozen at %v, then read %v at %.1f C", frozen, again, b.TrueCelsius())
	}
	must(t, c.Fault(Fault{Kind: FaultFailedSensor, Board: "worker-2"}))
	if _, err := b.Celsius(); !errors.Is(err, syscall.EIO) || b.SensorError() == nil {
		t.Errorf("a failed sensor: %v", err)
	}
	if _, err := c.Board("worker-3").Celsius(); err != nil {
		t.Errorf("the neighbour's sensor: %v", err)
	}
	must(t, c.Clear(Fault{Kind: FaultFailedSensor, Board: "worker-2"}))
	must(t, c.Clear(Fault{Kind: FaultFrozenSensor, Board: "worker-2"}))
	celsius, err := b.Celsius()
	must(t, err)
	near(t, "after clearing", celsius, b.TrueCelsius(), 1)
	if err := b.SensorError(); err != nil {
		t.Errorf("after clearing: %v", err)
	}
}

func TestWhatABoardIs(t *testing.T) {
	c := newCase(t, Config{})
	for name, want := range map[string]struct {
		model string
		kind  Kind
		limit float64
		wired bool
	}{
		"master":   {"Raspberry Pi 4 Model B Rev 1.4", Pi4B, 80, false},
		"worker-1": {"Raspberry Pi 4 Model B Rev 1.4", Pi4B, 80, true},
		"worker-4": {"Raspberry Pi 3 Model B Plus Rev 1.3", Pi3BPlus, 60, true},
	} {
		b := c.Board(name)
		if b.Name() != name || b.Model() != want.model || b.Kind() != want.kind || b.LimitCelsius() != want.limit {
			t.Errorf("%s is %q, %q, %v, %v C", name, b.Name(), b.Model(), b.Kind(), b.LimitCelsius())
		}
		if rail, line := c.Rail(name) != nil, c.DoneLine(name) != nil; rail != want.wired || line != want.wired {
			t.Errorf("%s has a rail: %v, a done line: %v", name, rail, line)
		}
		if !b.Running() || b.Silent() || b.MountedFileSystems() != 1 {
			t.Errorf("%s does not start running", name)
		}
		if id := b.BootID(); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
			t.Errorf("%s has boot id %q", name, id)
		}
	}
	if c.Board("worker-9") != nil || c.Rail("worker-9") != nil || c.DoneLine("worker-9") != nil {
		t.Error("worker-9 exists")
	}
}

func TestLoadAndLight(t *testing.T) {
	c := newCase(t, Config{})
	b := c.Board("worker-1")
	if hz := b.ClockHertz(); hz != 600e6 {
		t.Errorf("idle clock %d Hz", hz)
	}
	must(t, b.SetLoad(0.7))
	for _, bad := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		if err := b.SetLoad(bad); err == nil || b.Load() != 0.7 {
			t.Errorf("load %v: error %v, load %v", bad, err, b.Load())
		}
	}
	if hz := b.ClockHertz(); hz != 1.5e9 {
		t.Errorf("busy clock %d Hz", hz)
	}
	must(t, b.SetLight(true))
	if !b.Light() {
		t.Error("the light is off")
	}
	must(t, c.Rail("worker-1").Set(false))
	if err := b.SetLight(true); b.Light() || !errors.Is(err, ErrNotRunning) {
		t.Errorf("light on an unpowered board: %v, error %v", b.Light(), err)
	}
	if _, err := b.ThrottleWord(); !errors.Is(err, ErrNotRunning) || b.ClockHertz() != 0 {
		t.Errorf("the word of an unpowered board: %v", err)
	}
}
