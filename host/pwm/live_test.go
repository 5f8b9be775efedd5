package pwm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/host/hosttest"
)

// header is a Pi 4 whose channel is exported and off, as plain files: links, descriptors and
// what is written where are real, the driver's manners are not.
const header = `-- sys/class/pwm/pwmchip0 -> ../../devices/platform/soc/fe20c000.pwm/pwm/pwmchip0 --
-- sys/devices/platform/soc/fe20c000.pwm/of_node -> ../../../../firmware/devicetree/base/soc/pwm@7e20c000 --
-- sys/firmware/devicetree/base/soc/pwm@7e20c000/compatible --
"brcm,bcm2835-pwm\x00"
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/device -> ../../../fe20c000.pwm --
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/npwm --
2
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/period --
0
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/duty_cycle --
0
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/polarity --
normal
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/enable --
0
`

// wantFile compares the first line of a file below root.
func wantFile(t *testing.T, path, want string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if first, _, _ := strings.Cut(string(content), "\n"); err != nil || first != want {
		t.Errorf("%s holds %q, %v; want %q", path, content, err, want)
	}
}

func TestChannelOnRealFiles(t *testing.T) {
	root := t.TempDir()
	hosttest.Unpack(t, root, header)
	dir := filepath.Join(root, "sys/class/pwm/pwmchip0/pwm0")
	c, err := Open(t.Context(), Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir+"/period", "40000")
	wantFile(t, dir+"/duty_cycle", "40000")
	wantFile(t, dir+"/enable", "1")

	fraction := 0.0
	if n := testing.AllocsPerRun(1000, func() {
		fraction = 0.2 + fraction/2
		if err := c.SetDuty(fraction); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per SetDuty", n)
	}
	wantFile(t, dir+"/duty_cycle", "16000")
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Duty(), c.Safe() }); n != 0 {
		t.Errorf("%v allocations per Safe", n)
	}
	wantFile(t, dir+"/duty_cycle", "40000")
	if err := errors.Join(c.SetDuty(0.5), c.Close()); err != nil {
		t.Fatal(err)
	}
	if err := Safe(t.Context(), Config{Root: root, Device: "20c000.pwm"}); err != nil {
		t.Error(err)
	}
	wantFile(t, dir+"/duty_cycle", "40000")
}

func TestHwmonOnRealFiles(t *testing.T) {
	root := hosttest.Tree(t, "pi-5")
	fan := filepath.Join(root, "sys/devices/platform/cooling_fan/hwmon/hwmon3")
	hosttest.Unpack(t, root, "-- sys/devices/platform/cooling_fan/hwmon/hwmon3/pwm1_enable --\n1\n"+
		"-- sys/devices/platform/cooling_fan/hwmon/hwmon3/fan1_input --\n2994\n")
	h, err := OpenHwmon(HwmonConfig{Root: root, Name: "pwmfan", TakeOver: true})
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, fan+"/pwm1_enable", "2")
	if n := testing.AllocsPerRun(1000, func() {
		if err := h.SetDuty(0.8); err != nil {
			t.Fatal(err)
		}
		if rpm, err := h.RPM(); rpm != 2994 || err != nil {
			t.Fatal(rpm, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per tick", n)
	}
	wantFile(t, fan+"/pwm1", "204")
	if err := errors.Join(h.Restore(), h.Close()); err != nil {
		t.Fatal(err)
	}
	wantFile(t, fan+"/pwm1", "255")
	wantFile(t, fan+"/pwm1_enable", "1")
}

// A machine that has none of it says so.
func TestNothingThere(t *testing.T) {
	root := t.TempDir()
	if _, err := Open(t.Context(), Config{Root: root}); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open: %v", err)
	}
	if _, err := OpenHwmon(HwmonConfig{Root: root}); !errors.Is(err, ErrNotFound) {
		t.Errorf("OpenHwmon: %v", err)
	}
	if err := Safe(t.Context(), Config{Root: root}); !errors.Is(err, ErrNotFound) {
		t.Errorf("Safe: %v", err)
	}
	if err := SafeHwmon(HwmonConfig{Root: root, TakeOver: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("SafeHwmon: %v", err)
	}
}

func BenchmarkSetDuty(b *testing.B) {
	root := b.TempDir()
	hosttest.Unpack(b, root, header)
	c, err := Open(b.Context(), Config{Root: root})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.SetDuty(0.4); err != nil {
			b.Fatal(err)
		}
	}
}
