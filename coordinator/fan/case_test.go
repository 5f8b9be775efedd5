package fan_test

import (
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

// bench drives one controller second by second, the way its owner would: the
// readings age, and the fan answers what it is told unless a test says otherwise.
type bench struct {
	t     *testing.T
	fan   *fan.Controller
	now   time.Time
	in    fan.Input
	last  fan.Output
	every time.Duration
	rpm   func(duty float64) float64 // nil: no tachometer
	mute  map[string]bool            // nodes whose readings age
}

func newBench(t *testing.T, cfg fan.Config, nodes ...fan.NodeInput) *bench {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &bench{
		t: t, fan: fan.New(cfg), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), every: time.Second,
		in: fan.Input{Nodes: nodes}, mute: map[string]bool{},
	}
}

// worker is a known input at a temperature, set to 55 C and without a limit.
func worker(name string, celsius float64) fan.NodeInput {
	return fan.NodeInput{Node: name, Sensor: "cpu", Celsius: celsius, SetPointCelsius: 55, Known: true}
}

func (b *bench) node(i int) *fan.NodeInput { return &b.in.Nodes[i] }

// step advances one interval and steps once.
func (b *bench) step() fan.Output {
	b.t.Helper()
	for i := range b.in.Nodes {
		if n := b.node(i); b.mute[n.Node] {
			n.Age += b.every
		} else {
			n.Age = 0
		}
	}
	if b.rpm != nil {
		b.in.Tach, b.in.RPM = fan.TachReading, b.rpm(b.last.Duty)
	}
	before := b.last
	b.last = b.fan.Step(b.now, b.in)
	b.now = b.now.Add(b.every)
	if b.last.Decision.Duty != b.last.Duty {
		b.t.Fatalf("decision says duty %v, output %v", b.last.Decision.Duty, b.last.Duty)
	}
	if b.last.Duty != before.Duty && !b.last.Changed {
		b.t.Fatalf("duty went from %v to %v and Changed is false", before.Duty, b.last.Duty)
	}
	return b.last
}

// run steps for a time and returns the last output.
func (b *bench) run(d time.Duration) fan.Output {
	b.t.Helper()
	for range d / b.every {
		b.step()
	}
	return b.last
}

// until steps until the condition holds and returns how long that took; more
// than most is a failure.
func (b *bench) until(most time.Duration, what string, holds func(fan.Output) bool) time.Duration {
	b.t.Helper()
	for took := time.Duration(0); took <= most; took += b.every {
		if holds(b.step()) {
			return took
		}
	}
	b.t.Fatalf("not within %s: %s; now %v", most, what, b.last.Decision)
	return 0
}
