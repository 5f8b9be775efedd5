package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// edges steps a case and returns the lengths of what its lines showed, by board,
// from the first edge to the last.
func edges(c *Case, dt time.Duration) map[string][]time.Duration {
	feed := c.Events()
	defer feed.Close()
	c.Step(dt)
	last, spans := map[string]time.Duration{}, map[string][]time.Duration{}
	for e, more := feed.Next(); more; e, more = feed.Next() {
		if e.Kind != EventDoneHigh && e.Kind != EventDoneLow {
			continue
		}
		if at, seen := last[e.Board]; seen {
			spans[e.Board] = append(spans[e.Board], e.At-at)
		}
		last[e.Board] = e.At
	}
	return spans
}

func TestGlitches(t *testing.T) {
	c := newCase(t, Config{})
	must(t, c.Fault(Fault{Kind: FaultDoneGlitches, Board: "worker-3", Value: 2}))
	spans := edges(c, 10*time.Minute)["worker-3"]
	seen := map[time.Duration]int{}
	for i, span := range spans {
		if i%2 == 0 { // the glitch, between two rests
			seen[span]++
		} else if span < time.Second || span > 3*time.Second {
			t.Errorf("%v between two glitches", span)
		}
	}
	if len(seen) != 3 || seen[time.Millisecond] < 50 || seen[50*time.Millisecond] < 50 || seen[100*time.Millisecond] < 50 {
		t.Errorf("glitches: %v", seen)
	}
	must(t, c.Clear(Fault{Kind: FaultDoneGlitches, Board: "worker-3"}))
	if after := edges(c, time.Minute); len(after) != 0 {
		t.Errorf("mended, it shows %v", after)
	}
}

func TestBounces(t *testing.T) {
	c := newCase(t, Config{})
	must(t, c.Fault(Fault{Kind: FaultDoneBouncing, Board: "worker-1"}))
	must(t, c.Board("worker-1").PowerOff())
	spans := edges(c, time.Minute)["worker-1"]
	short := slices.DeleteFunc(slices.Clone(spans), func(d time.Duration) bool { return d > 2*time.Millisecond })
	if len(short) < 8 || len(short) > 4*6 || len(short)%2 != 0 {
		t.Errorf("%d bounces of four edges: %v", len(short), spans)
	}
	if c.DoneLine("worker-1").High() {
		t.Error("it ended high")
	}
}

func TestAFloatingLineMovesAtRandom(t *testing.T) {
	c := newCase(t, Config{})
	must(t, c.Fault(Fault{Kind: FaultDoneFloating, Board: "worker-4"}))
	spans := edges(c, 5*time.Minute)["worker-4"]
	least, most := slices.Min(spans), slices.Max(spans)
	if len(spans) < 500 || least < time.Millisecond || least > 3*time.Millisecond || most > 2*time.Second || most < time.Second {
		t.Errorf("%d spans of %v to %v", len(spans), least, most)
	}
	must(t, c.Clear(Fault{Kind: FaultDoneFloating, Board: "worker-4"}))
	if c.DoneLine("worker-4").High() {
		t.Error("mended, it is high")
	}
}

func TestSwappedLines(t *testing.T) {
	c := newCase(t, Config{})
	swap := Fault{Kind: FaultDoneSwapped, Board: "worker-1", Other: "worker-4"}
	must(t, c.Fault(swap))
	must(t, c.Board("worker-4").PowerOff())
	if spans := edges(c, time.Minute); len(spans["worker-1"]) != 3 || len(spans) != 1 {
		t.Errorf("worker-4's power-off showed as %v", spans)
	}
	if got := c.Faults(); len(got) != 1 || got[0] != swap {
		t.Errorf("listed %v", got)
	}
	// Whose wire goes elsewhere leaves its old place to its own.
	must(t, c.Fault(Fault{Kind: FaultDoneSwapped, Board: "worker-4", Other: "worker-2"}))
	must(t, c.Board("worker-1").PowerOff())
	must(t, c.Board("worker-2").PowerOff())
	if spans := edges(c, time.Minute); len(spans["worker-1"]) != 3 || len(spans["worker-4"]) != 3 || len(spans) != 2 {
		t.Errorf("worker-1's and worker-2's power-offs showed as %v", spans)
	}
	must(t, c.Clear(Fault{Kind: FaultDoneSwapped, Board: "worker-2", Other: "worker-4"}))
	if got := c.Faults(); got != nil {
		t.Errorf("put back, it lists %v", got)
	}
	must(t, c.Board("worker-3").PowerOff())
	if spans := edges(c, time.Minute); len(spans["worker-3"]) != 3 {
		t.Errorf("worker-3's power-off showed as %v", spans)
	}
	for _, bad := range []Fault{
		{Kind: FaultDoneSwapped, Board: "worker-1"},
		{Kind: FaultDoneSwapped, Board: "worker-1", Other: "worker-1"},
		{Kind: FaultDoneSwapped, Board: "worker-1", Other: "master"},
		{Kind: FaultDoneStuckLow, Board: "worker-1", Other: "worker-2"},
		{Kind: FaultRailWelded, Board: "master"},
	} {
		if err := c.Fault(bad); err == nil {
			t.Errorf("%v is possible", bad)
		}
	}
}

