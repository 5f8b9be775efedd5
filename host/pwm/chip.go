package pwm

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// ErrNotFound is wrapped by an error that says that the machine has no such PWM chip, channel or
// hwmon fan.
var ErrNotFound = errors.New("not found")

// chip is one PWM controller.
type chip struct {
	dir        string   // /sys/class/pwm/pwmchip2
	device     string   // fe20c000.pwm, which stays while numbers change
	compatible []string // of its device tree node; empty elsewhere
	channels   uint64
}

// header reports whether the chip drives pins of a Raspberry Pi's header. Boards since the Pi 4
// have a second one of the same kind: fe20c800.pwm makes sound, 1f0009c000.pwm is the Pi 5's fan
// connector (bcm2711-rpi-4-b.dts, rp1.dtsi).
func (c chip) header() bool {
	return slices.Contains(c.compatible, "brcm,bcm2835-pwm") && strings.HasSuffix(c.device, "20c000.pwm") ||
		slices.Contains(c.compatible, "raspberrypi,rp1-pwm") && strings.HasSuffix(c.device, "098000.pwm")
}

// directory returns where an exported channel appears.
func (c chip) directory(channel int) string {
	return filepath.Join(c.dir, "pwm"+strconv.Itoa(channel))
}

// findChip returns the chip whose device name ends as asked, or the header's, or the only one.
func findChip(s sysfs, root, device string) (chip, error) {
	class := attribute.Path(root, "sys/class/pwm")
	names, err := s.list(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return chip{}, fmt.Errorf("pwm: %w", err)
	}
	var all, matching, header []chip
	for _, name := range names {
		if !strings.HasPrefix(name, "pwmchip") {
			continue
		}
		c, err := describe(s, filepath.Join(class, name))
		if err != nil {
			continue // went away while we looked
		}
		all = append(all, c)
		if device != "" && strings.HasSuffix(c.device, device) {
			matching = append(matching, c)
		}
		if c.header() {
			header = append(header, c)
		}
	}
	switch {
	case len(all) == 0:
		return chip{}, fmt.Errorf("pwm: %w: no chip in %s: on a Raspberry Pi add dtoverlay=pwm,pin=18,func=2 to config.txt and reboot", ErrNotFound, class)
	case len(matching) == 1:
		return matching[0], nil
	case len(matching) > 1:
		return chip{}, fmt.Errorf("pwm device %q: %s all end so: say more of the name", device, devices(matching))
	case device != "":
		return chip{}, fmt.Errorf("pwm device %q: %w: this machine has %s", device, ErrNotFound, devices(all))
	case len(header) == 1:
		return header[0], nil
	case len(all) == 1:
		return all[0], nil
	}
	return chip{}, fmt.Errorf("pwm: %w: none of %s is a Raspberry Pi header's: name the device", ErrNotFound, devices(all))
}

func describe(s sysfs, dir string) (chip, error) {
	channels, err := readNumber(s, filepath.Join(dir, "npwm"))
	if err != nil {
		return chip{}, err
	}
	device, err := s.resolve(filepath.Join(dir, "device"))
	if err != nil {
		return chip{}, err
	}
	// Device tree strings end with a NUL each. A chip without a node is no Pi's.
	compatible, _ := readText(s, filepath.Join(dir, "device/of_node/compatible"))
	return chip{dir: dir, device: filepath.Base(device), compatible: strings.Split(compatible, "\x00"), channels: channels}, nil
}

func devices(chips []chip) string {
	names := make([]string, len(chips))
	for i, c := range chips {
		names[i] = fmt.Sprintf("%s (%s)", c.device, filepath.Base(c.dir))
	}
	return strings.Join(names, ", ")
}
