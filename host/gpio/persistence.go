package gpio

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Whether a line keeps its level when its last descriptor is closed.
const (
	PersistYes     = "yes"
	PersistNo      = "no"
	PersistUnknown = "unknown"
)

// Persistence says whether a chip's outputs keep their level when nobody holds them any more, and
// where that was read, or why it is unknown. The chip is named by its label; empty is the header's.
// root is where the machine's files begin; empty is /.
//
// The kernels of Raspberry Pi have the parameter and keep by default; Debian's 6.12 has it and does
// not; older kernels do not have it and do one or the other.
func Persistence(root, label string) (state, source string) {
	return machine{characterDevices{}}.persistence(root, label)
}

func (m machine) persistence(root, label string) (state, source string) {
	if label == "" {
		// Both drivers' parameters may be there whatever the board is: the kernel of a Pi 5 has both
		// built in.
		chip, err := m.find(Line{})
		if err != nil {
			return PersistUnknown, err.Error()
		}
		label = chip.Label
	}
	var module string
	switch label {
	case "pinctrl-bcm2835", "pinctrl-bcm2711":
		module = "pinctrl_bcm2835"
	case "pinctrl-rp1":
		module = "pinctrl_rp1"
	default:
		return PersistUnknown, "the driver of chip " + label + " does not say"
	}
	path := "/sys/module/" + module + "/parameters/persist_gpio_outputs"
	text, err := os.ReadFile(filepath.Join("/", root, path))
	switch value := strings.TrimSpace(string(text)); {
	case errors.Is(err, fs.ErrNotExist):
		return PersistUnknown, "this kernel has no " + path
	case err != nil:
		return PersistUnknown, err.Error()
	case value == "Y":
		return PersistYes, path
	case value == "N":
		return PersistNo, path
	default:
		return PersistUnknown, path + " reads " + value
	}
}
