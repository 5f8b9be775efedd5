package core_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/fan"
)

func TestValidateReportsEveryFault(t *testing.T) {
	cfg := core.Config{
		Case: strings.Repeat("x", 65),
		Nodes: []core.NodeConfig{
			{Name: "master", Address: "unix:/run/bramble/agent.sock"},
			{Name: "a name", Address: "x"},
			{Name: "master"},
			{Name: "hot", Address: "x", SetPointCelsius: 140, LimitCelsius: math.NaN()},
			{Name: "upside-down", Address: "x", SetPointCelsius: 70, LimitCelsius: 60},
			{Name: "late", Address: "x", BootDeadline: time.Second, StopDeadline: 2 * time.Hour},
		},
		Fans: []core.FanConfig{
			{Name: "main", Nodes: []string{"master", "nobody", "master"}},
			{Name: "main", SetPointCelsius: 3, Controller: fan.Config{MinimumDuty: 2, Gain: -1}},
			{Name: "slow", Controller: fan.Config{InputTimeout: 6 * time.Second}},
			{Name: "hasty", Controller: fan.Config{InputTimeout: 2 * time.Second, SampleInterval: 10 * time.Millisecond}},
		},
		StaleAfter:       time.Second,
		UnreachableAfter: time.Second,
	}
	want := []string{
		"Case: ", `Nodes[1].Name: "a name": must be`, "Nodes[2].Name: master: must be used once", `Nodes[2].Address: "": `,
		"Nodes[3].SetPointCelsius: 140: must be 20 to 100", "Nodes[3].LimitCelsius: NaN: ", "Nodes[4].SetPointCelsius: 70: must be less than LimitCelsius, which is 60",
		"Nodes[5].BootDeadline: 1s: must be 5s to 1h", "Nodes[5].StopDeadline: 2h0m0s: must be 5s to 1h", "Fans[0].Nodes[1]: nobody: ", "Fans[0].Nodes[2]: master: must be named once",
		"Fans[1].Name: main: ", "Fans[1].SetPointCelsius: 3: ", "Fans[1].Controller.MinimumDuty: 2: ", "Fans[1].Controller.Gain: -1: ",
		"Fans[2].Controller.InputTimeout: 6s: must be 3s to 5s", "Fans[3].Controller.InputTimeout: 2s: must be at least three times SampleInterval, which is 1s",
		"StaleAfter: 1s: must be 2s to 1m", "UnreachableAfter: 1s: must be 2s to 10m",
	}
	err := cfg.Validate()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("Validate() = %v, want joined faults", err)
	}
	var got []string
	for _, err := range joined.Unwrap() {
		if _, ok := errors.AsType[*core.Fault](err); !ok {
			t.Errorf("%v is no Fault", err)
		}
		got = append(got, err.Error())
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("Validate() =\n%s\nwant lines that begin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := core.New(cfg, time.Now()); err == nil {
		t.Error("New took it")
	}
	if err := (core.Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
}

func TestNewKeepsNothingOfTheCaller(t *testing.T) {
	cfg := five()
	c, err := core.New(cfg, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Nodes[0].Name, cfg.Fans[0].Name = "changed", "changed"
	if n, f := c.Nodes(0)[0], c.Fans(0)[0]; n.Name != "master" || f.Name != "main" || f.Duty != 1 || f.Mode != core.FanFailSafe {
		t.Errorf("node %q, fan %+v", n.Name, f)
	}
}

// The shell's messages cross: an answer may come after the core has given the stream up.
func TestLateAnswersAreIgnored(t *testing.T) {
	now := time.Now()
	c, err := core.New(core.Config{Nodes: []core.NodeConfig{{Name: "n", Address: "a"}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	c.Step(now, core.Wake{})
	now = now.Add(6 * time.Second)
	if effects := c.Step(now, core.Wake{}); len(effects) != 1 || effects[0].(core.Disconnect).Node != "n" {
		t.Fatalf("after 6 s without an answer: %+v", effects)
	}
	c.Step(now, core.StreamOpened{Node: "n"})
	c.Step(now, core.NodeMessage{Node: "n", Message: core.Message{Sequence: 1, Info: &core.NodeInfo{Name: "n", BootID: "1"}}})
	if n := c.Nodes(0)[0]; n.BootID != "" || !n.SampledAt.IsZero() {
		t.Errorf("a stream that was given up is heard: %+v", n)
	}
	if effects := c.Step(now, core.StreamClosed{Node: "n"}); len(effects) != 1 || effects[0].(core.Connect).Node != "n" {
		t.Errorf("when it is closed: %+v", effects)
	}
}

// What a first message leaves out is not known any more.
func TestFlagsEndWithTheirSource(t *testing.T) {
	now := time.Now()
	c, err := core.New(core.Config{Nodes: []core.NodeConfig{{Name: "n", Address: "a"}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	first := core.Message{Sequence: 1, Info: &core.NodeInfo{Name: "n", BootID: "1"}}
	low := first
	low.Throttling = &core.Throttling{Source: 1, Flags: []core.FlagState{{Flag: core.FlagUnderVoltage, Active: true, Count: 1}}}
	for i, m := range []core.Message{low, first} {
		c.Step(now, core.StreamOpened{Node: "n"})
		c.Step(now, core.NodeMessage{Node: "n", Message: m})
		if got := len(c.Alarms()); got != 1-i {
			t.Errorf("stream %d: %d alarms", i+1, got)
		}
		c.Step(now, core.StreamClosed{Node: "n"})
	}
	if f := c.Nodes(0)[0].Throttling; f.Source != 0 || len(f.Flags) > 0 {
		t.Errorf("flags: %+v", f)
	}
}

func TestTimeThatRunsBackwardsStandsStill(t *testing.T) {
	start := time.Now()
	c, err := core.New(five(), start)
	if err != nil {
		t.Fatal(err)
	}
	c.Step(start.Add(10*time.Second), core.Tick{})
	c.Step(start, core.StreamOpened{Node: "master"})
	c.Step(start, core.NodeMessage{Node: "master", Message: core.Message{Sequence: 1, Info: &core.NodeInfo{Name: "master"}}})
	if got := c.Nodes(0)[0].SampledAt.Sub(start); got != 10*time.Second {
		t.Errorf("a sample that came after 10 s counts from %s", got)
	}
}

// A fan is at full within 5 s of silence whatever its controller's intervals say: the core ticks once a second.
func TestTicksAreTheCores(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Millisecond, 1500 * time.Millisecond} {
		cfg := core.Config{Nodes: []core.NodeConfig{{Name: "n", Address: "a"}}, Fans: []core.FanConfig{{Name: "main"}}}
		cfg.Fans[0].Controller = fan.Config{SampleInterval: interval, InputTimeout: 5 * time.Second}
		w := newWorld(cfg, func(time.Duration, string) {})
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		w.agents[0].up = true
		w.run(20500 * time.Millisecond)
		w.agents[0].dark = true
		w.run(3 * time.Second) // the newest sample is 3.4 s old, and the next tick in time
		if duty := w.fans[0].duty; duty == 1 {
			t.Errorf("with an interval of %s the fan is at full after 3.4 s", interval)
		}
		w.run(1500 * time.Millisecond)
		if duty := w.fans[0].duty; duty != 1 {
			t.Errorf("with an interval of %s the fan is at %g after 4.9 s, and its next tick comes after 5 s", interval, duty)
		}
	}
}
