package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
)

// small is a case of a master and two workers, one on the other, that just fit their supply.
func small() core.Config {
	worker := power.Config{Rail: power.RailLine, Line: true, TrustWiring: true, StopDeadline: 30 * time.Second, BootDeadline: time.Minute}
	return core.Config{
		Supply: power.Supply{LimitAmperes: 6, FixedAmperes: 2},
		Nodes: []core.NodeConfig{
			{Name: "master", Address: "m", MaximumAmperes: 1.2, Power: power.Config{Master: true}},
			{Name: "worker-1", Address: "1", BootPeakAmperes: 1.4, MaximumAmperes: 1.2, Power: worker},
			{Name: "worker-2", Address: "2", BootPeakAmperes: 1.4, MaximumAmperes: 1.2, Power: worker, After: []string{"worker-1"}},
		},
	}
}

// client asks for operations until it has an answer, in a world with real boards and a disk.
type client struct {
	*world
	log    strings.Builder
	ticket uint64
}

func newClient(cfg core.Config) *client {
	c := &client{}
	c.world = newWorld(cfg, func(at time.Duration, line string) { fmt.Fprintf(&c.log, "%8.3fs %s\n", at.Seconds(), line) })
	c.verbose = true
	for i, a := range c.agents {
		a.real, a.state, a.up, a.boots, a.boot, a.bootFor = true, boardUp, true, 1, a.name+"/1", 10*time.Second
		if cfg.Nodes[i].Power.Rail != power.RailNone {
			a.rail = "on"
			a.signal = &core.DoneSignal{Mechanism: power.MechanismOverlay + power.Mechanism(i%2)}
		}
	}
	c.disk = &disk{entries: map[string]core.Entry{}}
	return c
}

// insist asks until there is an answer, as a client with a request identifier does, and then lets time pass.
func (c *client) insist(kind core.OperationKind, id string, then time.Duration) {
	end := c.at + then
	for c.at < end {
		c.ticket++
		c.step(core.Request{Ticket: c.ticket, Kind: kind, RequestID: id, By: "test"})
		if _, answered := c.answers[c.ticket]; answered {
			break
		}
		c.run(time.Second)
	}
	c.run(end - c.at)
}

// stopAndStart is the story that the coordinator is killed in.
func (c *client) stopAndStart() error {
	if err := c.start(); err != nil {
		return err
	}
	c.run(20 * time.Second)
	c.insist(core.OperationStopCase, "stop", 85*time.Second)
	c.insist(core.OperationStartCase, "start", 70*time.Second)
	return nil
}

// promises says what does not hold at the end.
func (c *client) promises() string {
	var wrong []string
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if c.lost > 0 || c.excesses > 0 || c.unwritten > 0 {
		note("%d file systems lost, %d excesses, %d acts not written", c.lost, c.excesses, c.unwritten)
	}
	seen := map[string]int{}
	failed := false
	for _, o := range c.core.Operations() {
		seen[o.RequestID]++
		switch failed = failed || o.State == core.OperationFailed; {
		case o.State == core.OperationRunning:
			note("%s still runs: %+v", o.ID, o.Steps)
		case o.State == core.OperationFailed && o.Message == "":
			note("%s failed and does not say why", o.ID)
		}
	}
	if seen["stop"] != 1 || seen["start"] != 1 && !failed {
		note("operations by request: %v", seen)
	}
	for _, a := range c.agents[1:] {
		switch {
		case failed:
		case a.state != boardUp || a.boots != 2 || a.cuts != 1 || len(a.asked) != 1:
			note("%s: state %d, boots %d, cuts %d, asked %v", a.name, a.state, a.boots, a.cuts, a.asked)
		}
		if a.boots > 2 || a.cuts > 1 || len(a.asked) > 1 {
			note("%s: boots %d, cuts %d, asked %v", a.name, a.boots, a.cuts, a.asked)
		}
	}
	return strings.Join(wrong, "; ")
}

// TestKilledAtEveryBoundary kills the coordinator once at every place of a stop and a start of a case: before and after each
// write, before and after each rail is switched, and around each question to an agent and each answer.
func TestKilledAtEveryBoundary(t *testing.T) {
	for _, takes := range []time.Duration{0, 40 * time.Millisecond} {
		t.Run(fmt.Sprintf("a write takes %s", takes), func(t *testing.T) { killEverywhere(t, takes) })
	}
}

func killEverywhere(t *testing.T, takes time.Duration) {
	places := map[string]int{}
	blind := 0
	for k := 1; ; k++ {
		c, count, place := newClient(small()), 0, ""
		c.disk.takes = takes
		c.kill = func(at string) bool {
			if count++; count == k {
				place = at
			}
			return count == k
		}
		if err := c.stopAndStart(); err != nil {
			t.Fatal(err)
		}
		if wrong := c.promises(); wrong != "" {
			t.Fatalf("killed at %d, %s: %s\n%s", k, place, wrong, c.log.String())
		}
		if slices.ContainsFunc(c.core.Operations(), func(o core.OperationView) bool { return o.State == core.OperationFailed }) {
			blind++
			if place != "before the write" {
				t.Errorf("killed at %d, %s: an operation failed\n%s", k, place, c.log.String())
			}
		}
		if place == "" {
			t.Logf("%d places: %v; killed in the moment of a proof, before it was on disk: %d", k-1, places, blind)
			break
		}
		places[place]++
	}
	for _, place := range []string{"before the write", "after the write", "before the rail is switched", "after the rail was switched", "before the agent is asked", "before the agent's answer", "before the answer"} {
		if places[place] == 0 {
			t.Errorf("it was never killed %s", place)
		}
	}
	if blind > 1 {
		t.Errorf("%d kills lost a proof, want only that of the overlay, whose line does not last", blind)
	}
}

// TestKilledTwice does the same with a second kill, a while after the first.
func TestKilledTwice(t *testing.T) {
	for first := 1; first < 60; first += 5 {
		for gap := 1; gap < 20; gap += 6 {
			c, count := newClient(small()), 0
			c.disk.takes = time.Duration(gap) * 10 * time.Millisecond
			c.kill = func(string) bool {
				count++
				return count == first || count == first+gap
			}
			if err := c.stopAndStart(); err != nil {
				t.Fatal(err)
			}
			if wrong := c.promises(); wrong != "" {
				t.Fatalf("killed at %d and %d: %s\n%s", first, first+gap, wrong, c.log.String())
			}
		}
	}
}
