package doneline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/host/hosttest"
)

// overlay is a Raspberry Pi 4 with dtoverlay=gpio-poweroff,gpiopin=26,active_delay_ms=150 whose driver is bound.
const overlay = `-- proc/device-tree/power_ctrl/compatible --
"gpio-poweroff\x00"
-- proc/device-tree/power_ctrl/status --
"okay\x00"
-- proc/device-tree/power_ctrl/gpios --
"\x00\x00\x00\x07\x00\x00\x00\x1a\x00\x00\x00\x00"
-- proc/device-tree/power_ctrl/active-delay-ms --
"\x00\x00\x00\x96"
-- sys/bus/platform/drivers/poweroff-gpio/power_ctrl/uevent --
-- sys/bus/gpio/devices/gpiochip0/of_node/phandle --
"\x00\x00\x00\x07"
-- sys/bus/gpio/devices/gpiochip1/of_node/phandle --
"\x00\x00\x00\x09"
-- usr/lib/systemd/system-shutdown/README --
-- run/bramble/agent.sock --
`

// fake is a board with one header chip and one line that matters.
type fake struct {
	info    gpio.Info
	fault   error // of a look at the line
	refusal error // of a request

	held   bool
	levels []bool // every level that was set
}

func (f *fake) inspect(line gpio.Line) (gpio.Info, error) {
	if f.held {
		return gpio.Info{Used: true, Consumer: Consumer, Output: true}, f.fault
	}
	return f.info, f.fault
}

func (f *fake) label(chip string) string {
	return map[string]string{"gpiochip0": "pinctrl-bcm2711", "gpiochip1": "raspberrypi-exp-gpio"}[chip]
}

func (f *fake) take(_ gpio.Line, high bool) (held, error) {
	if f.refusal != nil {
		return nil, f.refusal
	}
	f.held = true
	return f, f.set(high)
}

func (f *fake) set(high bool) error {
	f.levels = append(f.levels, high)
	return nil
}

func (f *fake) Close() error {
	f.held = false
	return nil
}

// board is a tree with files over it, and its kernel.
func board(t *testing.T, kernel *fake, helper *gpio.Line, files string) *Line {
	t.Helper()
	root := t.TempDir()
	hosttest.Unpack(t, root, files)
	l := &Line{finder: finder{Config: Config{Root: root, Helper: helper}}}
	if kernel != nil {
		l.finder.lines = kernel
	}
	return l
}

