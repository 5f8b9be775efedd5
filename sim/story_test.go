package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// act is one thing that a story does to a case, and the time it then lets pass.
type act struct {
	name  string
	do    func(c *Case) error
	until State // of worker-2, to the millisecond
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
	by    DoneBy // who raises worker-2's line
}

var (
	cut      = act{name: "cut worker-2", do: func(c *Case) error { return c.Rail("worker-2").Set(false) }}
	rise     = act{name: "switch worker-2 on", do: func(c *Case) error { return c.Rail("worker-2").Set(true) }}
	powerOff = act{name: "power worker-2 off", do: func(c *Case) error { return c.Board("worker-2").PowerOff() }}
	reboot   = act{name: "reboot worker-2", do: func(c *Case) error { return c.Board("worker-2").Reboot() }}
	hang     = act{name: "hang worker-2", do: func(c *Case) error { return c.Board("worker-2").Hang() }}
	ask      = act{name: "the agent of worker-2 asks for a power-off", do: func(c *Case) error { return c.Board("worker-2").AskPowerOff() }}
	cancel   = act{name: "call it off", do: func(c *Case) error { return c.Board("worker-2").CancelShutdown() }}
	pulse    = act{name: "pulse worker-2's line", do: func(c *Case) error { return c.Board("worker-2").PulseDoneLine(200 * time.Millisecond) }}
	halted   = act{name: "wait for the halt", until: StateHalted}
)

func powerStories() []story {
	return []story{
		{title: "a proper power-off, then the cut", acts: []act{powerOff, wait(12), cut, wait(60)}},
		{title: "the cut comes too late to see the line", acts: []act{powerOff, wait(20), cut}},
		{title: "a power cycle", acts: []act{powerOff, wait(12), cut, wait(5), rise, wait(60)}},
		{title: "a reboot never raises the line", acts: []act{reboot, wait(60)}},
		{title: "cut while running", acts: []act{cut, wait(5), rise, wait(60)}},
		{title: "cut while booting, before and after the file systems are mounted", acts: []act{
			powerOff, wait(12), cut, rise, wait(5), cut, rise, wait(20), cut}},
		{title: "asked twice, and for something else", acts: []act{powerOff, wait(1), powerOff, reboot, wait(20), powerOff, rise, cut}},
		{title: "a shutdown that hangs, and goes on when cleared", acts: []act{
			doFault(FaultHungShutdown), powerOff, wait(600), doClear(FaultHungShutdown), wait(1), cut}},
		{title: "a board that hangs ends only with its power", acts: []act{hang, wait(60), powerOff, cut, rise, wait(60)}},
		{title: "a board that hangs while it stops, and while it boots", acts: []act{
			powerOff, wait(2), hang, wait(60), cut, rise, wait(3), hang, wait(60), cut}},
		{title: "a line stuck high, then low", acts: []act{
			doFault(FaultDoneStuckHigh), wait(1), powerOff, wait(20), doClear(FaultDoneStuckHigh), cut, rise, wait(60),
			doFault(FaultDoneStuckLow), powerOff, wait(20), doClear(FaultDoneStuckLow), cut}},
	}
}

