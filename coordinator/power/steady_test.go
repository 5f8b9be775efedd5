package power

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestAnIdleNodeWritesNothing lets a node be up for an hour: no action, no write, no allocation.
func TestAnIdleNodeWritesNothing(t *testing.T) {
	w := begun(wiredUp, helper, honest)
	var heard, rail, signal, tick Event
	second := func() {
		w.now = w.now.Add(time.Second)
		for _, ev := range []Event{rail, heard, signal, tick} {
			if actions := w.m.Step(w.now, ev); len(actions) > 0 {
				t.Fatalf("%T brings %T", ev, actions[0])
			}
		}
	}
	rail, signal, tick = RailSeen{On: true}, Reported{helper}, Tick{}
	for range 3600 {
		heard = Heard{BootID: w.bootID(), SampledAt: w.now.Add(time.Second)}
		second()
	}
	if next, ok := w.m.Next(); ok {
		t.Errorf("it wants to be woken at %v", next)
	}
	heard = Heard{BootID: w.bootID(), SampledAt: w.now}
	if n := testing.AllocsPerRun(100, second); n > 0 {
		t.Errorf("%v allocations in a second", n)
	}
}

func TestARecordIsPlainData(t *testing.T) {
	at := Instant{"master-1", time.Hour}
	r := Record{
		Task:    Task{Operation: "op-1", Kind: TaskStop, Asked: true, BootID: "boot-1", Accepted: true, Reason: "r"},
		Desired: DesiredOff, Latch: &Latch{MechanismOverlay, "boot-1", []Instant{at, at}, at}, Cut: "proof of done by the overlay",
		SeenLow: true, BootID: "boot-1", HighAtBoot: true, Noisy: true, LowBefore: true, Doubted: true, Announced: announcedUnclear,
		Signal: Signal{MechanismHelper, time.Second, time.Second, "e"}, Wiring: WiringTested, Fault: FaultRailWelded, Maintenance: new(true),
		Was: StateLost, Since: at,
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got Record
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%v: got %+v, want %+v", err, got, r)
	}
	for i := range reflect.TypeFor[Record]().NumField() {
		if reflect.ValueOf(r).Field(i).IsZero() {
			t.Errorf("%s is not tried", reflect.TypeFor[Record]().Field(i).Name)
		}
	}
}

// FuzzMachine lets the fuzzer choose what happens; the judge of the trials looks on.
func FuzzMachine(f *testing.F) {
	f.Add([]byte("\x00\x02\x01\x01\x05\x01\x0e\x00\x00\x01\x00\x01\x13"))
	f.Add([]byte("\x09\x0b\x0e\x00\x00\x01\x00\x14\x15\x00\x11"))
	f.Add([]byte("\x02\x01\x01\x06\x0f\x0d\x01\x00"))
	f.Fuzz(func(t *testing.T, picks []byte) {
		if len(picks) > 500 {
			return
		}
		w := begun(wiredUp, []Signal{overlay, helper}[len(picks)%2], honest)
		w.trace = true
		for _, pick := range picks {
			i := int(pick) % (len(choices) + len(more))
			c := &choices[i%len(choices)]
			if i >= len(choices) {
				c = &more[i-len(choices)]
			}
			if c.may(w) {
				c.do(w)
			}
			if w.wrong != "" {
				t.Fatalf("%s\n%s", w.wrong, strings.Join(w.log, "\n"))
			}
		}
	})
}
