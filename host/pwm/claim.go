package pwm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollEvery is how often claim looks whether udev has done its work.
const pollEvery = 10 * time.Millisecond

// files are the attributes of an exported channel, open for writing.
type files struct {
	period, duty, polarity, enable *number
}

// claim exports a channel where that is still to be done and opens its files, as soon as they
// can be written: an export only sends an event, upon which a rule of udev hands them to a group.
func claim(ctx context.Context, s sysfs, c chip, config Config) (*files, error) {
	if uint64(config.Channel) >= c.channels {
		return nil, fmt.Errorf("%w: the chip has channels 0 to %d", ErrNotFound, int64(c.channels)-1)
	}
	deadline := time.NewTimer(config.WritableWithin)
	defer deadline.Stop()
	for {
		f, err := openFiles(s, c.directory(config.Channel))
		if errors.Is(err, fs.ErrNotExist) {
			if err = writeText(s, filepath.Join(c.dir, "export"), strconv.Itoa(config.Channel)); err == nil {
				continue
			}
		}
		// All that a little patience can cure: rights, and somebody else's export of this moment.
		if err == nil || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EBUSY) {
			return f, explain(err, config)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w while waiting: %w", context.Cause(ctx), explain(err, config))
		case <-deadline.C:
			return nil, explain(err, config)
		case <-time.After(pollEvery):
		}
	}
}

// explain adds what to do.
func explain(err error, config Config) error {
	switch {
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w: a kernel driver such as pwm-fan owns the channel: remove its overlay, or use the fan through hwmon", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w, even after %v: add a udev rule for SUBSYSTEM==\"pwm\" that gives the files to a group of this user", err, config.WritableWithin)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: in a systemd unit, ProtectKernelTunables= does this; name the directory in ReadWritePaths=", err)
	}
	return err
}

func openFiles(s sysfs, dir string) (*files, error) {
	f := &files{&number{}, &number{}, &number{}, &number{}}
	for i, name := range []string{"period", "duty_cycle", "polarity", "enable"} {
		file, err := s.open(filepath.Join(dir, name), unix.O_RDWR)
		if err != nil {
			f.close()
			return nil, err
		}
		f.all()[i].file = file
	}
	return f, nil
}

func (f *files) all() [4]*number { return [4]*number{f.period, f.duty, f.polarity, f.enable} }

func (f *files) close() {
	for _, file := range f.all() {
		if file.file != nil {
			file.close()
		}
	}
}

// state is what a channel does.
type state struct {
	period, duty      uint64 // nanoseconds
	inversed, enabled bool
}

// fraction is the share of a period in which the output is active.
func (s state) fraction() float64 {
	if s.period == 0 {
		return 0
	}
	return float64(s.duty) / float64(s.period)
}

// readState reads as much as it can of what the channel in a directory does.
func readState(s sysfs, dir string) (now state, err error) {
	period, fault1 := readNumber(s, filepath.Join(dir, "period"))
	duty, fault2 := readNumber(s, filepath.Join(dir, "duty_cycle"))
	polarity, fault3 := readText(s, filepath.Join(dir, "polarity"))
	enable, fault4 := readNumber(s, filepath.Join(dir, "enable"))
	return state{period, duty, polarity == "inversed", enable == 1}, inOneLine(fault1, fault2, fault3, fault4)
}
