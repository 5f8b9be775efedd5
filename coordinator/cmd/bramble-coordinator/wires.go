package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/host/command"
	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/internal/keeper"
)

// lineKeeper holds descriptors of lines that must outlive this process.
type lineKeeper interface {
	// All are the names and descriptors that earlier processes left.
	All() iter.Seq2[string, int]
	// Keep has a descriptor kept under a name for the processes to come. The error says who does not keep it.
	Keep(name string, fd int) error
}

// rail is the GPIO output of one node's feed. One that cannot be had is tried again; until then its node's power is
// unknown, and it is not switched.
type rail struct {
	claim  gpio.Claim
	keeper lineKeeper

	mu      sync.Mutex
	output  *gpio.Output // nil while it is not to be had
	failure error
	retry   time.Time
}

var _ coordinator.Rail = (*rail)(nil)

func newRail(node string, at *config.Output, k lineKeeper) *rail {
	return &rail{keeper: k, claim: gpio.Claim{
		Line: gpio.Line{Chip: at.Line.Chip, Offset: at.Line.Offset}, Consumer: "bramble/" + node, ActiveLow: at.ActiveLow, Name: keeper.Rail(node),
	}}
}

// open gets the line as it is, and has it kept.
func (r *rail) open() (*gpio.Output, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.output != nil {
		return r.output, nil
	}
	if now.Before(r.retry) {
		return nil, r.failure
	}
	r.retry = now.Add(retryAfter)
	output, err := gpio.OpenOutput(r.claim, r.keeper.All())
	if r.failure = err; err != nil {
		return nil, err
	}
	r.output = output
	return output, unkept(r.keeper.Keep(r.claim.Name, output.FD()))
}

// Set switches the feed.
func (r *rail) Set(on bool) error {
	output, err := r.open()
	if output == nil {
		return err
	}
	return output.Set(on)
}

// On reads the line back.
func (r *rail) On() (bool, error) {
	output, err := r.open()
	if output == nil {
		return false, err
	}
	return output.On()
}

// doneLine is the GPIO input of one node's done line. One that cannot be had fails its watch, and is tried again then.
type doneLine struct {
	claim  gpio.Claim
	keeper lineKeeper
	input  *gpio.Input
}

var _ coordinator.DoneLine = (*doneLine)(nil)

func newDoneLine(d config.DoneLine, k lineKeeper) *doneLine {
	return &doneLine{keeper: k, claim: gpio.Claim{
		Line: gpio.Line{Chip: d.Line.Chip, Offset: d.Line.Offset}, Consumer: "bramble/" + d.Node, Name: keeper.Done(d.Node),
	}}
}

func (d *doneLine) open() error {
	if d.input != nil {
		return nil
	}
	input, err := gpio.OpenInput(d.claim, d.keeper.All())
	if err != nil {
		return err
	}
	d.input = input
	return unkept(d.keeper.Keep(d.claim.Name, input.FD()))
}

// Watch tells the level and then each edge. The line stays requested in between, so that no edge is lost.
func (d *doneLine) Watch(ctx context.Context, seen func(high bool, at time.Time)) error {
	if err := d.open(); d.input == nil {
		return err
	}
	return d.input.Watch(ctx, seen)
}

// errProgram is a rail whose programs cannot be run as they are configured.
var errProgram = errors.New("rail")

func newProgram(r config.Rail) (*command.Rail, error) {
	c := r.Command
	port, err := command.New(command.Config{Node: r.Node, On: c.On, Off: c.Off, State: c.State, Timeout: c.Timeout})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProgram, err)
	}
	return port, nil
}

// unkept is who does not keep a line, apart from a systemd that is not there: under a shell nobody expects it.
func unkept(err error) error {
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return fmt.Errorf("its line is not kept beyond this process: %w", err)
}

// wire connects rails and done lines to this machine. Nothing is switched by it. A line that somebody else holds is an
// error: two masters never drive one gate.
func wire(live *coordinator.Config, cfg *config.Config, k lineKeeper) (warnings []error, err error) {
	live.Hardware.Rails, live.Hardware.DoneLines = map[string]coordinator.Rail{}, map[string]coordinator.DoneLine{}
	var faults []error
	note := func(node string, err error) {
		_, busy := errors.AsType[*gpio.BusyError](err)
		if busy || errors.Is(err, errProgram) {
			faults = append(faults, fmt.Errorf("node %s: %w", node, err))
		} else if err != nil {
			warnings = append(warnings, fmt.Errorf("node %s: %w", node, err))
		}
	}
	for _, r := range cfg.Hardware.Rails {
		if r.Command != nil {
			port, err := newProgram(r)
			note(r.Node, err)
			live.Hardware.Rails[r.Node] = port
			continue
		}
		port := newRail(r.Node, r.Line, k)
		_, err := port.open()
		note(r.Node, err)
		live.Hardware.Rails[r.Node] = port
	}
	for _, d := range cfg.Hardware.DoneLines {
		port := newDoneLine(d, k)
		note(d.Node, port.open())
		live.Hardware.DoneLines[d.Node] = port
	}
	return warnings, errors.Join(faults...)
}
