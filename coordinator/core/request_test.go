package core_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
)

func TestValidateReportsEveryFaultOfPower(t *testing.T) {
	node := func(name string, n core.NodeConfig) core.NodeConfig {
		n.Name, n.Address = name, name
		return n
	}
	cfg := core.Config{
		Supply:      power.Supply{LimitAmperes: 300, FixedAmperes: math.NaN(), Stagger: time.Hour, Settle: time.Hour, GiveUp: time.Millisecond},
		AfterOutage: "maybe", Parallel: 65,
		Nodes: []core.NodeConfig{
			node("m", core.NodeConfig{Power: power.Config{Master: true}, After: []string{"a"}}),
			node("n", core.NodeConfig{Power: power.Config{Master: true, Rail: power.RailLine}}),
			node("a", core.NodeConfig{BootPeakAmperes: -1, MaximumAmperes: 21, After: []string{"b", "b", "a", "nobody"}}),
			node("b", core.NodeConfig{Power: power.Config{Grace: time.Hour, CutStuckAfter: -1, FenceLostAfter: 999 * time.Hour}}),
		},
	}
	want := []string{
		"Supply.LimitAmperes: 300: must be 0 to 200", "Supply.FixedAmperes: NaN: ", "Supply.Stagger: 1h0m0s: ", "Supply.Settle: ", "Supply.GiveUp: ",
		"AfterOutage: maybe: must be last, start or stay", "Parallel: 65: must be 1 to 64", "Nodes[0].After: [a]: must be empty", "Nodes[1].Power.Master: true: must have no rail",
		"Nodes[2].BootPeakAmperes: -1: ", "Nodes[2].MaximumAmperes: 21: must be 0 to 20", "Nodes[2].After[1]: b: must be named once", "Nodes[2].After[2]: a: must be another node",
		"Nodes[2].After[3]: nobody: must be the name of a node", "Nodes[3].Power.Grace: 1h0m0s: ", "Nodes[3].Power.CutStuckAfter: ", "Nodes[3].Power.FenceLostAfter: ",
	}
	got := strings.Split(cfg.Validate().Error(), "\n")
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("Validate() =\n%s\nwant lines that begin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	round := core.Config{Nodes: []core.NodeConfig{node("a", core.NodeConfig{After: []string{"b"}}), node("b", core.NodeConfig{After: []string{"a"}})}}
	if err := round.Validate(); err == nil || !strings.Contains(err.Error(), "must have no cycle") {
		t.Errorf("a cycle: %v", err)
	}
}

// Every refusal says what kind it is, names what it is about and what to do, in one line, and changes nothing.
func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 201)
	for _, c := range []struct {
		ask  core.Event
		kind error
		want []string
	}{
		{core.Request{}, core.ErrInvalid, []string{"say what to do"}},
		{core.Request{Kind: core.OperationTestWiring + 1, Nodes: []string{"worker-1"}}, core.ErrInvalid, []string{"say what to do"}},
		{core.Request{Kind: core.OperationPowerOn}, core.ErrInvalid, []string{"power on", "name at least one node"}},
		{core.Request{Kind: core.OperationStartCase, Nodes: []string{"worker-1"}}, core.ErrInvalid, []string{"case start", "name no nodes"}},
		{core.Request{Kind: core.OperationPowerOn, Nodes: []string{"worker-9"}}, core.ErrNotFound, []string{`"worker-9"`, "this case has master, worker-1, worker-2"}},
		{core.Request{Kind: core.OperationPowerOff, Nodes: []string{"worker-1", "worker-1"}}, core.ErrInvalid, []string{"worker-1", "name it once"}},
		{core.Request{Kind: core.OperationPowerOff, Nodes: []string{"worker-1"}, Force: true}, core.ErrInvalid, []string{"force needs a reason"}},
		{core.Request{Kind: core.OperationPowerOff, Nodes: []string{"worker-1"}, Force: true, Reason: " "}, core.ErrInvalid, []string{"force needs a reason"}},
		{core.Request{Kind: core.OperationPowerOn, Nodes: []string{"worker-1"}, Force: true, Reason: "why"}, core.ErrInvalid, []string{"force only goes with"}},
		{core.Request{Kind: core.OperationPowerOn, Nodes: []string{"worker-1"}, Rolling: true}, core.ErrInvalid, []string{"rolling only goes with"}},
		{core.Request{Kind: core.OperationPowerOn, Nodes: []string{"worker-1"}, Master: true}, core.ErrInvalid, []string{"only stopped by case stop"}},
		{core.Request{Kind: core.OperationPowerOff, Nodes: []string{"worker-1"}, Reason: long}, core.ErrInvalid, []string{"at most 200"}},
		{core.Request{Kind: core.OperationPowerOff, Nodes: []string{"worker-1"}, Reason: "a\nb"}, core.ErrInvalid, []string{"one line"}},
		{core.Request{Kind: core.OperationPowerOff, Nodes: []string{"worker-1"}, RequestID: long[:65]}, core.ErrInvalid, []string{"at most 64"}},
		{core.Request{Kind: core.OperationPowerOff, Nodes: []string{"master"}}, core.ErrForbidden, []string{"master", "promise 2", "case stop --master"}},
		{core.Request{Kind: core.OperationReboot, Nodes: []string{"worker-2"}}, core.ErrForbidden, []string{"worker-2", "wait"}},
		{core.Request{Kind: core.OperationPowerCycle, Nodes: []string{"bare"}}, core.ErrNotFound, []string{`"bare"`}},
		{core.Request{Kind: core.OperationPowerOn, Nodes: []string{"worker-2"}}, core.ErrSupply, []string{"worker-2", "promise 4", "4.60 A", "4.00 A"}},
		{core.CancelOperation{ID: "op-7"}, core.ErrNotFound, []string{`"op-7"`, "bramblectl operations"}},
		{core.Maintain{On: true}, core.ErrInvalid, []string{"at least one node"}},
		{core.Maintain{Nodes: []string{"worker-1"}, On: true, Reason: long}, core.ErrInvalid, []string{"at most 200"}},
		{core.ClearFault{Nodes: []string{"worker-1"}}, core.ErrForbidden, []string{"worker-1"}},
		{core.AcknowledgeStore{}, core.ErrInvalid, []string{"not damaged"}},
	} {
		cfg := small()
		cfg.Supply.LimitAmperes, cfg.Supply.FixedAmperes = 4, 0.8
		w := newClient(cfg)
		w.agents[2].state, w.agents[2].up, w.agents[2].rail = boardOff, false, "off"
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		w.run(30 * time.Second)
		writes := w.disk.writes
		var refusals []error
		w.heed = func(_ core.Event, effects []core.Effect) {
			for _, e := range effects {
				if r, ok := e.(core.Refuse); ok {
					refusals = append(refusals, r.Err)
				}
			}
		}
		w.step(ticketed(c.ask))
		if len(refusals) != 1 || !errors.Is(refusals[0], c.kind) || strings.Contains(refusals[0].Error(), "\n") {
			t.Errorf("%+v: %v, want one that is %v", c.ask, refusals, c.kind)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(refusals[0].Error(), want) {
				t.Errorf("%+v: %q does not say %q", c.ask, refusals[0], want)
			}
		}
		if w.disk.writes != writes || len(w.core.Operations()) > 0 {
			t.Errorf("%+v: it was refused and changed something", c.ask)
		}
	}
}

