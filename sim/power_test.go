package sim

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// act is one thing that a story does to a case, and the time it then lets pass.
type act struct {
	name  string
	do    func(c *Case) error
	after time.Duration
}

func wait(seconds float64) act {
	return act{
		name:  fmt.Sprintf("wait %g s", seconds),
		after: time.Duration(seconds * float64(time.Second)),
	}
}

func doFault(k FaultKind) act {
	f := Fault{Kind: k, Board: "worker-2"}
	return act{name: "fault " + f.String(), do: func(c *Case) error { return c.Fault(f) }}
}

func doClear(k FaultKind) act {
	f := Fault{Kind: k, Board: "worker-2"}
	return act{name: "clear " + f.String(), do: func(c *Case) error { return c.Clear(f) }}
}

type story struct {
	title string
	acts  []act
}

func powerStories() []story {
	cut := act{name: "cut worker-2", do: func(c *Case) error { return c.Rail("worker-2").Set(false) }}
	rise := act{name: "switch worker-2 on", do: func(c *Case) error { return c.Rail("worker-2").Set(true) }}
	powerOff := act{name: "power worker-2 off", do: func(c *Case) error { return c.Board("worker-2").PowerOff() }}
	reboot := act{name: "reboot worker-2", do: func(c *Case) error { return c.Board("worker-2").Reboot() }}
	hang := act{name: "hang worker-2", do: func(c *Case) error { return c.Board("worker-2").Hang() }}
	return []story{
		{"a proper power-off, then the cut", []act{powerOff, wait(12), cut, wait(60)}},
		{"the cut comes too late to see the line", []act{powerOff, wait(20), cut}},
		{"a power cycle", []act{powerOff, wait(12), cut, wait(5), rise, wait(60)}},
		{"a reboot never raises the line", []act{reboot, wait(60)}},
		{"cut while running", []act{cut, wait(5), rise, wait(60)}},
		{"cut while booting, before and after the file systems are mounted", []act{
			powerOff, wait(12), cut, rise, wait(5), cut, rise, wait(20), cut}},
		{"asked twice, and for something else", []act{powerOff, wait(1), powerOff, reboot, wait(20), powerOff, rise, cut}},
		{"a shutdown that hangs, and goes on when cleared", []act{
			doFault(FaultHungShutdown), powerOff, wait(600), doClear(FaultHungShutdown), wait(1), cut}},
		{"a board that hangs ends only with its power", []act{hang, wait(60), powerOff, cut, rise, wait(60)}},
		{"a board that hangs while it stops, and while it boots", []act{
			powerOff, wait(2), hang, wait(60), cut, rise, wait(3), hang, wait(60), cut}},
		{"a line stuck high, then low", []act{
			doFault(FaultDoneStuckHigh), wait(1), powerOff, wait(20), doClear(FaultDoneStuckHigh), cut, rise, wait(60),
			doFault(FaultDoneStuckLow), powerOff, wait(20), doClear(FaultDoneStuckLow), cut}},
	}
}

// A line with a ">" in testdata/power.txt is what the story does, an indented
// one how the board and its line then are, the others are what the case told.
// Run with -update to write it anew.
func TestPowerStories(t *testing.T) {
	var out strings.Builder
	for _, story := range powerStories() {
		c := newCase(t, Config{})
		feed := c.Events()
		fmt.Fprintf(&out, "# %s\n", story.title)
		for _, a := range story.acts {
			fmt.Fprintf(&out, "> %s\n", a.name)
			if a.do != nil {
				if err := a.do(c); err != nil {
					fmt.Fprintf(&out, "refused: %v\n", err)
				}
			}
			c.Step(a.after)
			for e, more := feed.Next(); more; e, more = feed.Next() {
				fmt.Fprintln(&out, e)
			}
			b, level := c.Board("worker-2"), "low"
			if c.DoneLine("worker-2").High() {
				level = "high"
			}
			fmt.Fprintf(&out, "        %v, line %s, mounted %d, lost %d, silent %v\n",
				b.State(), level, b.MountedFileSystems(), c.LostFileSystems(), b.Silent())
		}
		fmt.Fprintln(&out)
	}
	compare(t, "power.txt", out.String())
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := "(end)", "(end)"
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Fatalf("%s:%d: got %q, want %q", path, i+1, g, w)
		}
	}
}

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
