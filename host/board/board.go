// Package board says which machine this is: model, chip, kernel, distribution,
// the present boot, and what bramble must know of the model.
//
// [Read] never fails because something is unknown: a field that the machine does
// not tell is empty, and a board that bramble has never heard of is a
// [KindUnknown] with the model that its device tree or its maker names. It works
// on any Linux machine, from an ARMv6 Raspberry Pi to a PC.
//
// Of periph.io the live system uses host/distro, which reads the device tree,
// /etc/os-release and /proc/cpuinfo, and nothing else: no driver is registered and
// host.Init is not called. It reads fixed paths and keeps what it read, so after
// an upgrade of the distribution it tells the old one until the process restarts;
// all else it tells is fixed for a boot. For another root, as in tests, the same
// files are read here, and a test compares both ways on the machine it runs on.
//
// Header pins are a table of our own, checked against periph's by a test. To link
// periph's host/rpi for its names would cost an ARMv6 agent 260 kB and put
// nine drivers into a global registry, and the names could be looked up from a
// GPIO only after host.Init, which opens every GPIO chip and maps /dev/mem.
package board

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// Board describes a machine. Text is printable; what is unknown is empty or 0.
type Board struct {
	Kind            Kind
	Model           string   // "Raspberry Pi 4 Model B Rev 1.4", "Dell Inc. OptiPlex 3060"
	Compatible      []string // of the device tree, most specific first
	Revision        uint32   // the Raspberry Pi's revision code
	SoC             string   // "bcm2711", "rk3328"; on a PC the processor's name
	Architecture    string   // as uname says: "aarch64", "armv7l", "armv6l", "x86_64"
	Kernel          string   // the kernel's release
	Distribution    string   // "Debian GNU/Linux 12 (bookworm)"
	Hostname        string
	BootID          string // a UUID, new with every boot
	ReleasedOutputs Outputs
}

// Outputs says what the kernel does with a GPIO output whose last descriptor was
// closed, by the parameter persist_gpio_outputs of the Raspberry Pi's pin
// controller.
type Outputs uint8

// What becomes of released outputs. Old Raspberry Pi kernels without the
// parameter keep them; mainline kernels and other boards do not, or do not say.
const (
	OutputsUnknown Outputs = iota
	OutputsKept            // they stay as they were driven
	OutputsDropped         // they become inputs and follow their pull
)

// String returns "unknown", "kept" or "dropped".
func (o Outputs) String() string {
	switch o {
	case OutputsKept:
		return "kept"
	case OutputsDropped:
		return "dropped"
	}
	return "unknown"
}

// Read describes the machine under root; "" and "/" are the live system. The only
// error is a root that is no directory.
func Read(root string) (Board, error) {
	if info, err := os.Stat(attribute.Path(root)); err != nil {
		return Board{}, fmt.Errorf("describe the board: %w", err)
	} else if !info.IsDir() {
		return Board{}, fmt.Errorf("describe the board: %s is no directory", root)
	}
	f := gather(root)
	b := Board{
		Model:           f.model,
		Compatible:      f.compatible,
		Revision:        f.revision,
		Distribution:    f.distribution,
		Architecture:    text(root, "proc/sys/kernel/arch"),
		Kernel:          text(root, "proc/sys/kernel/osrelease"),
		Hostname:        text(root, "proc/sys/kernel/hostname"),
		BootID:          text(root, "proc/sys/kernel/random/boot_id"),
		ReleasedOutputs: releasedOutputs(root),
	}
	if b.Architecture == "" && live(root) { // before Linux 6.1
		b.Architecture = machine()
	}
	if b.Revision == 0 && strings.Contains(b.Model, "Raspberry Pi") {
		if code, err := strconv.ParseUint(f.processor["Revision"], 16, 32); err == nil {
			b.Revision = uint32(code)
		}
	}
	if b.Model == "" {
		b.Model = strings.TrimSpace(text(root, "sys/class/dmi/id/sys_vendor") + " " + text(root, "sys/class/dmi/id/product_name"))
	}
	if n := len(b.Compatible); n > 0 {
		_, b.SoC, _ = strings.Cut(b.Compatible[n-1], ",")
	} else {
		b.SoC = attribute.Printable(f.processor["model name"])
	}
	b.Kind = classify(b.Compatible, b.Revision, b.Model)
	return b, nil
}

func live(root string) bool { return path.Clean("/"+root) == "/" }

// text returns an attribute's text, "" if it cannot be read.
func text(root, name string) string {
	value, _ := attribute.Text(attribute.Path(root, name))
	return value
}

func machine() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Machine[:])
}

func releasedOutputs(root string) Outputs {
	for _, module := range []string{"pinctrl_rp1", "pinctrl_bcm2835"} {
		switch text(root, "sys/module/"+module+"/parameters/persist_gpio_outputs") {
		case "Y":
			return OutputsKept
		case "N":
			return OutputsDropped
		}
	}
	return OutputsUnknown
}
