// Package cpufreq reads the processor's clock as the kernel sees it.
//
// The figure is scaling_cur_freq of the first processor. On most boards that is
// the frequency that was last asked for (Documentation/admin-guide/pm/cpufreq.rst),
// which the firmware of a Raspberry Pi may undercut without telling the kernel:
// the real clock is what package firmware measures. The other file,
// cpuinfo_cur_freq, asks the driver, and only root may read it.
package cpufreq

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// Clock is the open file. Use it from one goroutine at a time.
type Clock struct {
	path string
	file *attribute.File
}

// Open opens the clock under root; "" and "/" are the live system. It is
// errors.ErrUnsupported where the kernel does not scale the frequency.
func Open(root string) (*Clock, error) {
	path := attribute.Path(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
	file, err := attribute.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("processor clock: %w: %w", err, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("processor clock: %w", err)
	}
	return &Clock{path, file}, nil
}

// Source returns the path that is read.
func (c *Clock) Source() string { return c.path }

// Read returns the clock in hertz, without allocation.
func (c *Clock) Read() (hertz uint64, err error) {
	kilohertz, err := c.file.Int()
	if err != nil {
		return 0, fmt.Errorf("processor clock: %w", err)
	}
	if kilohertz <= 0 {
		return 0, fmt.Errorf("processor clock: %s says %d kHz", c.path, kilohertz)
	}
	return uint64(kilohertz) * 1000, nil
}

// Close closes the file. Every Read after it fails.
func (c *Clock) Close() error { return c.file.Close() }
