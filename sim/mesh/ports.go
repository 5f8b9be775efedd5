package mesh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// boardPorts is a simulated board as an agent's hardware.
type boardPorts struct{ board *sim.Board }

const (
	temperature = iota
	clock
)

func (p boardPorts) Sensors() []agent.Sensor {
	return []agent.Sensor{
		temperature: {Name: "cpu-thermal", Kind: agent.SoCTemperature, Source: "simulated"},
		clock:       {Name: "cpu", Kind: agent.CPUClock, Source: "simulated"},
	}
}

func (p boardPorts) Read(i int) (float64, error) {
	if i == temperature {
		return p.board.Celsius()
	}
	return float64(p.board.ClockHertz()), nil
}

// known are the bits that the simulated firmware tells: all four flags, now and since the boot.
const known = 0x000f_000f

func (p boardPorts) Word() (word, mask uint32, err error) {
	word, err = p.board.ThrottleWord()
	return word, known, err
}

func (p boardPorts) Source() string { return "/dev/vcio_gencmd" }

func (p boardPorts) Name() string      { return "ACT" }
func (p boardPorts) Set(on bool) error { return p.board.SetLight(on) }
func (p boardPorts) Restore() error    { return p.board.SetLight(false) }

// PowerOff, Reboot and Ready are the board's system as its agent asks it.
func (p boardPorts) PowerOff(context.Context) error { return p.end(p.board.AskPowerOff) }
func (p boardPorts) Reboot(context.Context) error   { return p.end(p.board.AskReboot) }
func (p boardPorts) Ready() error                   { return nil }

func (p boardPorts) end(ask func() error) error {
	if p.board.State() == sim.StateStopping {
		return agent.ErrUnderWay
	}
	err := ask()
	if errors.Is(err, sim.ErrRefused) {
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

// Signal is how the board shows the end of its power-off.
func (p boardPorts) Signal() agent.DoneSignal {
	signal := p.board.DoneSignal()
	told := agent.DoneSignal{
		Chip: "simulated", Line: 26, Source: "simulated",
		ActiveDelay: signal.ActiveDelay, InactiveDelay: signal.InactiveDelay, Timeout: signal.Timeout,
	}
	switch signal.By {
	case sim.DoneByOverlay:
		told.Mechanism = agent.DoneByOverlay
	case sim.DoneByHelper:
		told.Mechanism = agent.DoneByHelper
	default:
		told = agent.DoneSignal{}
	}
	return told
}

// Pulse shows which wire is the board's own.
func (p boardPorts) Pulse(ctx context.Context, width time.Duration) error {
	if err := p.board.PulseDoneLine(width); err != nil {
		return err
	}
	select {
	case <-time.After(width):
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.board.PulseDoneLine(0))
	}
}

// hardware is the case as the coordinator's pins see it.
func hardware(c *sim.Case, store coordinator.Store) coordinator.Hardware {
	h := coordinator.Hardware{
		Store: store,
		Fans:  map[string]coordinator.Fan{}, Rails: map[string]coordinator.Rail{}, DoneLines: map[string]coordinator.DoneLine{},
	}
	if fan := c.Fan(); fan != nil {
		h.Fans[virtual.FanName] = fan
	}
	for _, board := range c.Boards() {
		if rail := c.Rail(board.Name()); rail != nil {
			h.Rails[board.Name()] = rail
		}
		if line := c.DoneLine(board.Name()); line != nil {
			h.DoneLines[board.Name()] = line
		}
	}
	return h
}
