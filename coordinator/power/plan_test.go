package power

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// article is the reference case's supply and nodes: 7.45 A on average, 11.8 A at most, of 15 A.
func article() (Supply, []Load) {
	loads := []Load{{Node: "master", State: StateReady, Powered: true, BootPeakAmperes: 1.4, MaximumAmperes: 1.34}}
	for _, name := range []string{"worker-1", "worker-2", "worker-3", "worker-4"} {
		loads = append(loads, Load{Node: name, State: StateOff, BootPeakAmperes: 1.2, MaximumAmperes: 1.34})
	}
	return Supply{LimitAmperes: 15, FixedAmperes: 5.1}, loads
}

func TestTheSumIsShownNodeByNode(t *testing.T) {
	supply, loads := article()
	if err := NewPlan(supply).Fits(loads, []string{"worker-1", "worker-2", "worker-3", "worker-4"}); err != nil {
		t.Errorf("the reference case does not fit its own supply: %v", err)
	}
	supply.LimitAmperes = 9
	p := NewPlan(supply)
	loads[1].State, loads[1].Powered = StateReady, true
	loads[2].State = StateQueued
	err := p.Fits(loads, []string{"worker-3", "worker-4"})
	want := "cannot start worker-3, worker-4: fixed loads 5.10 + master 1.34 + worker-1 1.34 + worker-2 1.34 to start + worker-3 1.34 to start" +
		" + worker-4 1.34 to start is 11.80 A, and the supply gives 9.00 A (promise 4: the supply's limit is never exceeded);" +
		" power another node off first, or correct the supply's figures in the configuration"
	if r, ok := errors.AsType[*Refusal](err); !ok || r.Promise != supplied || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := p.Fits(loads[:2], nil); err != nil {
		t.Errorf("what is on and fits is refused: %v", err)
	}
	if err := NewPlan(Supply{}).Fits(loads, []string{"worker-3"}); err != nil {
		t.Errorf("a supply that is not known limits: %v", err)
	}
}

func TestABootPeakCountsOnce(t *testing.T) {
	loads := []Load{
		{Node: "a", State: StateOff, BootPeakAmperes: 2, MaximumAmperes: 1},
		{Node: "b", State: StateOff, BootPeakAmperes: 2, MaximumAmperes: 1},
	}
	if err := NewPlan(Supply{LimitAmperes: 3}).Fits(loads, []string{"a", "b"}); err != nil {
		t.Errorf("one after the other they fit: %v", err)
	}
	err := NewPlan(Supply{LimitAmperes: 2.9}).Fits(loads, []string{"a", "b"})
	if err == nil || !strings.Contains(err.Error(), "one boot peak 1.00 more is 3.00 A") {
		t.Errorf("got %v", err)
	}
}

func TestGrantsAreStaggeredAndWaitForASag(t *testing.T) {
	supply, loads := article()
	p := NewPlan(supply)
	loads[2].After = []string{"worker-3"}
	queued := []string{"worker-2", "worker-1", "worker-3"}
	set := func(name string, s State) {
		for i := range loads {
			if loads[i].Node == name {
				loads[i].State, loads[i].Powered = s, s != StateOff && s != StateQueued
			}
		}
	}
	for _, name := range queued {
		set(name, StateQueued)
	}
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	for _, c := range []struct {
		at      time.Duration
		sags    []string
		granted string
		waiting string
		next    time.Duration
	}{
		{0, nil, "worker-1", "", 0}, // worker-2 comes after worker-3
		{time.Second, nil, "", "starts are 2s apart", 2 * time.Second},
		{2 * time.Second, []string{"master"}, "", "master: under-voltage; the next start waits until it is over", 0},
		{3 * time.Second, nil, "", "the supply sagged; the next start waits until it was well for 10s", 12 * time.Second},
		{12 * time.Second, nil, "worker-3", "", 0},
		{15 * time.Second, nil, "", "worker-2 waits for worker-3", 0},
	} {
		granted, waiting, next := p.Grant(at(c.at), loads, queued, c.sags)
		if granted != c.granted || waiting != c.waiting || !next.IsZero() && next != at(c.next) || next.IsZero() != (c.next == 0) {
			t.Errorf("at %v: %q, %q, %v", c.at, granted, waiting, next)
		}
		if granted != "" {
			set(granted, StateStarting)
			queued = remove(queued, granted)
		}
	}
	set("worker-3", StateReady)
	if granted, _, _ := p.Grant(at(20*time.Second), loads, queued, nil); granted != "worker-2" {
		t.Errorf("granted %q", granted)
	}
	p = NewPlan(Supply{LimitAmperes: 10, FixedAmperes: 5.1})
	set("worker-2", StateQueued)
	_, waiting, next := p.Grant(at(0), loads, queued, nil)
	if want := "worker-2 waits for the supply: with it, it would carry 10.46 A of 10.00 A"; waiting != want || !next.IsZero() {
		t.Errorf("waiting %q, next %v", waiting, next)
	}
}

func remove(names []string, name string) []string {
	var left []string
	for _, n := range names {
		if n != name {
			left = append(left, n)
		}
	}
	return left
}

// TestTheLimitIsNeverExceeded starts nodes of random sizes in random orders, and lets others stop and sag meanwhile.
func TestTheLimitIsNeverExceeded(t *testing.T) {
	granted := 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 9))
		p := NewPlan(Supply{LimitAmperes: 4 + 6*r.Float64(), FixedAmperes: 2})
		var loads []Load
		for i := range 6 {
			loads = append(loads, Load{Node: string(rune('a' + i)), State: StateOff, BootPeakAmperes: 0.5 + 2*r.Float64(), MaximumAmperes: 0.5 + r.Float64()})
		}
		now := epoch
		for range 300 {
			now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
			l := &loads[r.IntN(len(loads))]
			switch l.State {
			case StateOff:
				if p.Fits(loads, []string{l.Node}) == nil {
					l.State = StateQueued
				}
			case StateStarting:
				l.State = StateReady
			case StateReady:
				l.State, l.Powered = StateOff, false
			}
			var queued, sags []string
			for _, l := range loads {
				if l.State == StateQueued {
					queued = append(queued, l.Node)
				}
			}
			if r.IntN(20) == 0 {
				sags = []string{"a"}
			}
			name, _, _ := p.Grant(now, loads, queued, sags)
			for i := range loads {
				if loads[i].Node == name {
					loads[i].State, loads[i].Powered = StateStarting, true
					granted++
				}
			}
			if sum := p.Committed(loads); sum > p.Supply().LimitAmperes+slack {
				t.Fatalf("seed %d: %.3f A of %.3f A: %+v", seed, sum, p.Supply().LimitAmperes, loads)
			}
		}
	}
	if granted < 500 {
		t.Errorf("only %d grants", granted)
	}
}

func TestWaves(t *testing.T) {
	loads := []Load{{Node: "c", After: []string{"a", "b"}}, {Node: "a"}, {Node: "b", After: []string{"a", "gone"}}, {Node: "d"}}
	got, err := Waves(loads, false)
	if want := [][]string{{"a", "d"}, {"b"}, {"c"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("starting: %v, %v", got, err)
	}
	got, err = Waves(loads, true)
	if want := [][]string{{"c"}, {"b"}, {"a", "d"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("stopping: %v, %v", got, err)
	}
	loads[1].After = []string{"c"}
	if _, err = Waves(loads, false); err == nil || !strings.Contains(err.Error(), "c after a after c") {
		t.Errorf("a cycle: %v", err)
	}
}
