package pwm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// Config names a PWM channel. Its zero value is channel 0 of the header's chip at 25 kHz.
type Config struct {
	// Root is where the machine's files begin; empty means /.
	Root string

	// Device is the name of the chip's device, or its end: fe20c000.pwm on a Pi 4,
	// 1f00098000.pwm on a Pi 5. Empty means the chip of a Raspberry Pi's header, or the only chip.
	Device string

	// Channel counts the chip's channels from 0. Up to a Pi 4, GPIO12 and GPIO18 are channel 0,
	// GPIO13 and GPIO19 channel 1; on a Pi 5 GPIO12, 13, 18 and 19 are channels 0 to 3.
	Channel int

	// PeriodNanoseconds is 1,000 to 1,000,000,000; 0 means 40,000, the 25 kHz of 4-pin fans.
	PeriodNanoseconds int

	// Inverted says that a transistor or an inverting level shifter sits between pin and fan: a
	// high pin slows the fan. Hardware that can invert does; else, and on a channel that already
	// runs, the duty is turned around here. Full speed is then a pin that stays low, and a pin
	// that nobody drives is full speed only if a resistor pulls the transistor's input down.
	Inverted bool

	// WritableWithin is how long to wait until udev has made the exported channel's files
	// writable: up to a minute, 0 means 2 s.
	WritableWithin time.Duration
}

// Validate reports every field that is out of its limits, joined. Zero fields are in order.
func (c Config) Validate() error {
	var faults []error
	if c.Channel < 0 {
		faults = append(faults, fmt.Errorf("channel: %d is below 0", c.Channel))
	}
	if c.PeriodNanoseconds != 0 && (c.PeriodNanoseconds < 1_000 || c.PeriodNanoseconds > 1_000_000_000) {
		faults = append(faults, fmt.Errorf("period nanoseconds: %d is outside 1000 to 1000000000", c.PeriodNanoseconds))
	}
	if c.WritableWithin < 0 || c.WritableWithin > time.Minute {
		faults = append(faults, fmt.Errorf("writable within: %v is outside 0s to 1m", c.WritableWithin))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.PeriodNanoseconds == 0 {
		c.PeriodNanoseconds = 40_000
	}
	if c.WritableWithin == 0 {
		c.WritableWithin = 2 * time.Second
	}
	return c
}

// Channel is a PWM channel that is on. Its methods may be called from any goroutine.
type Channel struct {
	sysfs  sysfs
	config Config
	name   string // for messages

	mu           sync.Mutex
	duty, enable *number
	period       uint64 // nanoseconds
	flipped      bool   // the pin has the opposite of the level that the fan needs
	fraction     float64
	closed       bool
}

// Open takes the channel over, or switches it on at full speed, and returns when its files can
// be written and it runs. It waits at most WritableWithin, or until the context ends. The error
// wraps [ErrNotFound] when there is no such chip or channel.
func Open(ctx context.Context, config Config) (*Channel, error) {
	return open(ctx, live{}, config)
}

func open(ctx context.Context, s sysfs, config Config) (*Channel, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("pwm: %w", err)
	}
	c := &Channel{sysfs: s, config: config.withDefaults()}
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// take finds the channel, claims it and brings it to the wanted state.
func (c *Channel) take(ctx context.Context) error {
	chip, err := findChip(c.sysfs, c.config.Root, c.config.Device)
	if err != nil {
		return err
	}
	c.name = fmt.Sprintf("pwm %s channel %d", chip.device, c.config.Channel)
	f, err := claim(ctx, c.sysfs, chip, c.config)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	now, err := readState(c.sysfs, chip.directory(c.config.Channel))
	if err == nil {
		err = c.adopt(f, now)
	}
	if err != nil {
		f.close()
		return fmt.Errorf("%s: %w", c.name, err)
	}
	_, _ = f.period.close(), f.polarity.close()
	c.duty, c.enable = f.duty, f.enable
	return nil
}

// adopt brings a channel from the state that it is in to the wanted period and polarity and
// makes sure that it is on. The fan of a channel that runs must not notice.
func (c *Channel) adopt(f *files, now state) error {
	c.period = uint64(c.config.PeriodNanoseconds)
	if now.period != c.period {
		scaled := uint64(now.fraction() * float64(c.period))
		if now.duty > c.period { // no duty may be longer than its period, not even in between
			if err := f.duty.set(scaled); err != nil {
				return fmt.Errorf("lower the duty: %w", err)
			}
			now.duty = scaled
		}
		if err := f.period.set(c.period); err != nil {
			return fmt.Errorf("set the period to %d ns: %w", c.period, err)
		}
		if now.duty != scaled {
			if err := f.duty.set(scaled); err != nil {
				return fmt.Errorf("keep the duty: %w", err)
			}
		}
		now.duty, now.period = scaled, c.period
	}
	c.flipped = now.inversed != c.config.Inverted
	if now.enabled {
		c.fraction = now.fraction()
		if c.flipped {
			c.fraction = 1 - c.fraction
		}
		return nil
	}
	if c.flipped {
		_, err := f.polarity.write([]byte(polarity(c.config.Inverted) + "\n"))
		c.flipped = err != nil // not every driver can
	}
	c.fraction = 1
	if err := f.duty.set(c.nanoseconds(1)); err != nil {
		return fmt.Errorf("set the duty: %w", err)
	}
	if err := f.enable.set(1); err != nil {
		return fmt.Errorf("switch on: %w", err)
	}
	return nil
}

// polarity returns the kernel's word for it.
func polarity(inversed bool) string {
	if inversed {
		return "inversed"
	}
	return "normal"
}

// nanoseconds returns the duty_cycle that gives the fan a fraction.
func (c *Channel) nanoseconds(fraction float64) uint64 {
	if c.flipped {
		fraction = 1 - fraction
	}
	return uint64(math.Round(fraction * float64(c.period)))
}

// SetDuty sets the duty to a fraction, 0 (the fan stops or idles, as its maker decided) to 1
// (full speed), and switches the channel on again if another program has switched it off. Any
// other fraction is refused and changes nothing.
func (c *Channel) SetDuty(fraction float64) error {
	if err := checkFraction(c.name, fraction); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("%s: %w", c.name, errClosed)
	}
	if err := c.duty.set(c.nanoseconds(fraction)); err != nil {
		return fmt.Errorf("%s: set the duty: %w", c.name, err)
	}
	// The kernel passes over what changes nothing (__pwm_apply in drivers/pwm/core.c).
	if err := c.enable.set(1); err != nil {
		return fmt.Errorf("%s: switch on: %w", c.name, err)
	}
	c.fraction = fraction
	return nil
}

