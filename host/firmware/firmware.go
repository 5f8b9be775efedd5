// Package firmware reads the throttling word of a Raspberry Pi's firmware: is
// the supply sagging, is the processor slowed down.
//
// [Open] probes what the machine offers, best first:
//
//  1. /dev/vcio_gencmd, since 2026 in Raspberry Pi's kernels: the "gencmd" tag
//     0x00030080 with the text "get_throttled", the only tag it allows
//     (raspberrypi/linux drivers/char/broadcom/vcio.c).
//  2. /dev/vcio, the older node for all tags: tag 0x00030046.
//  3. The alarm of the kernel's rpi_volt driver, all that mainline kernels have:
//     under-voltage only.
//
// A board without any (a Raspberry Pi before the B+ has no detector, other
// boards have no such firmware) is [errors.ErrUnsupported], which is not "fine":
// nothing is known. A device that is there and may not be opened is another
// error, fs.ErrPermission, and says what to do.
//
// The history bits (16 to 19) say "since somebody cleared them", not "since
// boot": the kernel's rpi_volt driver clears them every two seconds, and so may
// anybody with vcgencmd. This package never does; the value it sends with the tag
// is a mask of bits to clear, and it is always 0.
//
// A Throttling is for one goroutine at a time.
package firmware

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// The bits of the word, from raspberrypi/utils vcgencmd/vcgencmd.1. A bit shifted
// left by History says that it has been set since the history was cleared.
const (
	UnderVoltage    uint32 = 1 << 0 // the supply is below 4.63 V
	FrequencyCapped uint32 = 1 << 1 // the ARM frequency is capped
	Throttled       uint32 = 1 << 2 // the ARM is throttled
	SoftLimit       uint32 = 1 << 3 // the soft temperature limit is active

	History = 16

	now = UnderVoltage | FrequencyCapped | Throttled | SoftLimit
)

// ErrNoAnswer means that the firmware is there and did not answer this time, as
// a Raspberry Pi 5 does now and then (response 0x80000001). Ask again later.
var ErrNoAnswer = errors.New("the firmware gave no answer")

// Throttling is an open way to the throttling word.
type Throttling struct {
	root        string
	openMailbox func(path string) (mailbox, error)

	name   string
	source source
	denied error

	alarm *alarm // beside a mailbox: what the kernel's driver saw before it cleared the history; nil without
	last  uint32 // the word before
	was   bool   // the alarm, then
}

// source is one of the three ways.
type source interface {
	word() (word uint32, err error)
	known() uint32
	close() error
}

// Open finds the best source under root that answers; "" and "/" are the live
// system. Its error is errors.ErrUnsupported where there is none, wraps
// fs.ErrPermission where this user may not ask the only one there is, and
// ErrNoAnswer where the firmware was silent: then Open again later. A better source
// that did not answer this time is in Denied, and is found by Upgrade.
func Open(root string) (*Throttling, error) {
	return open(root, openDevice)
}

func open(root string, openMailbox func(path string) (mailbox, error)) (*Throttling, error) {
	t := &Throttling{root: root, openMailbox: openMailbox}
	failures, found := t.probe()
	if found {
		return t, nil
	}
	path, alarm, err := openAlarm(root)
	if err == nil {
		t.name, t.source, t.denied = path, alarm, refusal(failures)
		return t, nil
	}
	if err := refusal(append(failures, err)); err != nil {
		return nil, fmt.Errorf("throttling: %w", err)
	}
	return nil, fmt.Errorf("throttling: no /dev/vcio_gencmd, no /dev/vcio that answers and no rpi_volt alarm: %w", errors.ErrUnsupported)
}

// probe takes the best mailbox that answers, of those that are better than the source in use, or tells why none was taken.
func (t *Throttling) probe() (failures []error, found bool) {
	for _, probe := range []struct {
		path string
		make func(mailbox) source
	}{
		{"dev/vcio_gencmd", func(m mailbox) source { return &gencmd{mailbox: m} }},
		{"dev/vcio", func(m mailbox) source { return &tag{gencmd: gencmd{mailbox: m}} }},
	} {
		path := attribute.Path(t.root, probe.path)
		if path == t.name {
			break
		}
		m, err := t.openMailbox(path)
		if err != nil {
			failures = append(failures, explained(path, err))
			continue
		}
		s := probe.make(m)
		if _, err := s.word(); err != nil {
			_ = s.close()
			failures = append(failures, fmt.Errorf("%s: %w", path, err))
			continue
		}
		t.name, t.source, t.denied = path, s, refusal(failures)
		if _, t.alarm, err = openAlarm(t.root); err == nil {
			_ = t.missed(0) // what was before is not told again
		}
		return nil, true
	}
	return failures, false
}

// refusal returns the first failure of something that is there and could tell; nil if there is none.
func refusal(failures []error) error {
	for _, err := range failures {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}

// explained adds to a refusal to open a device what to do about it. Raspberry Pi
// OS gives vcio_gencmd, and gave vcio, to group video by a udev rule; other
// systems often have none. The device policy of a systemd unit refuses with EPERM.
func explained(path string, err error) error {
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: add the agent's user to group video (usermod -aG video USER) and restart the agent; "+
			"if the device is not of that group, add the udev rule KERNEL==%q, GROUP=\"video\", MODE=\"0660\"", err, filepath.Base(path))
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: the device policy forbids it; add DeviceAllow=%s r to the agent's unit", err, path)
	}
	return err
}

