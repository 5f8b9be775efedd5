package pwm

import (
	"errors"
	"fmt"
	"io/fs"
)

// Inspect finds a channel without touching it, and says what it is and does in words for a person, such as
// "fe20c000.pwm channel 0, on at 40 % of 25 kHz". The error wraps [ErrNotFound] when there is no such chip or channel.
func Inspect(config Config) (text string, err error) { return inspect(live{}, config) }

func inspect(s sysfs, config Config) (text string, err error) {
	if err := config.Validate(); err != nil {
		return "", fmt.Errorf("pwm: %w", err)
	}
	c, err := findChip(s, config.Root, config.Device)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s channel %d", c.device, config.Channel)
	if uint64(config.Channel) >= c.channels {
		return "", fmt.Errorf("pwm %s: %w: the chip has channels 0 to %d", name, ErrNotFound, int64(c.channels)-1)
	}
	now, err := readState(s, c.directory(config.Channel))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name + ", not in use yet", nil
	case err != nil:
		return "", fmt.Errorf("pwm %s: %w", name, err)
	case !now.enabled || now.period == 0:
		return name + ", off", nil
	}
	fraction := now.fraction()
	if now.inversed != config.Inverted {
		fraction = 1 - fraction
	}
	return fmt.Sprintf("%s, on at %.0f %% of %g kHz", name, 100*fraction, 1e6/float64(now.period)), nil
}
