package pwm

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// ErrReadOnly is wrapped by the error of [Hwmon.SetDuty] on a fan that was not taken over.
var ErrReadOnly = errors.New("the kernel controls this fan")

// HwmonConfig names a fan that a kernel driver owns. Its zero value is fan 1 of the only hwmon
// device that has a fan, to be read only.
type HwmonConfig struct {
	// Root is where the machine's files begin; empty means /.
	Root string

	// Name is the hwmon device's name (pwmfan on a Pi 5, emc2305, rpipoefan) or the name of the
	// device that it belongs to (cooling_fan on a Pi 5). Empty means any that has a fan.
	Name string

	// Device is the end of the device's path, such as 1-002f, where several have the name.
	Device string

	// PWM and Fan are the numbers of the output and of the tachometer: 1 to 255, 0 means 1.
	PWM, Fan int

	// TakeOver lets bramble set the speed. Without it the fan is only read.
	TakeOver bool
}

// Validate reports every field that is out of its limits, joined. Zero fields are in order.
func (c HwmonConfig) Validate() error {
	var faults []error
	if c.PWM < 0 || c.PWM > 255 {
		faults = append(faults, fmt.Errorf("pwm: %d is outside 1 to 255", c.PWM))
	}
	if c.Fan < 0 || c.Fan > 255 {
		faults = append(faults, fmt.Errorf("fan: %d is outside 1 to 255", c.Fan))
	}
	return errors.Join(faults...)
}

// Hwmon is a fan that a kernel driver owns. Its methods may be called from any goroutine.
//
// By Documentation/hwmon/sysfs-interface.rst, pwmN_enable 1 means manual, 2 and more automatic,
// and 0 full speed. Not so in the pwm-fan driver, where 0 switches the fan off and 1 to 3 say
// what a pwmN of 0 does (Documentation/hwmon/pwm-fan.rst): there bramble sets 2, which keeps the
// output driven, and full speed is a pwmN of 255 everywhere.
//
// The pwm-fan and emc2305 drivers also obey the kernel's thermal governor, which no mode turns
// off. It moves the fan when the temperature crosses a trip point; the next SetDuty moves it back,
// so the duty has to be set at every tick, changed or not. An emc2305 never goes below what the
// governor asks for.
type Hwmon struct {
	name   string // for messages
	pwmFan bool   // of the pwm-fan driver

	mu       sync.Mutex
	speed    *number // nil without a tachometer
	pwm      *number // nil without an output
	enable   *number // nil unless taken over, and for a driver without modes
	found    uint64  // the mode before the take-over
	takeOver bool
	closed   bool
}

// manual returns the mode in which pwmN sets the speed.
func (h *Hwmon) manual() uint64 {
	if h.pwmFan {
		return 2
	}
	return 1
}

// OpenHwmon opens a fan, and with TakeOver stops the kernel's control of it; its speed stays as
// it is until SetDuty. The error wraps [ErrNotFound] when there is no such fan.
func OpenHwmon(config HwmonConfig) (*Hwmon, error) { return openHwmon(live{}, config) }

func openHwmon(s sysfs, config HwmonConfig) (*Hwmon, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("hwmon: %w", err)
	}
	h, err := hwmonFiles(s, config)
	if err != nil {
		return nil, err
	}
	if h.enable != nil {
		if h.found, err = h.enable.get(); err == nil && h.found != h.manual() {
			err = h.enable.set(h.manual())
		}
		if err != nil {
			_ = h.Close()
			return nil, fmt.Errorf("%s: take the fan over: %w", h.name, err)
		}
	}
	return h, nil
}