func faultStories() []story {
	railOf := func(kind FaultKind) story {
		return story{title: "a rail with " + kind.String(), acts: []act{
			doFault(kind), powerOff, wait(12), cut, rise, wait(50), doClear(kind), wait(1), cut, rise, wait(1),
			doFault(kind), rise, doClear(kind)}}
	}
	return []story{
		{title: "the helper raises the line before the last sync and holds it", by: DoneByHelper, acts: []act{
			powerOff, wait(12), wait(600), cut}},
		{title: "a cut at the helper's edge is too early", by: DoneByHelper, acts: []act{
			powerOff, wait(9.575), cut}},
		{title: "the helper stays still in a reboot", by: DoneByHelper, acts: []act{reboot, wait(60)}},
		{title: "the helper's line falls at the halt", by: DoneByHelper, acts: []act{
			doFault(FaultDoneReleased), powerOff, wait(12), cut}},
		{title: "nobody raises the line", by: DoneByNone, acts: []act{powerOff, wait(12), cut}},
		{title: "the agent pulses its line", by: DoneByHelper, acts: []act{pulse, wait(0.1), wait(1), cut, pulse}},
		{title: "the kernel owns the line", acts: []act{pulse}},
		{title: "an inverted line", acts: []act{
			doFault(FaultDoneInverted), powerOff, halted, wait(3.3), cut, rise, wait(20), doClear(FaultDoneInverted)}},
		{title: "a power-off that ends in a boot", acts: []act{doFault(FaultRebootsInstead), powerOff, wait(60)}},
		{title: "the helper cannot know that it does", by: DoneByHelper, acts: []act{doFault(FaultRebootsInstead), powerOff, wait(60)}},
		{title: "the watchdog ends a shutdown that hangs", acts: []act{
			doFault(FaultWatchdogReset), powerOff, wait(60), wait(240)}},
		{title: "a slow shutdown", acts: []act{doFault(FaultSlowShutdown), powerOff, wait(60), wait(10)}},
		{title: "a board that does not boot, until the card is put back", acts: []act{
			doFault(FaultNoBoot), powerOff, wait(12), cut, rise, wait(600), doClear(FaultNoBoot), wait(30)}},
		{title: "a dead agent announces nothing, and is asked in vain", acts: []act{
			doFault(FaultDeadAgent), ask, powerOff, wait(12), cut}},
		{title: "an agent that dies before its announcement", acts: []act{doFault(FaultAgentDiesBefore), ask, wait(12), cut}},
		{title: "an agent that dies after it", acts: []act{doFault(FaultAgentDiesAnnounced), ask, wait(12), cut}},
		{title: "the system refuses its agent, not a person", acts: []act{doFault(FaultRefusedPowerOff), ask, powerOff, wait(12), cut}},
		{title: "called off in time, and too late", acts: []act{cancel, ask, wait(0.5), cancel, wait(60), ask, wait(1.5), cancel, wait(12), cut}},
		{title: "the plug, and the mains", acts: []act{
			{name: "pull its plug", do: func(c *Case) error { c.Board("worker-2").Plug(false); return nil }}, cut, rise,
			{name: "put it back", do: func(c *Case) error { c.Board("worker-2").Plug(true); return nil }, after: 10 * time.Second},
			{name: "the mains go", do: func(c *Case) error { c.Mains(false); return nil }},
			{name: "the mains come", do: func(c *Case) error { c.Mains(true); return nil }, after: time.Minute},
			rise, wait(30)}},
		railOf(FaultRailWelded), railOf(FaultRailDead), railOf(FaultRailStuck), railOf(FaultFailedRail), railOf(FaultUnreadableRail),
	}
}

// A line with a ">" in testdata/power.txt is what the story does, an indented
// one how the board and its line then are, the others are what the case told.
// Run with -update to write it anew.
func TestPowerStories(t *testing.T) {
	var out strings.Builder
	for _, story := range slices.Concat(powerStories(), faultStories()) {
		cfg := Pico5()
		cfg.Boards[2].DoneBy = story.by
		c := newCase(t, cfg)
		feed := c.Events()
		fmt.Fprintf(&out, "# %s\n", story.title)
		for _, a := range story.acts {
			fmt.Fprintf(&out, "> %s\n", a.name)
			if a.do != nil {
				if err := a.do(c); err != nil {
					fmt.Fprintf(&out, "refused: %v\n", err)
				}
			}
			for until := c.Now() + time.Hour; a.until != 0 && c.Board("worker-2").State() != a.until && c.Now() < until; {
				c.Step(time.Millisecond)
			}
			c.Step(a.after)
			for e, more := feed.Next(); more; e, more = feed.Next() {
				fmt.Fprintln(&out, e)
			}
			b, level := c.Board("worker-2"), "low"
			if c.DoneLine("worker-2").High() {
				level = "high"
			}
			on, err := c.Rail("worker-2").On()
			if reads := map[bool]string{true: "on", false: "off"}[on]; err != nil || on != b.Powered() {
				fmt.Fprintf(&out, "        the rail's pin reads %s, %v\n", reads, err)
			}
			if err == nil && on != c.Rail("worker-2").Gate() {
				t.Errorf("%s: the pin reads %v, and is not driven so", story.title, on)
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