func TestAPulseCanBeCutShort(t *testing.T) {
	cfg := Pico5()
	cfg.Boards[1].DoneBy = DoneByHelper
	c := newCase(t, cfg)
	b, line := c.Board("worker-1"), c.DoneLine("worker-1")
	must(t, b.PulseDoneLine(time.Second))
	if !line.High() {
		t.Error("no pulse")
	}
	c.Step(10 * time.Millisecond)
	must(t, b.PulseDoneLine(0))
	if line.High() {
		t.Error("the pulse goes on")
	}
}

// What lines do is the same however the case is stepped, and another seed does
// something else.
func TestLinesRepeatThemselves(t *testing.T) {
	story := func(seed uint64, dt time.Duration) string {
		cfg := Pico5()
		cfg.Seed, cfg.Boards[3].DoneBy, cfg.Boards[4].CheckChance = seed, DoneByHelper, 0.5
		c := newCase(t, cfg)
		feed := c.Events()
		var out strings.Builder
		must(t, c.Fault(Fault{Kind: FaultDoneGlitches, Board: "worker-1", Value: 1}))
		must(t, c.Fault(Fault{Kind: FaultDoneBouncing, Board: "worker-1"}))
		must(t, c.Fault(Fault{Kind: FaultDoneFloating, Board: "worker-2"}))
		for range 4 {
			for _, b := range c.Boards()[1:] {
				must(t, c.Rail(b.Name()).Set(true))
				if b.Running() {
					must(t, b.PowerOff())
				}
			}
			for end := c.Now() + 70*time.Second; c.Now() < end; {
				c.Step(min(dt, end-c.Now()))
			}
			for _, b := range c.Boards()[1:] {
				if b.State() == StateHalted {
					must(t, c.Rail(b.Name()).Set(false))
				}
			}
		}
		for e, more := feed.Next(); more; e, more = feed.Next() {
			fmt.Fprintf(&out, "%d %s %v\n", e.At, e.Board, e.Kind)
		}
		return out.String()
	}
	want := story(1, 70*time.Second)
	for _, dt := range []time.Duration{10 * time.Millisecond, 333 * time.Millisecond} {
		if got := story(1, dt); got != want {
			t.Errorf("in steps of %v: %s", dt, differ(got, want))
		}
	}
	if story(2, 70*time.Second) == want {
		t.Error("another seed told the same story")
	}
}

func TestWhatAnAgentReportsOfItsLine(t *testing.T) {
	cfg := Pico5()
	cfg.Boards[2].DoneBy, cfg.Boards[3].DoneBy = DoneByHelper, DoneByNone
	cfg.Boards[4].Overlay = OverlayConfig{ActiveDelay: 250 * time.Millisecond, Timeout: time.Minute}
	c := newCase(t, cfg)
	for name, want := range map[string]DoneSignal{
		"master":   {By: DoneByNone},
		"worker-1": {DoneByOverlay, 100 * time.Millisecond, 100 * time.Millisecond, 3 * time.Second},
		"worker-2": {By: DoneByHelper},
		"worker-3": {By: DoneByNone},
		"worker-4": {DoneByOverlay, 250 * time.Millisecond, 100 * time.Millisecond, time.Minute},
	} {
		if got := c.Board(name).DoneSignal(); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	must(t, c.Board("worker-4").PowerOff())
	want := []time.Duration{250 * time.Millisecond, 100 * time.Millisecond, time.Minute}
	if got := edges(c, 5*time.Minute)["worker-4"]; !slices.Equal(got, want) {
		t.Errorf("its pulse took %v, want %v", got, want)
	}
}

// The helper's signal comes before the end of the last sync, by a time that is
// another in each boot.
func TestTheHelpersEdgeIsEarly(t *testing.T) {
	early := map[time.Duration]bool{}
	for seed := range uint64(50) {
		cfg := Pico5()
		cfg.Seed, cfg.Boards[1].DoneBy = seed, DoneByHelper
		c := newCase(t, cfg)
		feed := c.Events()
		must(t, c.Board("worker-1").PowerOff())
		c.Step(time.Minute)
		var high, safe time.Duration
		for e, more := feed.Next(); more; e, more = feed.Next() {
			switch e.Kind {
			case EventDoneHigh:
				high = e.At
			case EventUnmounted:
				safe = e.At
			}
		}
		if d := safe - high; d < 20*time.Millisecond || d > 140*time.Millisecond {
			t.Errorf("seed %d: the line is high %v before a cut is safe", seed, d)
		}
		early[(safe - high).Round(10*time.Millisecond)] = true
	}
	if len(early) < 10 {
		t.Errorf("it varies by %v", early)
	}
}