// Word returns the throttling word and which of its bits this source can tell;
// the others are 0 and mean nothing. From /dev/vcio_gencmd and /dev/vcio all
// eight bits are known.
//
// The kernel's rpi_volt driver clears the history every two seconds, and with it may clear a dip that nobody has read
// yet. Its alarm tells of that dip, so bit 16 is set in the one word after the alarm was raised.
//
// From rpi_volt only bits 0 and 16 are, and both are its alarm. The kernel reads
// and clears the firmware's history every two seconds, and the alarm is what bit
// 16 said then (drivers/hwmon/raspberrypi-hwmon.c). So both bits set mean that the
// supply dipped within the last four seconds, even if for a moment only; both
// clear mean that it had not when the kernel last looked, at most two seconds ago.
//
// An error means that nothing is known now, and known is 0. It wraps ErrNoAnswer
// where asking again may help. If an error lasts, Close and Open again: a driver
// may have been replaced.
func (t *Throttling) Word() (word, known uint32, err error) {
	word, err = t.source.word()
	if err != nil {
		return 0, 0, fmt.Errorf("throttling from %s: %w", t.name, err)
	}
	return word | t.missed(word), t.source.known(), nil
}

// missed returns the history bit of a dip that only the kernel's driver has seen, between the word before and this one.
func (t *Throttling) missed(word uint32) (bits uint32) {
	if t.alarm == nil {
		return 0
	}
	const dip = UnderVoltage | UnderVoltage<<History
	seen, err := t.alarm.word()
	is := err == nil && seen != 0
	if is && !t.was && (word|t.last)&dip == 0 {
		bits = UnderVoltage << History
	}
	t.last, t.was = word, is
	return bits
}

// Source returns the path that is read, for people and for reports.
func (t *Throttling) Source() string { return t.name }

// Denied returns why a better source that is there is not the one in use, as of
// Open or the newest Upgrade; nil if there is none. It wraps fs.ErrPermission and
// says what to do where this user may not ask it, and wraps ErrNoAnswer where the
// firmware was silent: Upgrade then.
func (t *Throttling) Denied() error { return t.denied }

// Upgrade looks for a better source than the one in use, and goes on with it if
// one answers now: then it returns true, and Source and Word are those of the
// other. Call it now and then, but not after Close; with the best source in use
// it costs nothing.
func (t *Throttling) Upgrade() bool {
	before := *t
	failures, found := t.probe()
	if !found {
		t.denied = refusal(failures)
		return false
	}
	_ = before.Close()
	return true
}

// MeasureTemperature asks the firmware for the SoC's temperature in degrees
// Celsius, to be compared with the kernel's. It is errors.ErrUnsupported where
// the source is rpi_volt.
func (t *Throttling) MeasureTemperature() (celsius float64, err error) {
	return measure(t, "measure_temp", parseTemperature)
}

// MeasureClock asks the firmware for the real ARM clock in hertz, which unlike
// the kernel's figure includes throttling. It is errors.ErrUnsupported where the
// source is rpi_volt.
func (t *Throttling) MeasureClock() (hertz uint64, err error) {
	return measure(t, "measure_clock arm", parseClock)
}

func measure[T any](t *Throttling, command string, parse func(string) (T, error)) (T, error) {
	var g *gencmd
	switch s := t.source.(type) {
	case *gencmd:
		g = s
	case *tag:
		g = &s.gencmd
	default:
		var none T
		return none, fmt.Errorf("%s from %s: %w", command, t.name, errors.ErrUnsupported)
	}
	text, err := g.ask(command)
	if err != nil {
		var none T
		return none, fmt.Errorf("%s from %s: %w", command, t.name, err)
	}
	value, err := parse(string(text))
	if err != nil {
		return value, fmt.Errorf("%s from %s: %w", command, t.name, err)
	}
	return value, nil
}

// Close closes the source. Every Word after it fails.
func (t *Throttling) Close() error {
	if t.alarm != nil {
		return errors.Join(t.source.close(), t.alarm.close())
	}
	return t.source.close()
}

// retried is a question that is put a second time when the firmware gave no answer.
func retried(m mailbox, fill func(), words []uint32) error {
	for attempt := 0; ; attempt++ {
		fill()
		err := m.property(words)
		if err == nil {
			err = answered(words)
		}
		if attempt == 1 || !errors.Is(err, ErrNoAnswer) {
			return err
		}
	}
}

// refused says what an errno of the ioctl means. The kernel turns a failed
// request into EINVAL (rpi_firmware_property_list in drivers/firmware/raspberrypi.c);
// as the message is well formed, EINVAL is always that.
func refused(errno unix.Errno) error {
	switch errno {
	case unix.EINVAL, unix.ETIMEDOUT:
		return fmt.Errorf("%w: %w", ErrNoAnswer, errno)
	case unix.EPERM:
		return fmt.Errorf("the kernel forbids this request on this device: %w", errno)
	case unix.ENOTTY:
		return fmt.Errorf("not the firmware's mailbox: %w: %w", errno, errors.ErrUnsupported)
	}
	return errno
}
