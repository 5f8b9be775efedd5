package thermal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/hosttest"
	"github.com/bramblemesh/bramble/host/internal/attribute"
)

func openTree(t testing.TB, root string) *Set {
	t.Helper()
	set, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	return set
}

func index(t testing.TB, set *Set, name string) int {
	t.Helper()
	for i, sensor := range set.Sensors() {
		if sensor.Name == name {
			return i
		}
	}
	t.Fatalf("no sensor %s in %v", name, set.Sensors())
	return -1
}

func rescan(t *testing.T, set *Set, want bool) {
	t.Helper()
	if changed, err := set.Rescan(); err != nil || changed != want {
		t.Errorf("rescan: changed %v, %v; want %v", changed, err, want)
	}
}

func reads(t *testing.T, set *Set, name string, want float64) {
	t.Helper()
	if got, err := set.Read(index(t, set, name)); err != nil || got != want {
		t.Errorf("%s: %v, %v; want %v", name, got, err, want)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// script is a kernel file whose answers are set by the test.
type script struct {
	value int64
	err   error
	reads int
}

func (s *script) Int() (int64, error) { s.reads++; return s.value, s.err }
func (s *script) Moved() bool         { return false }
func (s *script) Close() error        { return nil }

// scripted opens a tree with every temperature file behind the script of
// its path's end.
func scripted(t *testing.T, root string, scripts map[string]*script) *Set {
	t.Helper()
	set, err := open(root, func(path string) (input, error) {
		for end, s := range scripts {
			if strings.HasSuffix(path, end) {
				return s, nil
			}
		}
		return attribute.Open(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	return set
}

// TestErrors goes through what drivers answer instead of a temperature.
func TestErrors(t *testing.T) {
	root := hosttest.Tree(t, "pi-5")
	for _, test := range []struct {
		errno       unix.Errno
		unsupported bool
		advice      string
	}{
		{unix.EAGAIN, false, "no value yet"},
		{unix.ENODATA, false, "no value yet"},
		{unix.EINVAL, false, "mode"},
		{unix.EIO, false, "hardware"},
		{unix.EACCES, false, "let the agent's user read"},
		{unix.ETIMEDOUT, false, ""},
		{unix.ENODEV, true, ""},
	} {
		kernel := &script{err: &fs.PathError{Op: "read", Path: "/sys/zone/temp", Err: test.errno}}
		set := scripted(t, root, map[string]*script{"thermal_zone0/temp": kernel})
		soc := index(t, set, "cpu-thermal")
		_, err := set.Read(soc)
		if !errors.Is(err, test.errno) || errors.Is(err, errors.ErrUnsupported) != test.unsupported {
			t.Errorf("%v: got %v", test.errno, err)
			continue
		}
		for _, part := range []string{"sensor cpu-thermal: ", "/sys/zone/temp", test.advice} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v: %q does not say %q", test.errno, err, part)
			}
		}
		if n := testing.AllocsPerRun(10, func() { _, _ = set.Read(soc) }); n != 0 {
			t.Errorf("%v: a lasting failure allocates %v times", test.errno, n)
		}
		reads(t, set, "nvme/Composite", 40.85)

		kernel.value, kernel.err = 60000, nil
		reads(t, set, "cpu-thermal", 60)
	}
}

func TestAnotherErrorIsAnotherMessage(t *testing.T) {
	kernel := &script{err: &fs.PathError{Op: "read", Path: "temp", Err: unix.EAGAIN}}
	set := scripted(t, hosttest.Tree(t, "pi-4b"), map[string]*script{"thermal_zone0/temp": kernel})
	_, first := set.Read(0)
	kernel.err = &fs.PathError{Op: "read", Path: "temp", Err: unix.EIO}
	if _, second := set.Read(0); !errors.Is(first, unix.EAGAIN) || !errors.Is(second, unix.EIO) {
		t.Errorf("first %v, second %v", first, second)
	}
}

// TestVanishAndReturn unbinds and binds a driver: the sensor stays listed, says
// that it is gone, and comes back under the same index.
func TestVanishAndReturn(t *testing.T) {
	root := hosttest.Tree(t, "pi-5")
	set := openTree(t, root)
	rescan(t, set, false)
	disk := index(t, set, "nvme/Composite")
	class, aside := filepath.Join(root, "sys/class/hwmon/hwmon1"), filepath.Join(root, "aside")

	move(t, class, aside)
	rescan(t, set, true)
	if _, err := set.Read(disk); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "nvme/Composite") {
		t.Errorf("a sensor that is gone reads %v", err)
	}
	reads(t, set, "cpu-thermal", 47.25)
	rescan(t, set, false)

	move(t, aside, class)
	rescan(t, set, true)
	if celsius, err := set.Read(disk); err != nil || celsius != 40.85 {
		t.Errorf("a sensor that came back reads %v, %v", celsius, err)
	}
	rescan(t, set, false)
}

// TestFileReplaced unbinds and binds between two scans: the path is the same,
// the open file is dead.
func TestFileReplaced(t *testing.T) {
	root := hosttest.Tree(t, "pi-4b")
	set := openTree(t, root)
	path := filepath.Join(root, "sys/devices/virtual/thermal/thermal_zone0/temp")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	rescan(t, set, true)
	if _, err := set.Read(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("zone without a temp file reads %v", err)
	}
	rescan(t, set, false)
	if err := os.WriteFile(path, []byte("61000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	rescan(t, set, true)
	reads(t, set, "cpu-thermal", 61)
}

// TestRenumbered swaps two disks' hwmon numbers, as a reboot or a new probe
// does: names follow the device.
func TestRenumbered(t *testing.T) {
	root := hosttest.Tree(t, "pc")
	set := openTree(t, root)
	first, second := filepath.Join(root, "sys/class/hwmon/hwmon1"), filepath.Join(root, "sys/class/hwmon/hwmon2")
	move(t, first, first+"-aside")
	move(t, second, first)
	move(t, first+"-aside", second)
	rescan(t, set, true)
	again := openTree(t, root)
	for _, s := range []*Set{set, again} {
		reads(t, s, "nvme@0000:01:00.0/Composite", 38.85)
		reads(t, s, "nvme@0000:02:00.0/Composite", 41.85)
	}
	if len(set.Sensors()) != len(again.Sensors()) {
		t.Errorf("%d sensors became %d", len(again.Sensors()), len(set.Sensors()))
	}
}

// TestNumbersAreNotIdentity: a disk that comes back as another nvmeN on the same
// PCI address is the same sensor.
func TestNumbersAreNotIdentity(t *testing.T) {
	root := hosttest.Tree(t, "pi-5")
	set := openTree(t, root)
	before := set.Sensors()
	disk := index(t, set, "nvme/Composite")
	parent := filepath.Join(root, "sys/devices/platform/axi/1000110000.pcie/pci0001:00/0001:00:00.0/0001:01:00.0/nvme")
	move(t, filepath.Join(parent, "nvme0"), filepath.Join(parent, "nvme3"))
	move(t, filepath.Join(root, "sys/class/hwmon/hwmon1"), filepath.Join(root, "aside"))
	rescan(t, set, true)
	if err := os.Symlink("../../devices/"+parent[len(root)+len("/sys/devices/"):]+"/nvme3/hwmon1", filepath.Join(root, "sys/class/hwmon/hwmon6")); err != nil {
		t.Fatal(err)
	}
	rescan(t, set, true)
	if celsius, err := set.Read(disk); err != nil || celsius != 40.85 || len(set.Sensors()) != len(before) {
		t.Errorf("%v, %v, %d sensors of %d", celsius, err, len(set.Sensors()), len(before))
	}
}

func TestNumbered(t *testing.T) {
	for part, want := range map[string]bool{
		"nvme": true, "nvme1": true, "host0": true, "target0:0:0": true, "0:0:0:0": true, "0003:1B1C:0C10.0005": true,
		"0000:01:00.0": false, "ata1": false, "coretemp.0": false, "1-0048": false, "LNXTHERM:00": false, "28-0000072431f2": false, "nvmem": false, "usb1": false,
	} {
		if got := numbered(part); got != want {
			t.Errorf("%s: %v", part, got)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		trips string // type and millidegrees, by index
		want  float64
	}{
		{"critical 90000", 90},
		{"active 50000, critical 110000, hot 95000", 110},
		{"critical 110000, critical 105000", 105},
		{"hot 95000, hot 85000, passive 70000", 85},
		{"critical -274000, hot 95000", 95},
		{"critical 0", 0},
		{"critical 105000, critical -274000", 105},
		{"critical 2147483647", 0},
		{"passive 60000", 0},
		{"", 0},
	} {
		root := t.TempDir()
		var tree strings.Builder
		tree.WriteString("-- sys/class/thermal/thermal_zone0/type --\nsoc\n-- sys/class/thermal/thermal_zone0/temp --\n1\n")
		for i, trip := range strings.Split(test.trips, ", ") {
			if kind, value, ok := strings.Cut(trip, " "); ok {
				stem := fmt.Sprintf("-- sys/class/thermal/thermal_zone0/trip_point_%d_", i)
				tree.WriteString(stem + "type --\n" + kind + "\n" + stem + "temp --\n" + value + "\n")
			}
		}
		hosttest.Unpack(t, root, tree.String())
		if got := openTree(t, root).Sensors()[0].LimitCelsius; got != test.want {
			t.Errorf("%s: %v, want %v", test.trips, got, test.want)
		}
	}
}

// TestLateTwin adds a second disk: the first keeps its name and index.
func TestLateTwin(t *testing.T) {
	root := hosttest.Tree(t, "pi-5")
	set := openTree(t, root)
	before := set.Sensors()
	hosttest.Unpack(t, root, `
-- sys/class/hwmon/hwmon7 -> ../../devices/pci0002:00/0002:01:00.0/nvme/nvme7/hwmon7 --
-- sys/devices/pci0002:00/0002:01:00.0/nvme/nvme7/hwmon7/device -> .. --
-- sys/devices/pci0002:00/0002:01:00.0/nvme/nvme7/hwmon7/name --
nvme
-- sys/devices/pci0002:00/0002:01:00.0/nvme/nvme7/hwmon7/temp1_input --
33000
-- sys/devices/pci0002:00/0002:01:00.0/nvme/nvme7/hwmon7/temp1_label --
Composite
`)
	rescan(t, set, true)
	for i, sensor := range before {
		if set.Sensors()[i] != sensor {
			t.Errorf("sensor %d was %v, is %v", i, sensor, set.Sensors()[i])
		}
	}
	reads(t, set, "nvme@0002:01:00.0/Composite", 33)
}

// TestDrivesAreAskedOnceAMinute holds for readings and for errors.
func TestDrivesAreAskedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &script{value: 33000}
		set := scripted(t, hosttest.Tree(t, "pc"), map[string]*script{"hwmon3/temp1_input": disk})
		i := index(t, set, "drivetemp@ata1/temp1")
		if set.Age(i) != 0 {
			t.Errorf("age before the first reading: %v", set.Age(i))
		}
		for range 600 {
			if celsius, err := set.Read(i); err != nil || celsius != 33 {
				t.Fatalf("%v, %v", celsius, err)
			}
			time.Sleep(time.Second)
		}
		if disk.reads != 10 {
			t.Errorf("%d questions in ten minutes", disk.reads)
		}
		disk.err = &fs.PathError{Op: "read", Path: "temp1_input", Err: unix.EIO}
		for range 30 {
			_, _ = set.Read(i)
			time.Sleep(time.Second)
		}
		if _, err := set.Read(i); !errors.Is(err, unix.EIO) || disk.reads != 11 {
			t.Errorf("after 30 s: %v, %d questions", err, disk.reads)
		}
		if age := set.Age(i); age != 30*time.Second {
			t.Errorf("age %v after 30 s", age)
		}
		if age := set.Age(index(t, set, "x86_pkg_temp")); age != 0 {
			t.Errorf("age of a sensor that is asked each time: %v", age)
		}
	})
}

func TestClosed(t *testing.T) {
	set := openTree(t, hosttest.Tree(t, "pi-4b"))
	if err := errors.Join(set.Close(), set.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := set.Read(0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}

func TestNoSuchIndex(t *testing.T) {
	set := openTree(t, hosttest.Tree(t, "pi-4b"))
	for _, i := range []int{-1, 1} {
		if _, err := set.Read(i); err == nil {
			t.Errorf("sensor %d was read", i)
		}
		if age := set.Age(i); age != 0 {
			t.Errorf("sensor %d has age %v", i, age)
		}
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	set := openTree(t, hosttest.Tree(t, "pc"))
	n := testing.AllocsPerRun(100, func() {
		for i := range set.sensors {
			_, _ = set.Read(i)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func BenchmarkRead(b *testing.B) {
	set := openTree(b, hosttest.Tree(b, "pi-4b"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Read(0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRescan(b *testing.B) {
	set := openTree(b, hosttest.Tree(b, "pi-5"))
	for b.Loop() {
		if _, err := set.Rescan(); err != nil {
			b.Fatal(err)
		}
	}
}
