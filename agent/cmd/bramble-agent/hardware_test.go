package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/host/hosttest"
	"github.com/bramblemesh/bramble/host/thermal"
)

const (
	zone  = "sys/devices/virtual/thermal/thermal_zone0/temp"
	alarm = "sys/devices/platform/soc/soc:firmware/raspberrypi-hwmon/hwmon/hwmon1/in0_lcrit_alarm"
)

// with unpacks the tree of a Raspberry Pi 3B+ with more files over it.
func with(t *testing.T, more string) string {
	t.Helper()
	root := hosttest.Tree(t, "pi-3b-plus")
	hosttest.Unpack(t, root, more)
	return root
}

func names(list []agent.Sensor) (all []string) {
	for _, s := range list {
		all = append(all, s.Name)
	}
	return all
}

// reading finds a sensor by its name and reads it.
func reading(t *testing.T, s *sensors, name string) (float64, error) {
	t.Helper()
	i := slices.Index(names(s.Sensors()), name)
	if i < 0 {
		t.Fatalf("no sensor %s among %v", name, names(s.Sensors()))
	}
	return s.Read(i)
}

func TestSensorsThatComeLate(t *testing.T) {
	root := with(t, "")
	synctest.Test(t, func(t *testing.T) {
		s, failed := openSensors(root)
		before := names(s.Sensors())
		if len(failed) != 0 || !slices.Equal(before, []string{"cpu-thermal", "cpu-clock", "eth0"}) {
			t.Fatalf("sensors %v, failed %v", before, failed)
		}
		hosttest.Unpack(t, root, "-- sys/class/thermal/thermal_zone1/type --\nnpu-thermal\n-- sys/class/thermal/thermal_zone1/temp --\n40000\n"+
			"-- sys/class/net/eth1/type --\n1\n-- sys/class/net/eth1/device/x --\n-- sys/class/net/eth1/carrier --\n1\n-- sys/class/net/eth1/speed --\n100\n")
		time.Sleep(rescanEvery - time.Second)
		if got := names(s.Sensors()); !slices.Equal(got, before) {
			t.Errorf("looked for too early: %v", got)
		}
		time.Sleep(time.Second)
		s.now.Load().mu.RLock() // a read that is under way
		if got := names(s.Sensors()); !slices.Equal(got, before) {
			t.Errorf("looked for during a read: %v", got)
		}
		s.now.Load().mu.RUnlock()
		if value, err := reading(t, s, "npu-thermal"); err != nil || value != 40 {
			t.Errorf("npu-thermal: %v, %v", value, err)
		}
		if value, err := reading(t, s, "eth1"); err != nil || value != 100 {
			t.Errorf("eth1: %v, %v", value, err)
		}
		hosttest.Unpack(t, root, "-- sys/class/thermal/thermal_zone2/type --\nddr-thermal\n-- sys/class/thermal/thermal_zone2/temp --\n40000\n")
		time.Sleep(rescanEvery - time.Second)
		if got := names(s.Sensors()); slices.Contains(got, "ddr-thermal") {
			t.Errorf("looked for again too early: %v", got)
		}
		if value, err := reading(t, s, "cpu-clock"); err != nil || value != 1.4e9 {
			t.Errorf("cpu-clock: %v, %v", value, err)
		}
		if _, err := s.Read(99); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a sensor that is not there: %v", err)
		}
	})
}

// TestReadThatHangsHidesNoNewSensor lets one driver hang for ever: what comes later is found all the same.
func TestReadThatHangsHidesNoNewSensor(t *testing.T) {
	root := with(t, "")
	synctest.Test(t, func(t *testing.T) {
		s, _ := openSensors(root)
		s.Sensors()
		gate, hung := make(chan struct{}), s.now.Load()
		hung.reads[0] = func() (float64, error) { <-gate; return 1, nil }
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			s.Read(0)
		}()
		hosttest.Unpack(t, root, "-- sys/class/thermal/thermal_zone1/type --\nnpu-thermal\n-- sys/class/thermal/thermal_zone1/temp --\n40000\n")
		time.Sleep(rescanHung)
		for range 2 { // the first begins to look, the second has found
			s.Sensors()
			synctest.Wait()
		}
		if value, err := reading(t, s, "npu-thermal"); err != nil || value != 40 {
			t.Errorf("npu-thermal: %v, %v", value, err)
		}
		if hung.thermal == nil {
			t.Error("files were closed under a read")
		}
		time.Sleep(rescanEvery)
		if got := names(s.Sensors()); s.finding || !slices.Contains(got, "cpu-thermal") {
			t.Errorf("another look in the usual way: finding %v, %v", s.finding, got)
		}
		close(gate)
		<-answered
		if hung.thermal != nil {
			t.Error("the files of the read that hung are still open")
		}
	})
}

