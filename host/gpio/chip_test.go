package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestChipIsFoundByLabelWhateverItsNumber(t *testing.T) {
	for _, name := range []string{"gpiochip0", "gpiochip4", "gpiochip11"} {
		k := header()
		chip := k.devices["gpiochip0"]
		delete(k.devices, "gpiochip0")
		delete(k.devices, "gpiochip4")
		chip.label = "pinctrl-rp1"
		k.devices[name] = chip
		for _, label := range []string{"", "pinctrl-rp1"} {
			found, err := machine{k}.find(Line{label, 17})
			if err != nil || found.Name != name {
				t.Errorf("label %q: %+v, %v; want %s", label, found, err, name)
			}
		}
	}
}

func TestSymbolicLinksAreSkipped(t *testing.T) {
	chips, err := machine{header()}.chips()
	if err != nil || len(chips) != 2 {
		t.Fatalf("chips %v, %v; want the two that are none", chips, err)
	}
}

func TestOtherChipsAreIgnored(t *testing.T) {
	k := header()
	k.devices["gpiochip2"] = &simulatedChip{label: "gpio-brcmstb@107d508500", lines: 32}
	k.devices["gpiochip3"] = &simulatedChip{fault: fs.ErrNotExist} // went away while we looked
	chip, err := machine{k}.find(Line{Offset: 17})
	if err != nil || chip != (Chip{"gpiochip0", "pinctrl-bcm2711", 58}) {
		t.Errorf("%+v, %v", chip, err)
	}
}

func TestFaultsSayWhatIsThere(t *testing.T) {
	cases := []struct {
		name    string
		line    Line
		change  func(*simulatedKernel)
		isNot   bool // ErrNotFound is not wrapped
		mention []string
	}{
		{"no such label", Line{"pinctrl-rp1", 17}, nil, false,
			[]string{"pinctrl-rp1/17", `"pinctrl-bcm2711" (gpiochip0)`, `"raspberrypi-exp-gpio" (gpiochip1)`}},
		{"no header", Line{Offset: 17}, func(k *simulatedKernel) { k.devices["gpiochip0"].label = "1c20800.pinctrl" }, false,
			[]string{"header/17", "pinctrl-bcm2835 or pinctrl-bcm2711 or pinctrl-rp1", `"1c20800.pinctrl" (gpiochip0)`}},
		{"no chip at all", Line{Offset: 17}, func(k *simulatedKernel) { clear(k.devices) }, false,
			[]string{"there is no gpio chip"}},
		{"may not be opened", Line{Offset: 17}, func(k *simulatedKernel) {
			k.devices["gpiochip0"].fault = fmt.Errorf("open: %w", syscall.EACCES)
			k.devices["gpiochip1"].fault = fmt.Errorf("open: %w", syscall.EACCES)
		}, false, []string{"/dev/gpiochip0", "permission denied", "group gpio"}},
		{"broken", Line{Offset: 17}, func(k *simulatedKernel) { k.devices["gpiochip0"].fault = syscall.EIO }, false,
			[]string{"/dev/gpiochip0", "input/output error"}},
		{"beyond the last line", Line{Offset: 58}, nil, false, []string{"0 to 57"}},
		{"below the first line", Line{Offset: -1}, nil, false, []string{"0 to 57"}},
		{"two with one label", Line{Offset: 17}, func(k *simulatedKernel) {
			k.devices["gpiochip9"] = &simulatedChip{label: "pinctrl-bcm2711", lines: 58}
		}, true, []string{"gpiochip0", "gpiochip9"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := header()
			if c.change != nil {
				c.change(k)
			}
			_, err := machine{k}.watch(c.line, "bramble/tach", nil)
			if err == nil || errors.Is(err, ErrNotFound) == c.isNot || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v", err)
			}
			for _, part := range c.mention {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %q", part, err)
				}
			}
			k.wantRequests(t)
		})
	}
}

func TestBusyLineNamesItsHolder(t *testing.T) {
	for holder, mention := range map[string]string{"pwm-fan": `held by "pwm-fan"`, "": "another driver or program"} {
		k := header()
		k.devices["gpiochip0"].held = map[int]string{17: holder}
		_, err := machine{k}.watch(Line{"pinctrl-bcm2711", 17}, "bramble/tach", nil)
		busy, ok := errors.AsType[*BusyError](err)
		if !ok || busy.Holder != holder || busy.Line.Offset != 17 || !strings.Contains(err.Error(), mention) {
			t.Errorf("error %v, want %s", err, mention)
		}
	}
}

func TestChipWithoutInterrupts(t *testing.T) {
	k := header()
	k.devices["gpiochip0"].noIRQ = true
	_, err := machine{k}.watch(Line{Offset: 17}, "bramble/tach", nil)
	if err == nil || !strings.Contains(err.Error(), "no interrupts") {
		t.Errorf("error %v", err)
	}
}

// GPIO17 at offset 27 is a swapped wire; SDA1 at offset 2 is a name like any other, and another
// board's names are its own.
func TestNameMustAgreeWithTheOffset(t *testing.T) {
	k := header()
	k.devices["gpiochip0"].names = map[int]string{2: "SDA1", 5: "", 17: "GPIO17", 27: "GPIO26"}
	m := machine{k}
	chip, _ := m.find(Line{})
	for offset, good := range map[int]bool{2: true, 5: true, 17: true, 27: false} {
		if _, err := m.inspect(chip, Line{Offset: offset}); (err == nil) != good {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
	if _, err := m.watch(Line{Offset: 27}, "bramble/tach", nil); err == nil || !strings.Contains(err.Error(), "GPIO26") {
		t.Errorf("error %v", err)
	}
	k.wantRequests(t)

	chip.Label = "some-expander"
	if _, err := m.inspect(chip, Line{"some-expander", 27}); err != nil {
		t.Errorf("another board's names: %v", err)
	}
}

func TestInspectionNeverRequests(t *testing.T) {
	k := header()
	k.devices["gpiochip0"].held = map[int]string{17: "bramble/tach"}
	m := machine{k}
	chip, _ := m.find(Line{})
	info, err := m.inspect(chip, Line{Offset: 17})
	if err != nil || info != (Info{Name: "GPIO17", Used: true, Consumer: "bramble/tach"}) {
		t.Errorf("%+v, %v", info, err)
	}
	k.wantRequests(t)
}

// The real seam on whatever machine this runs: the build host has no GPIO, a Pi has.
func TestThisMachine(t *testing.T) {
	chips, err := Chips()
	t.Logf("chips %+v, %v", chips, err)
	if _, err := (characterDevices{}).chip("gpiochip-none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a device that is not there: %v", err)
	}
	if _, err := Inspect(Line{"no-such-label", 0}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a label that is not there: %v", err)
	}
	first := Monotonic()
	if second := Monotonic(); first <= 0 || second < first {
		t.Errorf("CLOCK_MONOTONIC went from %v to %v", first, second)
	}
}