func install(t *testing.T, l *Line) {
	t.Helper()
	path := l.finder.path(HelperPath)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestOverlayIsReadFromTheDeviceTree(t *testing.T) {
	held := gpio.Info{Used: true, Consumer: "power_ctrl", Output: true}
	good := Signal{Mechanism: Overlay, Line: gpio.Line{Chip: "pinctrl-bcm2711", Offset: 26}, Source: "/proc/device-tree/power_ctrl",
		ActiveDelay: 150 * time.Millisecond, InactiveDelay: 100 * time.Millisecond, Timeout: 3 * time.Second}
	activeLow, unread := good, good
	activeLow.ActiveLow = true
	unread.Line = gpio.Line{}
	for _, c := range []struct {
		name    string
		files   string
		kernel  *fake
		helper  *gpio.Line
		want    Signal // without its trouble
		trouble string
	}{
		{"good", overlay, &fake{info: held}, nil, good, ""},
		{"configured the same", overlay, &fake{info: held}, &gpio.Line{Offset: 26}, good, ""},
		{"configured otherwise", overlay, &fake{info: held}, &gpio.Line{Offset: 20}, good, "raises line pinctrl-bcm2711/26 and done names line header/20"},
		{"another chip", overlay, &fake{info: held}, &gpio.Line{Chip: "expander", Offset: 26}, good, "done names line expander/26"},
		{"active low", overlay + "-- proc/device-tree/power_ctrl/gpios --\n\"\\x00\\x00\\x00\\x07\\x00\\x00\\x00\\x1a\\x00\\x00\\x00\\x01\"\n", &fake{info: held}, nil, activeLow, ""},
		{"nobody drives it", overlay, &fake{}, nil, good, "nobody drives line pinctrl-bcm2711/26"},
		{"may not be opened", overlay, &fake{fault: os.ErrPermission}, nil, good, ""},
		{"driver not bound", strings.ReplaceAll(overlay, "poweroff-gpio/power_ctrl", "poweroff-gpio/other"), &fake{info: held}, nil, good, "CONFIG_POWER_RESET_GPIO"},
		{"no driver", strings.ReplaceAll(overlay, "poweroff-gpio", "leds-gpio"), &fake{info: held}, nil, good, "CONFIG_POWER_RESET_GPIO"},
		{"below a bus", strings.ReplaceAll(overlay, "poweroff-gpio/power_ctrl", "poweroff-gpio/soc:power_ctrl"), &fake{info: held}, nil, good, ""},
		{"no line", strings.ReplaceAll(overlay, "power_ctrl/gpios", "power_ctrl/gpio"), &fake{info: held}, nil, unread, "gpiopin=N"},
		{"disabled", strings.ReplaceAll(overlay, "okay", "disabled"), &fake{info: held}, nil, Signal{}, ""},
		{"another driver's", strings.ReplaceAll(overlay, `"gpio-poweroff`, `"gpio-poweroff-2`), &fake{info: held}, nil, Signal{}, ""},
		{"nothing", "", &fake{}, nil, Signal{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := board(t, c.kernel, c.helper, c.files).Signal()
			if c.trouble == "" && got.Trouble != "" || !strings.Contains(got.Trouble, c.trouble) || strings.Contains(got.Trouble, "\n") {
				t.Errorf("trouble %q, want %q", got.Trouble, c.trouble)
			}
			got.Trouble = ""
			if got != c.want {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
			if len(c.kernel.levels) > 0 {
				t.Error("the kernel's line was touched")
			}
		})
	}
}

func TestHelperHoldsTheLineLowAndLeavesWord(t *testing.T) {
	k := &fake{}
	l := board(t, k, &gpio.Line{Chip: "pinctrl rp1", Offset: 7}, "-- run/bramble/agent.sock --\n")
	install(t, l)
	if got, want := l.Signal(), (Signal{Mechanism: Helper, Line: *l.finder.Helper, Source: "/" + HelperPath}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if !k.held || len(k.levels) != 1 || k.levels[0] {
		t.Errorf("held %v, levels %v", k.held, k.levels)
	}
	if line, err := ReadSettings(l.finder.Root); err != nil || line != *l.finder.Helper {
		t.Errorf("bramble-done reads %v, %v", line, err)
	}
	if err := l.Close(); err != nil || k.held || k.levels[len(k.levels)-1] {
		t.Errorf("close: %v, held %v, levels %v", err, k.held, k.levels)
	}
	if l.Signal(); k.held {
		t.Error("taken again after Close")
	}
	if _, err := ReadSettings(l.finder.Root); err != nil {
		t.Errorf("the word does not outlive us: %v", err)
	}

	// The next start has the overlay instead: nothing is left that could raise the line.
	next := &Line{finder: finder{Config{Root: l.finder.Root}, &fake{}}}
	hosttest.Unpack(t, l.finder.Root, overlay)
	if next.Signal(); !errors.Is(func() error { _, err := ReadSettings(l.finder.Root); return err }(), os.ErrNotExist) {
		t.Error("the word for bramble-done is still there")
	}
}

func TestWhatIsWrongWithAHelper(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*fake, *Line)
		trouble string
	}{
		{"not installed", func(_ *fake, l *Line) { os.Remove(l.finder.path(HelperPath)) }, "install bramble-done as /" + HelperPath},
		{"not executable", func(_ *fake, l *Line) { os.Chmod(l.finder.path(HelperPath), 0o644) }, "chmod 755"},
		{"no such line", func(k *fake, _ *Line) { k.fault = gpio.ErrNotFound }, "not found"},
		{"somebody else's", func(k *fake, _ *Line) { k.info = gpio.Info{Used: true, Consumer: "button"} }, `held by "button"`},
		{"taken just now", func(k *fake, _ *Line) { k.refusal = &gpio.BusyError{Holder: "button"} }, `held by "button"`},
		{"no place for the word", func(_ *fake, l *Line) { os.RemoveAll(l.finder.path("run")) }, "systemd-tmpfiles"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fake{}
				l := board(t, k, &gpio.Line{Offset: 7}, "-- run/bramble/agent.sock --\n")
				install(t, l)
				c.prepare(k, l)
				if s := l.Signal(); s.Mechanism != Helper || !strings.Contains(s.Trouble, c.trouble) || strings.Contains(s.Trouble, "\n") {
					t.Errorf("%+v, want %q", s, c.trouble)
				}

				// Put right, it is seen ten seconds later.
				*k = fake{held: k.held}
				install(t, l)
				os.Chmod(l.finder.path(HelperPath), 0o755)
				os.MkdirAll(l.finder.path("run/bramble"), 0o755)
				time.Sleep(lookWhileFaulty)
				if s := l.Signal(); s.Trouble != "" || !k.held {
					t.Errorf("put right: %+v, held %v", s, k.held)
				}
			})
		})
	}
}

