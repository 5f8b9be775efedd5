package sim

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestTheOverlaysPulse(t *testing.T) {
	c := newCase(t, Config{})
	feed := c.Events()
	must(t, c.Board("worker-4").PowerOff())
	c.Step(time.Minute)
	at := map[EventKind][]time.Duration{}
	for e, more := feed.Next(); more; e, more = feed.Next() {
		at[e.Kind] = append(at[e.Kind], e.At)
	}
	high, low := at[EventDoneHigh], at[EventDoneLow]
	if len(high) != 2 || len(low) != 2 || len(at[EventUnmounted]) != 1 {
		t.Fatalf("%v", at)
	}
	got := []time.Duration{high[0] - at[EventUnmounted][0], low[0] - high[0], high[1] - low[0], low[1] - high[1]}
	want := []time.Duration{0, 100 * time.Millisecond, 100 * time.Millisecond, 3 * time.Second}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after unmounting, the line took %v, want %v", got, want)
	}
}

func TestABoardWithoutALineHaltsQuietly(t *testing.T) {
	c := newCase(t, Config{})
	feed := c.Events()
	idle := c.Supply().Amps()
	must(t, c.Board("master").PowerOff())
	for c.Board("master").State() != StateHalted {
		c.Step(10 * time.Millisecond)
	}
	near(t, "amperes less, at once", idle-c.Supply().Amps(), 0.6+0.02*0.65-0.023, 1e-9)
	c.Step(time.Minute)
	for e, more := feed.Next(); more; e, more = feed.Next() {
		if e.Kind == EventDoneHigh || e.Kind == EventDoneLow {
			t.Errorf("told %v", e)
		}
	}
	c.Step(time.Hour)
	near(t, "celsius in the end", c.Board("master").TrueCelsius(), 22+0.05*resistance(5412, 1), 0.001)
}

func TestBootingMakesHeat(t *testing.T) {
	cfg := alone(Pi4B)
	cfg.Boards[0].BootTime = 30 * time.Minute
	c := newCase(t, cfg)
	must(t, c.Board("board").Reboot())
	c.Step(20 * time.Minute)
	if s := c.Board("board").State(); s != StateBooting {
		t.Fatalf("the board is %v", s)
	}
	near(t, "celsius", c.Board("board").TrueCelsius(), 22+0.6*7.5+resistance(5412, 1)*(0.4+0.6*0.6), 0.001)
}

func TestLostFileSystemsAreRemembered(t *testing.T) {
	c := newCase(t, Config{})
	if n := c.LostFileSystems(); n != 0 {
		t.Fatalf("%d lost at the start", n)
	}
	must(t, c.Board("worker-1").PowerOff())
	c.Step(30 * time.Second)
	must(t, c.Rail("worker-1").Set(false))
	if n := c.LostFileSystems(); n != 0 {
		t.Errorf("%d lost after a proper power-off", n)
	}
	c.Step(1500 * time.Millisecond)
	must(t, c.Rail("worker-3").Set(false))
	want := []Loss{{Board: "worker-3", At: 31500 * time.Millisecond}}
	if got := c.Losses(); !reflect.DeepEqual(got, want) || c.LostFileSystems() != 1 || c.Board("worker-3").LostFileSystems() != 1 {
		t.Errorf("lost %v, want %v", got, want)
	}
	must(t, c.Rail("worker-3").Set(false)) // off already
	if n := c.LostFileSystems(); n != 1 {
		t.Errorf("%d lost by a cut without power", n)
	}
}

func TestEachBootHasItsOwnID(t *testing.T) {
	c, other := newCase(t, Config{}), newCase(t, Config{Seed: 1})
	b := c.Board("worker-1")
	first := b.BootID()
	seen := map[string]bool{first: true}
	if first == other.Board("worker-1").BootID() || first == c.Board("worker-2").BootID() {
		t.Error("another seed or board has the same boot id")
	}
	if again := newCase(t, Config{}).Board("worker-1").BootID(); again != first {
		t.Errorf("the same seed gave %s, then %s", first, again)
	}
	for range 3 {
		must(t, b.Reboot())
		c.Step(time.Minute)
		seen[b.BootID()] = true
	}
	if len(seen) != 4 {
		t.Errorf("four boots had %d ids", len(seen))
	}
	must(t, b.PowerOff())
	c.Step(time.Minute)
	if id := b.BootID(); id != "" {
		t.Errorf("a halted board has boot id %s", id)
	}
	if err := b.Hang(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a halted board hangs: %v", err)
	}
}

func TestStartsOff(t *testing.T) {
	cfg := Pico5()
	cfg.Boards[2].StartsOff = true
	c := newCase(t, cfg)
	b := c.Board("worker-2")
	on, err := c.Rail("worker-2").On()
	must(t, err)
	if on || b.State() != StateOff || b.TrueCelsius() != 22 {
		t.Errorf("rail on %v, %v at %v C", on, b.State(), b.TrueCelsius())
	}
	must(t, c.Rail("worker-2").Set(true))
	c.Step(time.Minute)
	if on, _ := c.Rail("worker-2").On(); !on || !b.Running() || b.TrueCelsius() < 25 {
		t.Errorf("rail on %v, %v at %v C", on, b.State(), b.TrueCelsius())
	}
}
