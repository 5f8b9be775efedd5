package pwm

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
)

// Safe puts the fan on a channel to full speed, whatever state the channel is in. It is for the
// moment when all else has failed: it needs no [Channel], replaces a period and a wait that are out
// of their limits, tries every step even when the one before it failed, and judges by what the
// kernel says in the end. A channel that runs is left as it is but for its duty.
func Safe(ctx context.Context, config Config) error {
	return makeFull(ctx, live{}, config)
}

func makeFull(ctx context.Context, s sysfs, config Config) error {
	if config.Validate() != nil {
		config.PeriodNanoseconds, config.WritableWithin = 0, 0
	}
	config = config.withDefaults()
	chip, err := findChip(s, config.Root, config.Device)
	if err != nil {
		return err
	}
	// Files that claim could not open all may still take the one value that counts.
	f, claimed := claim(ctx, s, chip, config)
	if claimed == nil {
		f.close()
	}
	dir := chip.directory(config.Channel)
	put := func(name, value string) error { return writeText(s, filepath.Join(dir, name), value) }

	now, _ := readState(s, dir) // what cannot be read counts as off
	var faults []error
	if now.period == 0 {
		now.period = uint64(config.PeriodNanoseconds)
		faults = append(faults, put("period", strconv.FormatUint(now.period, 10)))
	}
	if !now.enabled && now.inversed != config.Inverted && put("polarity", polarity(config.Inverted)) == nil {
		now.inversed = config.Inverted
	}
	full := now.period
	if now.inversed != config.Inverted {
		full = 0
	}
	faults = append(faults, put("duty_cycle", strconv.FormatUint(full, 10)))
	if !now.enabled {
		faults = append(faults, put("enable", "1"))
	}
	after, err := readState(s, dir)
	if err == nil && after.enabled && after.duty == full && after.period == now.period {
		return nil
	}
	if fault := inOneLine(faults...); err != nil && fault == nil {
		return nil // nothing can be read back, and nothing was refused
	}
	outcome := fmt.Errorf("cannot set full speed: the channel is on: %t, with a duty of %d of %d ns", after.enabled, after.duty, after.period)
	// One reason is enough at night: what is missing makes all that follows fail too.
	reason := cmp.Or(claimed, inOneLine(faults...), err)
	return fmt.Errorf("pwm %s channel %d: %w", chip.device, config.Channel, inOneLine(outcome, reason))
}
