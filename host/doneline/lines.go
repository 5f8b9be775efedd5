package doneline

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/warthog618/go-gpiocdev/uapi"
)

// lines is what this package asks of the kernel.
type lines interface {
	// inspect describes a line without requesting it.
	inspect(line gpio.Line) (gpio.Info, error)
	// label is that of a chip such as gpiochip0; "" if it cannot be had.
	label(chip string) string
	// take requests a line as an output.
	take(line gpio.Line, high bool) (held, error)
}

// held is a requested line.
type held interface {
	set(high bool) error
	Close() error
}

// Raise takes a line and drives it high. The kernel lets go of it when the last copy of the file is closed.
func Raise(line gpio.Line) (*os.File, error) {
	taken, err := request(line, true)
	if err != nil {
		return nil, err
	}
	return taken.File, nil
}

// characterDevices is this machine's kernel.
type characterDevices struct{}

func (characterDevices) inspect(line gpio.Line) (gpio.Info, error) { return gpio.Inspect(line) }

func (characterDevices) label(chip string) string {
	chips, _ := gpio.Chips() // those that may not be opened are left out
	i := slices.IndexFunc(chips, func(c gpio.Chip) bool { return c.Name == chip })
	if i < 0 {
		return ""
	}
	return chips[i].Label
}

func (characterDevices) take(line gpio.Line, high bool) (held, error) {
	taken, err := request(line, high)
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// handle is a line's descriptor.
type handle struct{ *os.File }

func (h handle) set(high bool) error {
	var bits uapi.LineBitmap
	if high {
		bits = 1
	}
	return uapi.SetLineValuesV2(h.Fd(), uapi.LineValues{Mask: 1, Bits: bits})
}

// request takes a line as an output with that level from its first moment, and with its pull-down.
func request(line gpio.Line, high bool) (handle, error) {
	chip, err := find(line)
	if err != nil {
		return handle{}, err
	}
	device, err := os.Open("/dev/" + chip) // for reading, which is all that driving a line takes
	if err != nil {
		return handle{}, fmt.Errorf("done line %v: %w: join group gpio or add a udev rule", line, err)
	}
	defer device.Close()
	r := uapi.LineRequest{Lines: 1, Config: uapi.LineConfig{Flags: uapi.LineFlagV2Output | uapi.LineFlagV2BiasPullDown}}
	r.Offsets[0] = uint32(line.Offset)
	copy(r.Consumer[:], Consumer)
	var level uapi.OutputValues
	if high {
		level = 1
	}
	r.Config.AddAttribute(uapi.LineConfigAttribute{Attr: level.Encode(), Mask: 1})
	switch err := uapi.GetLine(device.Fd(), &r); {
	case err == nil:
		return handle{os.NewFile(uintptr(r.Fd), line.String())}, nil
	case errors.Is(err, syscall.EBUSY):
		info, _ := gpio.Inspect(line) // who holds it is a courtesy
		return handle{}, &gpio.BusyError{Line: line, Holder: info.Consumer}
	case errors.Is(err, syscall.EINVAL):
		return handle{}, fmt.Errorf("done line %v: %w: there is no such line, or the kernel is older than Linux 5.10", line, err)
	default:
		return handle{}, fmt.Errorf("done line %v: %w", line, err)
	}
}

// find names the device of a line's chip.
func find(line gpio.Line) (string, error) {
	if _, err := gpio.Inspect(line); err != nil {
		return "", err
	}
	chips, err := gpio.Chips()
	for _, chip := range chips {
		if chip.Label == line.Chip || line.Chip == "" && isHeader(chip.Label) {
			return chip.Name, nil
		}
	}
	return "", errors.Join(fmt.Errorf("done line %v: %w", line, gpio.ErrNotFound), err)
}

// isHeader says whether a chip is the one of a Raspberry Pi's header, by the labels that pinctrl-bcm2835.c and
// pinctrl-rp1.c set.
func isHeader(label string) bool {
	return label == "pinctrl-bcm2835" || label == "pinctrl-bcm2711" || label == "pinctrl-rp1"
}
