package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/host/pwm"
	"github.com/bramblemesh/bramble/host/tach"
)

const (
	// firstWait is how long udev may take, at start, to hand over a channel that was just exported.
	firstWait = 2 * time.Second
	// laterWait is the same when a tick waits for it.
	laterWait = 50 * time.Millisecond
	// retryAfter is the time between two tries to get an output that was not to be had.
	retryAfter = 5 * time.Second
)

// driver is what host/pwm offers of an output.
type driver interface {
	SetDuty(fraction float64) error
	RPM() (float64, error)
	Safe() error
	Close() error
}

// port is one fan of this machine. An output that cannot be had is no reason not to start: the nodes are still watched,
// each write fails with the reason, and it is tried again. Only the coordinator's control loop calls it, or nobody.
type port struct {
	fan  config.Fan
	root string
	tach *gpio.Tach // nil without a wire of its own

	driver  driver // nil while it is not to be had
	failure error  // why
	retry   time.Time
}

var _ coordinator.Fan = (*port)(nil)

func newPort(fan config.Fan, root string) (*port, error) {
	p := &port{fan: fan, root: root}
	if fan.Tach == nil {
		return p, nil
	}
	var err error
	p.tach, err = gpio.NewTach(gpio.TachConfig{
		Line: gpio.Line{Chip: fan.Tach.Line.Chip, Offset: fan.Tach.Line.Offset},
		Name: fan.Name,
		Fan:  tach.Config{PulsesPerRevolution: fan.Tach.Pulses},
	})
	if err != nil {
		return nil, fmt.Errorf("fan %s: tach: %w", fan.Name, err)
	}
	return p, nil
}

// open gets the output, waiting so long for udev at the most.
func (p *port) open(ctx context.Context, wait time.Duration) error {
	if p.driver != nil {
		return nil
	}
	now := time.Now()
	if now.Before(p.retry) {
		return p.failure
	}
	p.retry = now.Add(retryAfter)
	var err error
	if p.fan.PWM != nil {
		var channel *pwm.Channel
		if channel, err = pwm.Open(ctx, channelOf(p.fan, p.root, wait)); err == nil {
			p.driver = channel
		}
	} else {
		var hwmon *pwm.Hwmon
		if hwmon, err = pwm.OpenHwmon(hwmonOf(p.fan, p.root)); err == nil {
			p.driver = hwmon
		}
	}
	p.failure = err
	return err
}

// SetDuty sets the duty as a fraction.
func (p *port) SetDuty(fraction float64) error {
	if err := p.open(context.Background(), laterWait); err != nil {
		return err
	}
	return p.driver.SetDuty(fraction)
}

// RPM reads the speed from the fan's wire or its driver.
func (p *port) RPM() (float64, error) {
	if p.tach != nil {
		return p.tach.RPM()
	}
	if err := p.open(context.Background(), laterWait); err != nil {
		return 0, err
	}
	return p.driver.RPM()
}

// Safe puts the fan to full, with or without an open output; one that only the kernel drives is left to it.
func (p *port) Safe() error {
	if p.driver != nil {
		return p.driver.Safe()
	}
	return makeSafe(context.Background(), p.fan, p.root)
}

// close gives a fan that was taken over back to the kernel; others stay as Safe left them.
func (p *port) close() error {
	if p.driver == nil {
		return nil
	}
	var err error
	if hwmon, ok := p.driver.(*pwm.Hwmon); ok {
		err = hwmon.Restore()
	}
	if err = errors.Join(err, p.driver.Close()); err != nil {
		return fmt.Errorf("fan %s: %w", p.fan.Name, err)
	}
	return nil
}

// makeSafe puts a fan to full without anything that was opened before.
func makeSafe(ctx context.Context, fan config.Fan, root string) error {
	switch {
	case fan.PWM != nil:
		return pwm.Safe(ctx, channelOf(fan, root, firstWait))
	case fan.Hwmon != nil:
		return pwm.SafeHwmon(hwmonOf(fan, root))
	}
	return errors.New("it is not known how it is driven")
}

func channelOf(fan config.Fan, root string, wait time.Duration) pwm.Config {
	return pwm.Config{
		Root: root, Device: fan.PWM.Device, Channel: fan.PWM.Channel, PeriodNanoseconds: fan.PWM.PeriodNanoseconds,
		Inverted: fan.PWM.Inverted, WritableWithin: wait,
	}
}

func hwmonOf(fan config.Fan, root string) pwm.HwmonConfig {
	h := fan.Hwmon
	return pwm.HwmonConfig{Root: root, Name: h.Name, Device: h.Device, PWM: h.PWM, Fan: h.Fan, TakeOver: h.TakeOver}
}