func TestCopyOfABoardIsNotTouched(t *testing.T) {
	l := board(t, nil, &gpio.Line{Offset: 7}, "-- run/bramble/agent.sock --\n")
	install(t, l)
	if s := l.Signal(); s.Mechanism != Helper || s.Trouble != "" {
		t.Errorf("%+v", s)
	}
	if _, err := ReadSettings(l.finder.Root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	if err := l.Pulse(t.Context(), time.Millisecond); !errors.Is(err, ErrNotOurs) {
		t.Errorf("pulse: %v", err)
	}
	if linesOf(Config{Root: t.TempDir()}) != nil || linesOf(Config{}) == nil || linesOf(Config{Root: "/"}) == nil {
		t.Error("which root is this machine?")
	}
}

func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fake{}
		l := board(t, k, &gpio.Line{Offset: 7}, "-- run/bramble/agent.sock --\n")
		install(t, l)
		l.Signal()
		begin := time.Now()
		if err := l.Pulse(t.Context(), 200*time.Millisecond); err != nil || time.Since(begin) != 200*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := l.Pulse(ctx, time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 250*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if want := []bool{false, true, false, true, false}; len(k.levels) != len(want) || k.levels[4] {
			t.Errorf("levels %v, want %v", k.levels, want)
		}
		if l.Pulse(ctx, time.Second); len(k.levels) != 5 {
			t.Error("a pulse that was called off before it began raised the line")
		}

		for mechanism, mention := range map[Mechanism]string{Overlay: "gpio-poweroff", None: "no done line is configured"} {
			other := &Line{signal: Signal{Mechanism: mechanism}, looked: time.Now()}
			if err := other.Pulse(t.Context(), time.Second); !errors.Is(err, ErrNotOurs) || !strings.Contains(err.Error(), mention) {
				t.Errorf("%v: %v", mechanism, err)
			}
		}
	})
}

func TestSettingsFile(t *testing.T) {
	for text, want := range map[string]gpio.Line{
		"26\n":                   {Offset: 26},
		"7 pinctrl-bcm2711\n":    {Chip: "pinctrl-bcm2711", Offset: 7},
		"3 a chip with spaces\n": {Chip: "a chip with spaces", Offset: 3},
	} {
		if line, err := parseSettings(text); err != nil || line != want || formatSettings(line) != text {
			t.Errorf("%q: %v, %v; written %q", text, line, err, formatSettings(line))
		}
	}
	for _, text := range []string{"", "\n", "x", "-1", "70000", "chip 7", "7 a\nb", "7 \x00"} {
		if line, err := parseSettings(text); err == nil {
			t.Errorf("%q: %v", text, line)
		}
	}
}
