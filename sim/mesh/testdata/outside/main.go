// A program that is not part of bramble: it embeds an agent and a coordinator, on a simulated case.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
)

// board is a simulated board as an agent's thermal port.
type board struct{ *sim.Board }

func (b board) Sensors() []agent.Sensor {
	return []agent.Sensor{{Name: "cpu-thermal", Kind: agent.SoCTemperature}}
}

func (b board) Read(int) (float64, error) { return b.Celsius() }

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := sim.New(sim.Config{})
	if err != nil {
		return err
	}
	go c.Run(ctx)

	dir, err := os.MkdirTemp("", "outside-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "master.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	master := c.Board("master")
	a, err := agent.New(agent.Config{
		Name: "master", BootID: master.BootID(),
		Board:   agent.Board{Model: master.Model(), LimitCelsius: master.LimitCelsius()},
		Thermal: board{master},
	})
	if err != nil {
		return err
	}
	go a.Serve(ctx, listener)

	co, err := coordinator.New(coordinator.Config{
		Core: core.Config{
			Nodes: []core.NodeConfig{{Name: "master", Address: "unix://" + socket}},
			Fans:  []core.FanConfig{{Name: "rear", Tach: true}},
		},
		Hardware: coordinator.Hardware{Fans: map[string]coordinator.Fan{"rear": c.Fan()}},
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- co.Run(ctx) }()

	for event, err := range co.Watch(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(event.Message)
		if event.Kind == core.ReportFanModeChanged {
			break
		}
	}
	fmt.Printf("master: %.0f degrees, fan: %.0f %%\n", co.Nodes()[0].Measurements[0].Reading.Celsius, co.Fans()[0].Duty*100)
	stop()
	return <-ended
}
