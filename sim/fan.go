package sim

import (
	"errors"
	"fmt"
	"math"
	"syscall"
)

// Fan is the case's fan: a Noctua NF-A4x20 5V PWM with two tach pulses a turn,
// as the pins of the master drive and read it.
type Fan struct {
	c    *Case
	duty float64
	rpm  float64
}

// tachNoise is how far a reading may be from the truth, as a part of it;
// noisyTach the same for a wire that catches interference, which only adds
// edges.
const (
	tachNoise = 0.005
	noisyTach = 0.6
)

// SetDuty drives the fan with a duty of 0 to 1. It is an error outside that,
// and syscall.EIO while writes fail; the fan then keeps the duty it had.
func (f *Fan) SetDuty(fraction float64) error {
	if !(fraction >= 0 && fraction <= 1) {
		return fmt.Errorf("fan: a duty of %v is out of range: use 0 to 1", fraction)
	}
	f.c.lock()
	defer f.c.mu.Unlock()
	if f.c.faults.has(FaultFailedPWM) {
		return fmt.Errorf("fan: set duty %v: %w", fraction, syscall.EIO)
	}
	f.duty = fraction
	return nil
}

// Safe lets go of the fan's control pin, upon which the fan runs at full. It
// fails as SetDuty does.
func (f *Fan) Safe() error { return f.SetDuty(1) }

// Duty returns the duty the fan sees, 0 to 1; 1 before the first SetDuty.
func (f *Fan) Duty() float64 {
	f.c.lock()
	defer f.c.mu.Unlock()
	return f.duty
}

// RPM returns the speed by the tach, within 0.5 %. It is errors.ErrUnsupported
// for a fan without a tach and syscall.EIO while reading it fails. A lost wire
// has no edges, and so reads 0.
func (f *Fan) RPM() (float64, error) {
	f.c.lock()
	defer f.c.mu.Unlock()
	switch {
	case f.c.cfg.Fan.NoTach:
		return 0, fmt.Errorf("fan: no tach: %w", errors.ErrUnsupported)
	case f.c.faults.has(FaultFailedTach):
		return 0, fmt.Errorf("fan: tach: %w", syscall.EIO)
	case f.c.faults.has(FaultLostTach):
		return 0, nil
	}
	random := unit(f.c.random(streamTach, 0, uint64(f.c.now)))
	if f.c.faults.has(FaultNoisyTach) {
		return f.rpm * (1 + noisyTach*random), nil
	}
	return f.rpm * (1 + tachNoise*(2*random-1)), nil
}

// TrueRPM returns the speed as it is, without a tach.
func (f *Fan) TrueRPM() float64 {
	f.c.lock()
	defer f.c.mu.Unlock()
	return f.rpm
}

// turn moves the rotor on by one tick and returns its rpm.
func (f *Fan) turn() float64 {
	const closeEnough = 0.01 // rpm; from here on nothing needs computing anew
	target, share := rpmAt(f.duty), f.c.plant.fan
	if f.c.faults.has(FaultStalledFan) {
		target, share = 0, f.c.plant.blocked
	}
	f.rpm += (target - f.rpm) * share
	if math.Abs(target-f.rpm) < closeEnough {
		f.rpm = target
	}
	return f.rpm
}