// ticketed gives what a person asks a ticket.
func ticketed(ev core.Event) core.Event {
	switch ev := ev.(type) {
	case core.Request:
		ev.Ticket = 1
		return ev
	case core.CancelOperation:
		ev.Ticket = 1
		return ev
	case core.Maintain:
		ev.Ticket = 1
		return ev
	case core.ClearFault:
		ev.Ticket = 1
		return ev
	case core.AcknowledgeStore:
		ev.Ticket = 1
		return ev
	}
	return ev
}

// What was written by hand, or by a newer version, is damage like any other: nothing is switched until it is acknowledged.
func TestUnreadableEntriesAreDamage(t *testing.T) {
	for _, e := range []core.Entry{
		{Bucket: "nodes", Key: "worker-1", Value: []byte("{")}, {Bucket: "operations", Key: "op-4", Value: []byte(`{"Kind":"x"}`)},
		{Bucket: "events", Key: "003", Value: []byte("[]")}, {Bucket: "meta", Key: "boot", Value: nil}, {Bucket: "events", Key: "0", Value: []byte(`{"Count":18446744073709551615}`)},
	} {
		c, err := core.Open(small(), time.Now(), power.Instant{BootID: "b"}, []core.Entry{e}, "")
		if err != nil {
			t.Fatal(err)
		}
		if v := c.StoreHealth(); v.Health != core.StoreDamaged || !strings.Contains(v.Message, e.Bucket+"/"+e.Key) {
			t.Errorf("%s/%s: %+v", e.Bucket, e.Key, v)
		}
		kept := map[string]core.Entry{}
		for _, effect := range c.Step(time.Now(), core.Tick{}) {
			if s, ok := effect.(core.Store); ok {
				for _, e := range s.Entries {
					kept[e.Bucket+"/"+e.Key] = e
				}
			}
		}
		again, err := core.Open(small(), time.Now(), power.Instant{BootID: "b"}, slices.Collect(maps.Values(kept)), "")
		if err != nil {
			t.Fatal(err)
		}
		if v := again.StoreHealth(); v.Health != core.StoreDamaged {
			t.Errorf("%s/%s: after a restart it is %s", e.Bucket, e.Key, v.Health)
		}
	}
}