// Duty returns the fraction that was last set, or that was found when the channel was taken over.
func (c *Channel) Duty() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fraction
}

// RPM returns an error that wraps [errors.ErrUnsupported]: a PWM channel has no tachometer.
func (c *Channel) RPM() (rpm float64, err error) { return 0, noTach(c.name) }

// Safe puts the fan to full speed. Where the open files no longer lead anywhere, because somebody
// unexported the channel, it begins anew as the function [Safe] does, which may take twice
// WritableWithin, and SetDuty works again afterwards.
func (c *Channel) Safe() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && c.duty.set(c.nanoseconds(1)) == nil && c.enable.set(1) == nil {
		c.fraction = 1
		return nil
	}
	if err := makeFull(context.Background(), c.sysfs, c.config); err != nil {
		return err
	}
	c.fraction = 1
	if c.closed {
		return nil
	}
	_, _ = c.duty.close(), c.enable.close()
	if err := c.take(context.Background()); err != nil {
		c.closed = true
		return fmt.Errorf("the fan is at full speed, but cannot be driven any more: %w", err)
	}
	return nil
}

// Close closes the files. The channel stays exported and goes on with its last duty.
func (c *Channel) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return errors.Join(c.duty.close(), c.enable.close())
}

var errClosed = errors.New("already closed")

func checkFraction(name string, fraction float64) error {
	if !(fraction >= 0 && fraction <= 1) {
		return fmt.Errorf("%s: a duty of %v is outside 0 to 1; nothing was changed", name, fraction)
	}
	return nil
}

func noTach(name string) error {
	return fmt.Errorf("%s: no tachometer: %w", name, errors.ErrUnsupported)
}
