package thermal

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// errProbe is what a driver's fault flag means in Documentation/hwmon/sysfs-interface.rst.
var errProbe = errors.New("the driver says that the probe is open or shorted; check its wiring")

func (n *sensor) read() (float64, error) {
	if n.input == nil {
		return 0, n.fail(n.gone)
	}
	if n.fault != nil {
		if flag, err := n.fault.Int(); err == nil && flag != 0 {
			return 0, n.fail(errProbe)
		}
	}
	milli, err := n.input.Int()
	if err != nil {
		return 0, n.fail(err)
	}
	return float64(milli) / 1000, nil
}

// fail gives cause the sensor's name and advice. A lasting failure is the same
// error each time, so that it allocates once.
func (n *sensor) fail(cause error) error {
	if n.failure != nil && n.cause == cause {
		return n.failure
	}
	n.cause = cause
	switch {
	case errors.Is(cause, errors.ErrUnsupported), errors.Is(cause, errProbe), errors.Is(cause, fs.ErrClosed):
		n.failure = fmt.Errorf("sensor %s: %w", n.Name, cause)
	case errors.Is(cause, fs.ErrNotExist), errors.Is(cause, unix.ENODEV):
		n.failure = fmt.Errorf("sensor %s: %w: %w", n.Name, cause, errors.ErrUnsupported)
	default:
		n.failure = fmt.Errorf("sensor %s: %w%s", n.Name, cause, advice(cause))
	}
	return n.failure
}

// advice says what the errno of a failed read means, from
// drivers/thermal/thermal_core.c, thermal_sysfs.c and the drivers of the boards.
func advice(cause error) string {
	errno, ok := errors.AsType[unix.Errno](cause)
	if !ok {
		return ""
	}
	switch errno {
	case unix.EAGAIN, unix.ENODATA:
		return " (no value yet, or the sensor is switched off; if this lasts, see the kernel log)"
	case unix.EINVAL:
		return " (the zone has no working driver or is disabled; see its file \"mode\" and the kernel log)"
	case unix.EIO:
		return " (the sensor itself gave no valid value; if this lasts, the hardware is at fault)"
	case unix.EACCES, unix.EPERM:
		return " (let the agent's user read this file)"
	}
	return ""
}

func (n *sensor) present() bool { return n.input != nil }

// drop closes the sensor's files; why is what reads say from now on.
func (n *sensor) drop(why error) error {
	var errs []error
	for _, file := range []input{n.input, n.fault} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	n.input, n.fault, n.gone = nil, nil, why
	n.asked = time.Time{}
	return errors.Join(errs...)
}
