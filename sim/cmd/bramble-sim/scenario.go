package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/document"
	"github.com/bramblemesh/bramble/sim"
)

// maxScenario is the longest that a scenario may last, a month.
const maxScenario = 31 * 24 * time.Hour

// loadScenario finds a scenario by its name, or reads it from a YAML file, and checks that it fits the case.
func loadScenario(name string, cfg sim.Config) (sim.Scenario, error) {
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" && !strings.ContainsRune(name, filepath.Separator) {
		s, err := sim.ScenarioNamed(name)
		if err != nil {
			return sim.Scenario{}, daemon.UsageError{Err: fmt.Errorf("--scenario: %w; a file's name ends in .yaml", err)}
		}
		return s, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return sim.Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	return readScenario(name, data, cfg)
}

// readScenario reads a scenario file. Every fault is reported at once.
func readScenario(name string, data []byte, cfg sim.Config) (sim.Scenario, error) {
	doc, err := document.Parse(name, data)
	if err != nil {
		return sim.Scenario{}, err
	}
	top := doc.Map()
	s := sim.Scenario{
		Name:        top.Key("name").String(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))),
		Description: top.Key("description").String(""),
		Duration:    top.Key("duration").Duration(0, document.Limits[time.Duration]{Of: "a duration", Max: maxScenario}),
		SettledDuty: top.Key("settled_duty").Percent(0, document.Limits[float64]{Of: "a duty", Max: 1}),
		SlowKelvin:  top.Key("slow_kelvin").Float(0, document.Limits[float64]{Of: "a rise over the room", Max: 60}),
	}
	for _, item := range top.Key("steps").Required("the steps").List() {
		s.Steps = append(s.Steps, readStep(item.Map()))
	}
	if err := doc.Faults(); err != nil {
		return sim.Scenario{}, err
	}
	if err := s.Validate(cfg); err != nil {
		return sim.Scenario{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func readStep(m *document.Map) sim.Step {
	at := m.Key("at")
	step := sim.Step{
		At:     at.Required("when, such as 10s").Duration(0, document.Limits[time.Duration]{Of: "a time since the start", Max: maxScenario}),
		Board:  m.Key("board").String(""),
		Bursts: m.Key("bursts").Bool(false),
		Typed:  m.Key("typed").String(""),
		Fault:  readFault(m.Key("fault")),
		Other:  m.Key("other").String(""),
		Value:  m.Key("value").Float(0, document.Limits[float64]{Of: "a fault's value", Min: -100, Max: 100}),
		Clear:  readFault(m.Key("clear")),
	}
	if v := m.Key("load"); v.Written() {
		step.Load = new(v.Percent(0, document.Limits[float64]{Of: "a load", Max: 1}))
	}
	if v := m.Key("ambient"); v.Written() {
		step.Ambient = new(v.Celsius(0, document.Limits[float64]{Of: "a room", Min: -20, Max: 60}))
	}
	return step
}

func readFault(v document.Value) sim.FaultKind {
	if !v.Written() {
		return sim.NoFault
	}
	var names []string
	for _, kind := range sim.FaultKinds() {
		names = append(names, kind.String())
	}
	kind, err := sim.ParseFaultKind(v.Choice(names[0], names...))
	if err != nil {
		v.Fault(err.Error())
	}
	return kind
}