// hwmonFiles finds a fan, opens what is needed of it and changes nothing.
func hwmonFiles(s sysfs, config HwmonConfig) (*Hwmon, error) {
	config.PWM, config.Fan = max(config.PWM, 1), max(config.Fan, 1)
	dir, name, err := findHwmon(s, config)
	if err != nil {
		return nil, err
	}
	pwm := filepath.Join(dir, "pwm"+strconv.Itoa(config.PWM))
	h := &Hwmon{name: "hwmon " + name, pwmFan: name == "pwmfan", takeOver: config.TakeOver}
	flags := unix.O_RDONLY
	var fault error
	if config.TakeOver {
		flags = unix.O_RDWR
		h.enable, fault = openOptional(s, pwm+"_enable", flags)
	}
	h.pwm, err = openOptional(s, pwm, flags)
	fault = inOneLine(fault, err)
	h.speed, err = openOptional(s, filepath.Join(dir, "fan"+strconv.Itoa(config.Fan)+"_input"), unix.O_RDONLY)
	fault = inOneLine(fault, err)
	switch {
	case errors.Is(fault, fs.ErrPermission):
		fault = fmt.Errorf("%w: add a udev rule for SUBSYSTEM==\"hwmon\" that gives the files to a group of this user", fault)
	case fault != nil:
	case h.pwm == nil && config.TakeOver:
		fault = fmt.Errorf("%w: no %s to take over", ErrNotFound, filepath.Base(pwm))
	case h.pwm == nil && h.speed == nil:
		fault = fmt.Errorf("%w: neither %s nor fan%d_input", ErrNotFound, filepath.Base(pwm), config.Fan)
	}
	if fault != nil {
		_ = h.Close()
		return nil, fmt.Errorf("%s: %w", h.name, fault)
	}
	return h, nil
}

// openOptional opens an attribute that a driver need not have.
func openOptional(s sysfs, path string, flags int) (*number, error) {
	file, err := s.open(path, flags)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &number{file: file}, nil
}

// findHwmon returns the directory and the name of the one device that is meant.
func findHwmon(s sysfs, config HwmonConfig) (dir, name string, err error) {
	class := attribute.Path(config.Root, "sys/class/hwmon")
	entries, err := s.list(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("hwmon: %w", err)
	}
	var seen, found []string
	for _, entry := range entries {
		at := filepath.Join(class, entry)
		hwmon, err := readText(s, filepath.Join(at, "name"))
		if err != nil {
			continue // went away while we looked
		}
		device, err := s.resolve(filepath.Join(at, "device"))
		if err != nil {
			device = "none" // a virtual one
		}
		label := fmt.Sprintf("%s (%s)", hwmon, filepath.Base(device))
		seen = append(seen, label)
		named := config.Name == hwmon || config.Name == filepath.Base(device) || config.Name == "" && hasFan(s, at)
		if named && strings.HasSuffix(device, config.Device) {
			dir, name = at, hwmon
			found = append(found, label)
		}
	}
	switch {
	case len(found) == 1:
		return dir, name, nil
	case len(found) > 1:
		return "", "", fmt.Errorf("hwmon fan %q: %s are meant: name the device too", config.Name, strings.Join(found, ", "))
	case len(seen) == 0:
		return "", "", fmt.Errorf("hwmon fan %q: %w: nothing in %s", config.Name, ErrNotFound, class)
	}
	return "", "", fmt.Errorf("hwmon fan %q: %w: this machine has %s", config.Name, ErrNotFound, strings.Join(seen, ", "))
}

// hasFan reports whether a hwmon device has a fan's output or tachometer.
func hasFan(s sysfs, dir string) bool {
	names, _ := s.list(dir)
	for _, name := range names {
		if name == "pwm1" || strings.HasPrefix(name, "fan") && strings.HasSuffix(name, "_input") {
			return true
		}
	}
	return false
}

