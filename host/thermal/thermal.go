// Package thermal reads the temperatures that the kernel offers: thermal zones
// and hwmon inputs.
//
// [Open] looks once at /sys/class/thermal and /sys/class/hwmon and lists what is
// there. Then [Set.Read] reads one sensor at a time from a file that stays open,
// in about a microsecond and without allocation. [Set.Rescan] looks again.
//
// Guarantees:
//   - An index means the same sensor until Close. A sensor that goes away stays
//     in the list, fails with [errors.ErrUnsupported], and comes back by Rescan.
//   - Every sensor fails on its own. A disabled zone, a dead probe or a driver
//     that is not ready is listed with its error and hides no other.
//   - A failed reading is an error, never a number.
//   - The hwmon device that the kernel makes of every thermal zone
//     (drivers/thermal/thermal_hwmon.c) is left out: it is the same sensor.
//
// Names come from what the kernel calls a sensor, never from its number, for
// zones and hwmon devices are numbered in the order of probing: "cpu-thermal",
// "nvme/Composite". Where two sensors would have one name, each carries its
// device: "nvme@0000:01:00.0/Composite".
//
// Two drivers are not asked at every Read, because asking has a price: drivetemp
// may keep a disk from spinning down (Documentation/hwmon/drivetemp.rst), and
// w1_slave_temp converts for 750 ms while the caller waits (DS18B20 datasheet).
// Such a sensor has an Interval of one minute; between, Read repeats the last
// answer, reading or error, and [Set.Age] says how old it is. Who wants an
// affected disk (the kernel's page names WD120EFAX) to sleep unloads drivetemp,
// which no system loads by itself.
//
// A Set is for one goroutine at a time.
package thermal

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// Kind says what a sensor sits on.
type Kind uint8

// The kinds.
const (
	KindOther Kind = iota // a wireless card, an I/O chip, the room
	KindSoC               // the processor or a part of its chip
	KindDrive             // a disk
)

// String returns "SoC", "drive" or "other".
func (k Kind) String() string {
	switch k {
	case KindSoC:
		return "SoC"
	case KindDrive:
		return "drive"
	}
	return "other"
}

// slow is the Interval of drivers that should not be asked every second.
const slow = time.Minute

// Sensor describes one temperature.
type Sensor struct {
	Name         string        // unique within the Set, printable, the same after a restart
	Source       string        // path of the kernel file
	Kind         Kind          // what it sits on
	LimitCelsius float64       // the driver's critical temperature, else hot or maximum; 0 if it states none
	Interval     time.Duration // least time between two questions to the driver; 0: every Read asks
}

// Set is the machine's sensors. Make one with [Open].
type Set struct {
	root    string
	open    func(path string) (input, error)
	sensors []*sensor
}

// input is an open kernel file that holds one whole number.
type input interface {
	Int() (int64, error)
	Moved() bool
	Close() error
}

type sensor struct {
	Sensor
	key   string
	input input // nil while there is none to read
	fault input // the driver's own verdict on the probe; nil for most
	gone  error // why input is nil

	cause, failure error // the last failed read: as the kernel said it, as Read says it

	asked   time.Time // with an Interval: the last question and its answer
	celsius float64
	err     error
}

// Open lists the sensors under root; "" and "/" are the live system. A machine
// without any gives an empty Set and no error. Only a directory that is there
// and cannot be listed is an error.
func Open(root string) (*Set, error) {
	return open(root, func(path string) (input, error) {
		file, err := attribute.Open(path)
		if err != nil {
			return nil, err
		}
		return file, nil
	})
}

