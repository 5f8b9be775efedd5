package led

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/hosttest"
)

func find(t *testing.T, board string) *LED {
	t.Helper()
	led, err := Find(hosttest.Tree(t, board))
	if err != nil {
		t.Fatal(err)
	}
	return led
}

func content(t *testing.T, l *LED, file string) string {
	t.Helper()
	text, err := os.ReadFile(l.path(file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestBoards(t *testing.T) {
	for board, want := range map[string]string{
		"pi-1b": "led0", "pi-3b-plus": "ACT", "pi-4b": "ACT", "pi-4b-debian": "ACT", "pi-5": "ACT",
		"bananapi": "bananapi:green:usr", "rk3328": "green:power",
		"pc": "", "container": "", "broken": "",
	} {
		led, err := Find(hosttest.Tree(t, board))
		switch {
		case want == "" && !errors.Is(err, errors.ErrUnsupported):
			t.Errorf("%s: %v, %v", board, led, err)
		case want != "" && (err != nil || led.Name() != want):
			t.Errorf("%s: %v, %v; want %s", board, led, err, want)
		}
	}
}

func TestRank(t *testing.T) {
	better := func(a, b string) {
		if ra, rb := rank(a), rank(b); ra < 0 || rb >= 0 && rb <= ra {
			t.Errorf("%s (%d) should come before %s (%d)", a, ra, b, rb)
		}
	}
	better("ACT", "PWR")
	better("led0", "led1")
	better("green:activity", "red:power")
	better("green:activity_1", "red:power")
	better("orangepi:red:status", "orangepi:green:pwr")
	better("beaglebone:green:usr0", "power")
	for _, name := range []string{"input0::capslock", "mmc0::", "mmc1::activity", "phy0-led", "phy0::status", "enp3s0-0::lan", "eth0:green:status", "nvme0::activity", "", ":", "led2"} {
		if r := rank(name); r >= 0 {
			t.Errorf("%q has rank %d", name, r)
		}
	}
}

func TestSetAndRestore(t *testing.T) {
	led := find(t, "pi-4b")
	if err := led.Restore(); err != nil || !strings.Contains(content(t, led, "trigger"), "[mmc0]") || content(t, led, "brightness") != "0" {
		t.Errorf("restore before set: %v, trigger %q, brightness %q", err, content(t, led, "trigger"), content(t, led, "brightness"))
	}
	for _, on := range []bool{true, false, true} {
		if err := led.Set(on); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{true: "255", false: "0"}[on]; content(t, led, "brightness") != want || content(t, led, "trigger") != "none" {
			t.Errorf("set %v: brightness %s, trigger %s", on, content(t, led, "brightness"), content(t, led, "trigger"))
		}
	}
	if err := led.Restore(); err != nil || content(t, led, "trigger") != "mmc0" {
		t.Errorf("restore: %v, trigger %q", err, content(t, led, "trigger"))
	}
}

// TestEveryRoundRemembersAnew: what was chosen between two rounds is kept.
func TestEveryRoundRemembersAnew(t *testing.T) {
	led := find(t, "pi-4b")
	for _, trigger := range []string{"mmc0", "heartbeat"} {
		if err := os.WriteFile(led.path("trigger"), []byte("none ["+trigger+"] timer\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(led.Set(true), led.Restore()); err != nil || content(t, led, "trigger") != trigger {
			t.Errorf("%s: %v, trigger %q", trigger, err, content(t, led, "trigger"))
		}
	}
}

// TestWithoutTrigger: a light that followed no trigger gets its brightness back.
func TestWithoutTrigger(t *testing.T) {
	for _, trigger := range []string{"[none] heartbeat\n", ""} {
		led := find(t, "rk3328")
		if trigger == "" {
			if err := os.Remove(led.path("trigger")); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(led.path("trigger"), []byte(trigger), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(led.Writable(), led.Set(false)); err != nil || content(t, led, "brightness") != "0" {
			t.Errorf("%q: %v", trigger, err)
		}
		if err := led.Restore(); err != nil || content(t, led, "brightness") != "1" {
			t.Errorf("%q: %v, brightness %s", trigger, err, content(t, led, "brightness"))
		}
	}
}

func TestLightThatGoesAway(t *testing.T) {
	led := find(t, "pi-4b")
	if err := os.RemoveAll(filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(led.dir))), "devices")); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"set": led.Set(true), "writable": led.Writable()} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "light ACT") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefusals looks at the words only: a test that runs as root is refused nothing.
func TestRefusals(t *testing.T) {
	led := find(t, "pi-4b")
	for errno, want := range map[unix.Errno]string{unix.EACCES: "chgrp bramble-agent /sys%p/brightness", unix.EROFS: "ProtectKernelTunables=no", unix.EIO: "light ACT: write trigger"} {
		err := led.explained(&fs.PathError{Op: "write", Path: "trigger", Err: errno})
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// TestReadOnly meets a real refusal: procfs lets nobody, not even root, write here.
func TestReadOnly(t *testing.T) {
	led := &LED{name: "ACT", dir: t.TempDir(), on: "1"}
	if err := os.Symlink("/proc/self/stat", led.path("brightness")); err != nil {
		t.Fatal(err)
	}
	if err := led.Set(true); err == nil || !strings.Contains(err.Error(), "light ACT: ") {
		t.Errorf("set: %v", err)
	}
}
