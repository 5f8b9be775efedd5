package sim

import (
	"encoding"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestFaultKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range append(FaultKinds(), NoFault) {
		text, err := k.MarshalText()
		must(t, err)
		var back FaultKind
		must(t, back.UnmarshalText(text))
		if back != k || string(text) != k.String() || seen[k.String()] {
			t.Errorf("%d is %q, which is %d", k, text, back)
		}
		seen[k.String()] = true
	}
	k := FaultStalledFan
	if err := k.UnmarshalText([]byte("stalled")); err == nil || k != FaultStalledFan ||
		!strings.Contains(err.Error(), "done-stuck-low") {
		t.Errorf("an unknown name: %v, %v", err, k)
	}
	for _, unknown := range []encoding.TextMarshaler{FaultKind(-1), numFaultKinds, Kind(-1), numKinds} {
		if _, err := unknown.MarshalText(); err == nil {
			t.Errorf("%v has a name", unknown)
		}
	}
}

func TestBadFaultsChangeNothing(t *testing.T) {
	cfg := Pico5()
	cfg.Fan.Absent = true
	c := newCase(t, cfg)
	for _, bad := range []struct {
		fault Fault
		says  []string
	}{
		{Fault{}, []string{"kind: none is no fault"}},
		{Fault{Kind: 99}, []string{"kind: fault(99) is no fault"}},
		{Fault{Kind: FaultSilentAgent}, []string{`board: silent-agent needs a board: use one of ["master"`}},
		{Fault{Kind: FaultSilentAgent, Board: "worker-9"}, []string{`board: there is no board "worker-9"`}},
		{Fault{Kind: FaultDoneStuckLow, Board: "master"}, []string{`board: "master" has no done line`}},
		{Fault{Kind: FaultHotRoom, Board: "master"}, []string{"board: hot-room is no single board's"}},
		{Fault{Kind: FaultStalledFan}, []string{"kind: stalled-fan needs a fan"}},
		{Fault{Kind: FaultHotRoom, Value: 61}, []string{"value: 61 is out of range: use -20 to 60"}},
		{Fault{Kind: FaultSupplySag, Value: math.NaN()}, []string{"value: NaN is out of range"}},
		{Fault{Kind: FaultHungShutdown, Board: "x", Value: 1}, []string{"board: ", "value: hung-shutdown has no value"}},
	} {
		for _, do := range []func(Fault) error{c.Fault, c.Clear} {
			err := do(bad.fault)
			for _, says := range bad.says {
				if err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("%+v: %v, want %q in it", bad.fault, err, says)
				}
			}
		}
	}
	if broken := c.Faults(); broken != nil {
		t.Errorf("broken: %v", broken)
	}
}

func TestFaultsAreListed(t *testing.T) {
	c := newCase(t, Config{})
	set := []Fault{
		{Kind: FaultStalledFan},
		{Kind: FaultHotRoom, Value: 40},
		{Kind: FaultFailedSensor, Board: "worker-1"},
		{Kind: FaultSilentAgent, Board: "worker-3"},
	}
	for _, f := range set {
		must(t, c.Fault(f))
	}
	if got := c.Faults(); !reflect.DeepEqual(got, set) {
		t.Errorf("listed %v, want %v", got, set)
	}
	for _, f := range set {
		must(t, c.Clear(f))
		must(t, c.Clear(f))
	}
	if got := c.Faults(); got != nil {
		t.Errorf("after clearing: %v", got)
	}
}

func TestSilentAgentIsOneBoards(t *testing.T) {
	c := newCase(t, Config{})
	must(t, c.Fault(Fault{Kind: FaultSilentAgent, Board: "worker-2"}))
	for _, b := range c.Boards() {
		if b.Silent() != (b.Name() == "worker-2") || !b.Running() {
			t.Errorf("%s: silent %v, running %v", b.Name(), b.Silent(), b.Running())
		}
	}
}

func TestHotRoomHeatsAndCools(t *testing.T) {
	c := newCase(t, Config{})
	must(t, c.Fault(Fault{Kind: FaultHotRoom}))
	c.Step(10 * time.Minute)
	near(t, "hot", c.Ambient(), 35, 0.01)
	must(t, c.Clear(Fault{Kind: FaultHotRoom}))
	c.Step(10 * time.Minute)
	near(t, "after it", c.Ambient(), 22, 0.01)
}