func TestSensorThatFailsIsLookedForSooner(t *testing.T) {
	root := with(t, "")
	synctest.Test(t, func(t *testing.T) {
		s, _ := openSensors(root)
		path := filepath.Join(root, zone)
		if err := os.WriteFile(path, []byte("broken"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := reading(t, s, "cpu-thermal"); err == nil || errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("a broken sensor: %v", err)
		}
		if err := os.Remove(path); err != nil { // the driver is replaced: another file under the same path
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("47000\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rescanFailing)
		if value, err := reading(t, s, "cpu-thermal"); err != nil || value != 47 {
			t.Errorf("after %v: %v, %v", rescanFailing, value, err)
		}
	})
}

func TestNamesAreUnique(t *testing.T) {
	root := with(t, "-- sys/class/thermal/thermal_zone1/type --\ncpu-clock\n-- sys/class/thermal/thermal_zone1/temp --\n40000\n"+
		"-- sys/class/thermal/thermal_zone2/type --\neth0\n-- sys/class/thermal/thermal_zone2/temp --\n40000\n")
	s, _ := openSensors(root)
	if got := names(s.Sensors()); !slices.Equal(got, []string{"cpu-thermal", "cpu-clock", "eth0", "cpu-clock@cpufreq", "eth0@link"}) {
		t.Errorf("names: %v", got)
	}
}

func TestKinds(t *testing.T) {
	for from, want := range map[thermal.Kind]agent.SensorKind{
		thermal.KindSoC: agent.SoCTemperature, thermal.KindDrive: agent.DriveTemperature, thermal.KindOther: agent.OtherTemperature,
	} {
		if got := kindOf(from); got != want {
			t.Errorf("%v is %v, want %v", from, got, want)
		}
	}
}

func TestThrottlingThatComesLate(t *testing.T) {
	root := with(t, "")
	path := filepath.Join(root, alarm)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &throttling{root: root}
		if _, known, err := w.Word(); known != 0 || !errors.Is(err, errors.ErrUnsupported) || w.Source() != "" {
			t.Errorf("without a source: known %#x, %v, from %q", known, err, w.Source())
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(reopenEvery - time.Second)
		if _, _, err := w.Word(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("looked for too early: %v", err)
		}
		time.Sleep(time.Second)
		word, known, err := w.Word()
		if err != nil || known != 0x10001 || word != 0 || !strings.HasSuffix(w.Source(), "in0_lcrit_alarm") {
			t.Errorf("then: word %#x, known %#x, %v, from %q", word, known, err, w.Source())
		}
	})
}

func TestThrottlingThatKeepsFailing(t *testing.T) {
	root := with(t, "")
	path := filepath.Join(root, alarm)
	synctest.Test(t, func(t *testing.T) {
		w := &throttling{root: root}
		if _, _, err := w.Word(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("broken"), 0o644); err != nil {
			t.Fatal(err)
		}
		first := w.source
		for range 2 * (reopenAfter - 1) { // never so many in a row
			if _, _, err := w.Word(); err == nil {
				t.Fatal("a broken alarm is no failure")
			}
			if err := os.WriteFile(path, []byte("0\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.Word(); err != nil || w.source != first {
				t.Fatalf("in between: %v, another source: %v", err, w.source != first)
			}
			if err := os.WriteFile(path, []byte("broken"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for range reopenAfter {
			if _, _, err := w.Word(); err == nil {
				t.Fatal("a broken alarm is no failure")
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if word, known, err := w.Word(); err != nil || word != 0x10001 || known != 0x10001 {
			t.Errorf("after it was replaced: %#x, %#x, %v", word, known, err)
		}
	})
}

func TestFlagsFound(t *testing.T) {
	for _, c := range []struct {
		word, known   uint32
		state, phrase string
	}{
		{0, 0xf000f, stateOK, "no flag"},
		{0, 0x10001, stateOK, "other flags are not told"},
		{0x50000, 0xf000f, stateInfo, "now fine, has been: under-voltage, throttled"},
		{0x50005, 0xf000f, stateWrong, "now: under-voltage, throttled"},
		{0xe0008, 0xf000f, stateWrong, "now: soft-temperature-limit"},
	} {
		f := flagsFound(c.word, c.known)
		if f.State != c.state || !strings.Contains(f.Found, c.phrase) || (f.Advice != "") != (c.state == stateWrong) {
			t.Errorf("%#x of %#x: %+v", c.word, c.known, f)
		}
	}
}

func TestWithinGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		_, err := within(func() (int, error) { <-gate; return 1, nil })
		if err == nil || !strings.Contains(err.Error(), "hangs") {
			t.Errorf("a read that hangs: %v", err)
		}
		close(gate)
		if value, err := within(func() (int, error) { return 1, nil }); value != 1 || err != nil {
			t.Errorf("one that answers: %v, %v", value, err)
		}
	})
}

func TestArchitecture(t *testing.T) {
	if architecture() == "" {
		t.Error("nothing is told")
	}
}