// SetDuty sets the speed to a fraction, 0 to 1, in steps of 1/255; above 0 it is at least one
// step. Anything else is refused and changes nothing. On a fan that was not taken over the error
// wraps [ErrReadOnly].
func (h *Hwmon) SetDuty(fraction float64) error {
	if err := checkFraction(h.name, fraction); err != nil {
		return err
	}
	step := math.Round(fraction * 255)
	if fraction > 0 {
		step = max(step, 1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("%s: %w", h.name, errClosed)
	}
	if !h.takeOver {
		return fmt.Errorf("%s: %w: set kernel_fan: take_over to let bramble do so", h.name, ErrReadOnly)
	}
	if err := h.pwm.set(uint64(step)); err != nil {
		return fmt.Errorf("%s: set the duty: %w", h.name, err)
	}
	return nil
}

// Duty returns the fraction that the driver says it applies. The error wraps
// [errors.ErrUnsupported] when it does not say.
func (h *Hwmon) Duty() (fraction float64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	value, err := h.get(h.pwm)
	return min(float64(value)/255, 1), err
}

// RPM returns the speed in revolutions per minute as the driver measures it. The error wraps
// [errors.ErrUnsupported] when the fan has no tachometer.
func (h *Hwmon) RPM() (rpm float64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	value, err := h.get(h.speed)
	return float64(value), err
}

func (h *Hwmon) get(file *number) (uint64, error) {
	switch {
	case file == nil:
		return 0, noTach(h.name)
	case h.closed:
		return 0, fmt.Errorf("%s: %w", h.name, errClosed)
	}
	value, err := file.get()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", h.name, err)
	}
	return value, nil
}

// Safe puts a fan that was taken over to full speed. One that was not is left to the kernel, and
// that is no error.
func (h *Hwmon) Safe() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.takeOver {
		return nil
	}
	if h.closed {
		return fmt.Errorf("%s: %w", h.name, errClosed)
	}
	return h.full()
}

// full sets the manual mode, for a pwm-fan in mode 0 ignores its pwmN, and the highest duty.
func (h *Hwmon) full() error {
	var mode error
	if h.enable != nil {
		mode = h.enable.set(h.manual())
	}
	err := inOneLine(mode, h.pwm.set(255))
	if err == nil {
		return nil
	}
	if h.enable != nil && !h.pwmFan && h.enable.set(0) == nil {
		return nil
	}
	return fmt.Errorf("%s: cannot set full speed: %w", h.name, err)
}

// Restore ends a take-over: a driver with an automatic mode gets back the one that was found. All
// other fans stay at full speed, because the kernel will not move them before the next trip point
// is crossed, if at all. SetDuty is refused from then on, and Safe leaves the fan alone. Without a
// take-over it does nothing.
func (h *Hwmon) Restore() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.takeOver:
		return nil
	case h.closed:
		return fmt.Errorf("%s: %w", h.name, errClosed)
	}
	if h.enable == nil || h.pwmFan || h.found == h.manual() {
		if err := h.full(); err != nil {
			return err
		}
	}
	// A pwm-fan that was switched off is not switched off again.
	if h.enable != nil && !(h.pwmFan && h.found == 0) {
		if err := h.enable.set(h.found); err != nil {
			return inOneLine(fmt.Errorf("%s: give the fan back to the kernel: %w", h.name, err), h.full())
		}
	}
	h.takeOver = false
	return nil
}

// Close closes the files and changes nothing: a fan that was taken over keeps its last duty.
func (h *Hwmon) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	var faults []error
	for _, file := range []*number{h.speed, h.pwm, h.enable} {
		if file != nil {
			faults = append(faults, file.close())
		}
	}
	return errors.Join(faults...)
}

// SafeHwmon puts a fan that is to be taken over to full speed without an open [Hwmon], and leaves
// any other to the kernel. Nobody restores the mode that the fan was found in then.
func SafeHwmon(config HwmonConfig) error { return safeHwmon(live{}, config) }

func safeHwmon(s sysfs, config HwmonConfig) error {
	if !config.TakeOver {
		return nil
	}
	h, err := hwmonFiles(s, config)
	if err != nil {
		return err
	}
	return inOneLine(h.Safe(), h.Close())
}
