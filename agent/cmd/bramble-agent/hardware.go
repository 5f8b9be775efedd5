package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/host/cpufreq"
	"github.com/bramblemesh/bramble/host/link"
	"github.com/bramblemesh/bramble/host/thermal"
)

// How often to look for sensors that came or went: a rescan costs some forty file operations a sensor.
const (
	rescanEvery   = time.Minute
	rescanFailing = 10 * time.Second // while a sensor fails: its driver may have been replaced
)

// sensors is everything on a board that can be measured, as the agent's port. Drivers may load after the agent started,
// so it looks again from time to time.
//
// Reads of different sensors may run at the same time: each touches its own open file only. A rescan replaces files, so
// it waits for a moment without a read; it never makes one wait for another.
type sensors struct {
	root    string
	failing atomic.Bool // a sensor that is there did not answer since the last rescan
	scanned time.Time   // the sampler's own

	mu      sync.RWMutex
	thermal *thermal.Set
	ports   *link.Ports
	clock   *cpufreq.Clock
	list    []agent.Sensor
	reads   []func() (float64, error)
}

// openSensors finds the sensors. What cannot be looked for at all is a failed capability, and hides nothing else.
func openSensors(root string) (*sensors, []agent.Capability) {
	s := &sensors{root: root, scanned: time.Now()}
	var failed []agent.Capability
	fail := func(kind agent.CapabilityKind, err error) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			failed = append(failed, agent.Capability{Kind: kind, State: agent.Failed, Detail: err.Error()})
		}
	}
	var err error
	s.thermal, err = thermal.Open(root)
	fail(agent.TemperatureCapability, err)
	s.clock, err = cpufreq.Open(root)
	fail(agent.CPUClockCapability, err)
	s.ports, err = link.Open(root)
	fail(agent.LinkSpeedCapability, err)
	s.compile()
	return s, failed
}

// Sensors lists what there is, after a look for changes when one is due.
func (s *sensors) Sensors() []agent.Sensor {
	age := time.Since(s.scanned)
	if (age >= rescanEvery || age >= rescanFailing && s.failing.Load()) && s.mu.TryLock() {
		s.rescan()
		s.mu.Unlock()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.list
}

// Read reads sensor i of the newest list.
func (s *sensors) Read(i int) (float64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i >= len(s.reads) {
		return 0, fmt.Errorf("no sensor %d: %w", i, errors.ErrUnsupported)
	}
	value, err := s.reads[i]()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.failing.Store(true)
	}
	return value, err
}

// rescan looks again. What it cannot find out now it finds out a minute later: until then every sensor says itself what
// is wrong with it.
func (s *sensors) rescan() {
	s.scanned = time.Now()
	s.failing.Store(false)
	changed := false
	if s.thermal != nil {
		news, err := s.thermal.Rescan()
		changed = err == nil && news || changed
	}
	if s.ports != nil {
		news, err := s.ports.Rescan()
		changed = err == nil && news || changed
	}
	if s.clock == nil {
		if clock, err := cpufreq.Open(s.root); err == nil {
			s.clock, changed = clock, true
		}
	}
	if changed {
		s.compile()
	}
}

// compile makes the list anew, in which every name is another one.
func (s *sensors) compile() {
	s.list, s.reads = nil, nil
	taken := map[string]bool{}
	add := func(sensor agent.Sensor, again string, read func() (float64, error)) {
		for taken[sensor.Name] {
			sensor.Name += again
		}
		taken[sensor.Name] = true
		s.list, s.reads = append(s.list, sensor), append(s.reads, read)
	}
	if set := s.thermal; set != nil {
		for i, found := range set.Sensors() {
			add(agent.Sensor{Name: found.Name, Kind: kindOf(found.Kind), Source: found.Source, LimitCelsius: found.LimitCelsius},
				"@thermal", func() (float64, error) { return set.Read(i) })
		}
	}
	if clock := s.clock; clock != nil {
		add(agent.Sensor{Name: "cpu-clock", Kind: agent.CPUClock, Source: clock.Source()}, "@cpufreq", func() (float64, error) {
			hertz, err := clock.Read()
			return float64(hertz), err
		})
	}
	if ports := s.ports; ports != nil {
		for i, name := range ports.Names() {
			add(agent.Sensor{Name: name, Kind: agent.LinkSpeed, Source: "/sys/class/net/" + name + "/speed"}, "@link", func() (float64, error) {
				speed, err := ports.Read(i)
				return float64(speed), err
			})
		}
	}
}

func kindOf(kind thermal.Kind) agent.SensorKind {
	switch kind {
	case thermal.KindSoC:
		return agent.SoCTemperature
	case thermal.KindDrive:
		return agent.DriveTemperature
	default:
		return agent.OtherTemperature
	}
}
