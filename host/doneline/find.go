package doneline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/host/gpio"
)

// finder looks at one machine.
type finder struct {
	Config
	lines lines // nil: a copy of a machine's files
}

func (f finder) find() Signal {
	overlay, found := f.overlay()
	switch {
	case found && f.Helper != nil && !f.same(overlay.Line, *f.Helper):
		overlay.Trouble = fmt.Sprintf("the gpio-poweroff overlay raises line %v and done names line %v: set gpiopin of the overlay in config.txt, or remove done from the agent's settings",
			overlay.Line, *f.Helper)
		return overlay
	case found:
		return overlay
	case f.Helper != nil:
		return f.helper(*f.Helper)
	default:
		return Signal{}
	}
}

// same says whether two lines may be one. An empty chip is a chip that is not known here.
func (f finder) same(a, b gpio.Line) bool {
	return a.Offset == b.Offset && (a.Chip == b.Chip || a.Chip == "" || b.Chip == "")
}

// overlay finds the gpio-poweroff node of the device tree. Its properties are described in
// Documentation/devicetree/bindings/power/reset/gpio-poweroff.yaml, with the same defaults.
func (f finder) overlay() (Signal, bool) {
	tree := f.path("proc/device-tree")
	nodes, err := os.ReadDir(tree)
	if err != nil {
		return Signal{}, false
	}
	for _, node := range nodes {
		dir := filepath.Join(tree, node.Name())
		compatible, err := os.ReadFile(filepath.Join(dir, "compatible"))
		if err != nil || !bytes.Contains(append([]byte{0}, compatible...), []byte("\x00gpio-poweroff\x00")) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if word := strings.TrimRight(string(status), "\x00"); err == nil && word != "okay" && word != "ok" {
			continue
		}
		return f.describe(node.Name(), dir), true
	}
	return Signal{}, false
}

// describe reads a gpio-poweroff node: gpios is a phandle, an offset, and flags whose lowest bit is active-low.
func (f finder) describe(node, dir string) Signal {
	s := Signal{
		Mechanism:     Overlay,
		Source:        "/proc/device-tree/" + node,
		ActiveDelay:   milliseconds(dir, "active-delay-ms", 100),
		InactiveDelay: milliseconds(dir, "inactive-delay-ms", 100),
		Timeout:       milliseconds(dir, "timeout-ms", 3000),
	}
	gpios, err := os.ReadFile(filepath.Join(dir, "gpios"))
	if err != nil || len(gpios) != 12 {
		s.Trouble = "the device tree does not say which line the gpio-poweroff overlay raises: use dtoverlay=gpio-poweroff,gpiopin=N in config.txt"
		return s
	}
	s.Line = gpio.Line{Chip: f.label(gpios[:4]), Offset: int(binary.BigEndian.Uint32(gpios[4:]))}
	s.ActiveLow = gpios[11]&1 != 0
	if !f.bound(node) {
		s.Trouble = fmt.Sprintf("the overlay is loaded, and the kernel's driver poweroff-gpio does not drive line %v: "+
			"dmesg tells why; the kernel needs CONFIG_POWER_RESET_GPIO", s.Line)
		return s
	}
	if f.lines == nil {
		return s
	}
	// A user who may not open the chip cannot cross-check, which is no fault of the overlay's.
	if info, err := f.lines.inspect(s.Line); err == nil && !info.Used {
		s.Trouble = fmt.Sprintf("the overlay is loaded, and nobody drives line %v: dmesg tells why; another overlay may have taken the pin", s.Line)
	}
	return s
}

// bound says whether the kernel's driver has taken the node on. A device is named after its node, behind its parents'.
func (f finder) bound(node string) bool {
	devices, err := os.ReadDir(f.path("sys/bus/platform/drivers/poweroff-gpio"))
	if err != nil {
		return false
	}
	for _, device := range devices {
		if device.Name() == node || strings.HasSuffix(device.Name(), ":"+node) {
			return true
		}
	}
	return false
}

// label is what the chip with a phandle is called; "" where that cannot be found out.
func (f finder) label(phandle []byte) string {
	chips, err := filepath.Glob(f.path("sys/bus/gpio/devices/gpiochip*"))
	if err != nil || f.lines == nil {
		return ""
	}
	for _, chip := range chips {
		if of, err := os.ReadFile(filepath.Join(chip, "of_node/phandle")); err == nil && bytes.Equal(of, phandle) {
			return f.lines.label(filepath.Base(chip))
		}
	}
	return ""
}

func milliseconds(dir, name string, fallback uint32) time.Duration {
	value := fallback
	if cell, err := os.ReadFile(filepath.Join(dir, name)); err == nil && len(cell) == 4 {
		value = binary.BigEndian.Uint32(cell)
	}
	return time.Duration(value) * time.Millisecond
}

// helper looks at bramble-done and its line.
func (f finder) helper(line gpio.Line) Signal {
	s := Signal{Mechanism: Helper, Line: line, Source: "/" + HelperPath}
	if f.lines != nil {
		info, err := f.lines.inspect(line)
		switch {
		case err != nil:
			s.Trouble = err.Error()
			return s
		case info.Used && info.Consumer != Consumer:
			s.Trouble = (&gpio.BusyError{Line: line, Holder: info.Consumer}).Error()
			return s
		}
	}
	switch info, err := os.Stat(f.path(HelperPath)); {
	case errors.Is(err, fs.ErrNotExist):
		s.Trouble = "nothing would raise the done line: install bramble-done as /" + HelperPath
	case err != nil:
		s.Trouble = err.Error()
	case !info.Mode().IsRegular() || info.Mode()&0o100 == 0:
		s.Trouble = "/" + HelperPath + " cannot be executed: chmod 755 it"
	}
	return s
}