func open(root string, openInput func(path string) (input, error)) (*Set, error) {
	s := &Set{root: root, open: openInput}
	if _, err := s.Rescan(); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// Sensors returns the list, in the order of the indices of Read.
func (s *Set) Sensors() []Sensor {
	list := make([]Sensor, len(s.sensors))
	for i, n := range s.sensors {
		list[i] = n.Sensor
	}
	return list
}

// Read returns the temperature of sensor i, an index into Sensors, in degrees
// Celsius. Its error names the sensor and wraps what the kernel said:
// errors.ErrUnsupported where the sensor is gone or has no file to read, else a
// *fs.PathError with the errno (EINVAL, ENODATA, EAGAIN, EIO, EACCES).
func (s *Set) Read(i int) (celsius float64, err error) {
	if i < 0 || i >= len(s.sensors) {
		return 0, fmt.Errorf("thermal: no sensor %d, there are %d", i, len(s.sensors))
	}
	n := s.sensors[i]
	if n.Interval == 0 {
		return n.read()
	}
	if n.asked.IsZero() || time.Since(n.asked) >= n.Interval {
		n.celsius, n.err = n.read()
		n.asked = time.Now()
	}
	return n.celsius, n.err
}

// Age returns how old the answer is that Read last gave for sensor i: 0 for a
// sensor without Interval, and before the first Read.
func (s *Set) Age(i int) time.Duration {
	if i < 0 || i >= len(s.sensors) || s.sensors[i].asked.IsZero() {
		return 0
	}
	return time.Since(s.sensors[i].asked)
}

// Rescan looks for sensors that came, went, returned or moved, and opens and
// closes files accordingly. It reports whether Sensors or a sensor's presence
// changed. After an error the Set is as it was. It costs some forty file
// operations a sensor: call it once a minute, and every ten seconds while a
// sensor fails.
func (s *Set) Rescan() (changed bool, err error) {
	places, err := scan(s.root)
	if err != nil {
		return false, err
	}
	present := make(map[string]bool, len(places))
	var fresh []place
	for _, p := range places {
		present[p.key] = true
		if n := s.find(p.key); n != nil {
			changed = s.refresh(n, p) || changed
		} else {
			fresh = append(fresh, p)
		}
	}
	for _, n := range s.sensors {
		if !present[n.key] && n.present() {
			n.drop(fmt.Errorf("%s is gone: %w", n.Source, errors.ErrUnsupported))
			changed = true
		}
	}
	for _, p := range name(fresh, s.taken()) {
		n := &sensor{key: p.key, Sensor: Sensor{Name: p.name, Kind: p.kind, Interval: p.interval}}
		s.attach(n, p)
		s.sensors = append(s.sensors, n)
		changed = true
	}
	return changed, nil
}

// Close closes all files. Every Read after it fails.
func (s *Set) Close() error {
	var errs []error
	for _, n := range s.sensors {
		errs = append(errs, n.drop(fs.ErrClosed))
	}
	return errors.Join(errs...)
}

func (s *Set) find(key string) *sensor {
	for _, n := range s.sensors {
		if n.key == key {
			return n
		}
	}
	return nil
}

func (s *Set) taken() map[string]bool {
	taken := make(map[string]bool, len(s.sensors))
	for _, n := range s.sensors {
		taken[n.Name] = true
	}
	return taken
}

// refresh makes a known sensor read from place p, and reports whether that is news.
func (s *Set) refresh(n *sensor, p place) bool {
	if n.input != nil && !n.input.Moved() {
		return false
	}
	before, was := n.Sensor, n.input != nil
	_ = n.drop(nil)
	s.attach(n, p)
	return was || n.input != nil || n.Sensor != before
}

// attach opens the files of place p for sensor n.
func (s *Set) attach(n *sensor, p place) {
	n.Source, n.LimitCelsius = p.path, p.limit()
	n.asked = time.Time{}
	if n.input, n.gone = s.open(p.path); n.gone != nil {
		n.input = nil
		return
	}
	if p.fault == "" {
		return
	}
	// A driver that offers a fault flag but no way to read it has none.
	if fault, err := s.open(p.fault); err == nil {
		n.fault = fault
	}
}
