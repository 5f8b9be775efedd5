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
	rescanHung    = 2 * time.Minute  // after so long without one: a read hangs, and the sensors are found anew
)

// sensors is everything on a board that can be measured, as the agent's port. Drivers may load after the agent started,
// so it looks again from time to time.
type sensors struct {
	root    string
	failing atomic.Bool // a sensor that is there did not answer since the last rescan
	now     atomic.Pointer[inventory]

	// The sampler's own:
	scanned time.Time
	finding bool            // another inventory is being made
	found   chan *inventory // it
}

// inventory is the sensors that were found, with their open files.
//
// Reads of different sensors may run at the same time: each touches its own open file only. A rescan replaces files, so
// it waits for a moment without a read; it never makes one wait for another. Where a read hangs there is no such moment,
// and another inventory takes the place of this one, whose files are closed when the read returns.
type inventory struct {
	root string

	mu      sync.RWMutex
	thermal *thermal.Set
	ports   *link.Ports
	clock   *cpufreq.Clock
	list    []agent.Sensor
	reads   []func() (float64, error)

	replaced atomic.Bool
}

// openSensors finds the sensors. What cannot be looked for at all is a failed capability, and hides nothing else.
func openSensors(root string) (*sensors, []agent.Capability) {
	found, failed := takeInventory(root)
	s := &sensors{root: root, scanned: time.Now(), found: make(chan *inventory, 1)}
	s.now.Store(found)
	return s, failed
}

func takeInventory(root string) (*inventory, []agent.Capability) {
	v := &inventory{root: root}
	var failed []agent.Capability
	fail := func(kind agent.CapabilityKind, err error) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			failed = append(failed, agent.Capability{Kind: kind, State: agent.Failed, Detail: err.Error()})
		}
	}
	var err error
	v.thermal, err = thermal.Open(root)
	fail(agent.TemperatureCapability, err)
	v.clock, err = cpufreq.Open(root)
	fail(agent.CPUClockCapability, err)
	v.ports, err = link.Open(root)
	fail(agent.LinkSpeedCapability, err)
	v.compile()
	return v, failed
}

// Sensors lists what there is, after a look for changes when one is due.
func (s *sensors) Sensors() []agent.Sensor {
	select {
	case found := <-s.found:
		s.finding = false
		s.now.Swap(found).replace()
	default:
	}
	v := s.now.Load()
	switch age := time.Since(s.scanned); {
	case age < rescanEvery && (age < rescanFailing || !s.failing.Load()):
	case v.mu.TryLock():
		s.scanned = time.Now()
		s.failing.Store(false)
		v.rescan()
		v.mu.Unlock()
	case age >= rescanHung && !s.finding:
		s.scanned, s.finding = time.Now(), true
		go func() { // not joined: it may meet the driver that hangs
			found, _ := takeInventory(s.root)
			s.found <- found
		}()
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.list
}

// Read reads sensor i of the newest list.
func (s *sensors) Read(i int) (float64, error) {
	v := s.now.Load()
	value, err := v.read(i)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.failing.Store(true)
	}
	v.closeReplaced()
	return value, err
}

func (v *inventory) read(i int) (float64, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if i >= len(v.reads) {
		return 0, fmt.Errorf("no sensor %d: %w", i, errors.ErrUnsupported)
	}
	return v.reads[i]()
}

// replace marks an inventory that is of no more use.
func (v *inventory) replace() {
	v.replaced.Store(true)
	v.closeReplaced()
}

// closeReplaced closes the files of one that was replaced, unless a read of it still hangs: then that does it.
func (v *inventory) closeReplaced() {
	if !v.replaced.Load() || !v.mu.TryLock() {
		return
	}
	defer v.mu.Unlock()
	if v.thermal != nil {
		v.thermal.Close()
	}
	if v.ports != nil {
		v.ports.Close()
	}
	if v.clock != nil {
		v.clock.Close()
	}
	v.thermal, v.ports, v.clock = nil, nil, nil
	v.list, v.reads = nil, nil
}

// rescan looks again. What it cannot find out now it finds out a minute later: until then every sensor says itself what
// is wrong with it.
func (v *inventory) rescan() {
	changed := false
	if v.thermal != nil {
		news, err := v.thermal.Rescan()
		changed = err == nil && news || changed
	}
	if v.ports != nil {
		news, err := v.ports.Rescan()
		changed = err == nil && news || changed
	}
	if v.clock == nil {
		if clock, err := cpufreq.Open(v.root); err == nil {
			v.clock, changed = clock, true
		}
	}
	if changed {
		v.compile()
	}
}

// compile makes the list anew, in which every name is another one.
func (v *inventory) compile() {
	v.list, v.reads = nil, nil
	taken := map[string]bool{}
	add := func(sensor agent.Sensor, again string, read func() (float64, error)) {
		for taken[sensor.Name] {
			sensor.Name += again
		}
		taken[sensor.Name] = true
		v.list, v.reads = append(v.list, sensor), append(v.reads, read)
	}
	if set := v.thermal; set != nil {
		for i, found := range set.Sensors() {
			add(agent.Sensor{Name: found.Name, Kind: kindOf(found.Kind), Source: found.Source, LimitCelsius: found.LimitCelsius},
				"@thermal", func() (float64, error) { return set.Read(i) })
		}
	}
	if clock := v.clock; clock != nil {
		add(agent.Sensor{Name: "cpu-clock", Kind: agent.CPUClock, Source: clock.Source()}, "@cpufreq", func() (float64, error) {
			hertz, err := clock.Read()
			return float64(hertz), err
		})
	}
	if ports := v.ports; ports != nil {
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
