package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/bramblemesh/bramble/coordinator/config"
)

const (
	// safeWithin is for all fans together, udev's delays included.
	safeWithin = 8 * time.Second
	// safeGrace is for a fan that does not heed the end of its time: the kernel may hold it.
	safeGrace = time.Second
	// mostFans is more than any case has; the map may be damaged.
	mostFans = 64
)

// safe puts every fan to full.
func (c *cli) safe(ctx context.Context) error {
	fans, err := c.known()
	if err != nil {
		return err
	}
	if len(fans) > mostFans {
		return fmt.Errorf("%d fans are not believed: remove %s and run safe again", len(fans), c.mapPath())
	}
	if who, held := holder(c.below("coordinator.lock")); held {
		fmt.Fprintf(c.stderr, "bramble-coordinator: another one%s is running and sets the fans again: stop it first if they are to stay at full\n", who)
	}
	if len(fans) == 0 {
		return c.say("there is no fan")
	}
	return c.report(fans, allSafe(ctx, fans, func(ctx context.Context, f config.Fan) error { return makeSafe(ctx, f, c.machine) }))
}

// known are the fans that were driven last, or that would be.
func (c *cli) known() ([]config.Fan, error) {
	last, fault := readMap(c.mapPath())
	if fault == nil {
		return last.Fans, nil
	}
	if errors.Is(fault, fs.ErrNotExist) {
		fault = fmt.Errorf("there is no %s, so no coordinator ran since the boot", c.mapPath())
	}
	cfg, err := config.Load(c.config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: no fan is known", fault), err,
			errors.New("correct the configuration and run safe again, or pull the fan's control wire: an undriven 4-pin fan runs at full"))
	}
	fmt.Fprintf(c.stderr, "bramble-coordinator: %v; taking the fans of %s\n", fault, c.config)
	return cfg.Hardware.Fans, nil
}

// outcome is what became of one fan.
type outcome struct {
	index int
	err   error
}

// allSafe tries every fan at the same time, and waits for none longer than there is time: a fan that the kernel holds on
// to must not keep the next start of the coordinator waiting.
func allSafe(ctx context.Context, fans []config.Fan, try func(context.Context, config.Fan) error) []error {
	ctx, cancel := context.WithTimeout(ctx, safeWithin)
	defer cancel()
	late := time.NewTimer(safeWithin + safeGrace)
	defer late.Stop()
	outcomes := make(chan outcome, len(fans))
	faults := make([]error, len(fans))
	for i, f := range fans {
		faults[i] = errors.New("the kernel did not answer in time")
		go func() { outcomes <- outcome{i, rescue(func() error { return try(ctx, f) })} }()
	}
	for range fans {
		select {
		case o := <-outcomes:
			faults[o.index] = o.err
		case <-late.C:
			return faults
		}
	}
	return faults
}

func rescue(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return do()
}

func (c *cli) report(fans []config.Fan, faults []error) error {
	var failed []error
	for i, f := range fans {
		switch {
		case faults[i] != nil:
			failed = append(failed, fmt.Errorf("fan %s is not at full: %w", f.Name, faults[i]))
		case f.Hwmon != nil && !f.Hwmon.TakeOver:
			failed = append(failed, c.say("fan %s is left to the kernel, which drives it", f.Name))
		default:
			failed = append(failed, c.say("fan %s is at full", f.Name))
		}
	}
	return errors.Join(failed...)
}