// Only the newest hundred operations that ended are remembered, and no name is used twice.
func TestOperationsAreBounded(t *testing.T) {
	w := newClient(small())
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	w.run(15 * time.Second)
	seen := map[string]bool{}
	for i := range 120 {
		w.step(core.Request{Ticket: uint64(i + 1), Kind: core.OperationPowerOn, Nodes: []string{"worker-1"}})
		if id := w.answers[uint64(i+1)].Operation.ID; seen[id] {
			t.Fatalf("%s was used twice", id)
		} else {
			seen[id] = true
		}
		if i == 60 {
			if err := w.open("master/1"); err != nil {
				t.Fatal(err)
			}
			w.run(15 * time.Second)
		}
	}
	kept := 0
	for key := range w.disk.entries {
		if strings.HasPrefix(key, "operations/") {
			kept++
		}
	}
	if got := w.core.Operations(); len(got) > 101 || kept > 101 || got[0].ID != fmt.Sprintf("op-%d", 120) {
		t.Errorf("%d operations, the newest %s, %d on disk", len(got), got[0].ID, kept)
	}
}

// Without a memory all works but does not outlast the coordinator, and says so.
func TestWithoutMemory(t *testing.T) {
	w := newClient(small())
	w.disk, w.cfg.Seed = nil, 4711
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	w.run(15 * time.Second)
	w.insist(core.OperationStopCase, "stop", time.Minute)
	if o := w.core.Operations()[0]; o.ID != "op-3mv-1" || o.State != core.OperationDone {
		t.Errorf("%s %s: %s", o.ID, o.State, o.Message)
	}
	if v := w.core.StoreHealth(); v.Health != core.StoreNone || strings.Contains(w.log.String(), "store ") {
		t.Errorf("%+v\n%s", v, w.log.String())
	}
}

// FuzzOpen gives a new core whatever may stand in its memory.
func FuzzOpen(f *testing.F) {
	f.Add("nodes", "worker-1", `{"Task":{"Operation":"op-1","Kind":2},"Cut":"x","Latch":{}}`, `{"Kind":2,"State":1,"Steps":[{"Node":"worker-1","State":2,"Task":2}]}`)
	f.Add("meta", "restore", `["worker-1"]`, `{"Kind":6,"State":1,"Master":true,"Steps":[{"Node":"master","State":2,"Task":2}]}`)
	f.Add("events", "007", `{"Count":507,"Kind":3}`, `{"State":1,"Steps":[{}]}`)
	f.Fuzz(func(t *testing.T, bucket, key, value, operation string) {
		w := newClient(small())
		w.disk.entries["operations/op-1"] = core.Entry{Bucket: "operations", Key: "op-1", Value: []byte(operation)}
		w.disk.entries[bucket+"/"+key] = core.Entry{Bucket: bucket, Key: key, Value: []byte(value)}
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		w.run(30 * time.Second)
		w.step(core.AcknowledgeStore{Ticket: 1})
		w.run(3 * time.Minute)
		w.core.Operations()
		w.core.Events(100, "")
	})
}
