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
			{Name: "late", Address: "x", BootDeadline: time.Second},
		},
		Fans: []core.FanConfig{
			{Name: "main", Nodes: []string{"master", "nobody", "master"}},
			{Name: "main", SetPointCelsius: 3, Controller: fan.Config{MinimumDuty: 2, Gain: -1}},
		},
		StaleAfter:       time.Second,
		UnreachableAfter: time.Second,
	}
	want := []string{
		"Case: ", `Nodes[1].Name: "a name": must be`, "Nodes[2].Name: master: must be used once", `Nodes[2].Address: "": `,
		"Nodes[3].SetPointCelsius: 140: must be 20 to 100", "Nodes[3].LimitCelsius: NaN: ", "Nodes[4].SetPointCelsius: 70: must be less than LimitCelsius, which is 60",
		"Nodes[5].BootDeadline: 1s: must be 5s to 1h", "Fans[0].Nodes[1]: nobody: ", "Fans[0].Nodes[2]: master: must be named once",
		"Fans[1].Name: main: ", "Fans[1].SetPointCelsius: 3: ", "Fans[1].Controller.MinimumDuty: 2: ", "Fans[1].Controller.Gain: -1: ",
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
