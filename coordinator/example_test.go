package coordinator_test

import (
	"context"
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
)

// relayFan is a fan of your own: whatever can set a duty. It has no tach, so RPM is never asked.
type relayFan struct{}

func (relayFan) SetDuty(fraction float64) error { return nil }
func (relayFan) RPM() (float64, error)          { return 0, fmt.Errorf("no tach") }
func (relayFan) Safe() error                    { fmt.Println("the fan is at full"); return nil }

// A coordinator inside another program: it follows two nodes and turns one fan until its context ends.
func Example() {
	c, err := coordinator.New(coordinator.Config{
		Core: core.Config{
			Nodes: []core.NodeConfig{
				{Name: "master", Address: "unix:/run/example/agent.sock"},
				{Name: "worker-1", Address: "127.0.0.1:1"}, // beyond this machine, Credentials are needed
			},
			Fans: []core.FanConfig{{Name: "main"}},
		},
		Hardware: coordinator.Hardware{Fans: map[string]coordinator.Fan{"main": relayFan{}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		fmt.Println(err)
	}
	for _, n := range c.Nodes() {
		fmt.Println(n.Name, "is", n.Presence)
	}
	// Output:
	// the fan is at full
	// master is connecting
	// worker-1 is connecting
}

// Events come in a range loop, while a person sets the fan.
func ExampleCoordinator_Watch() {
	c, err := coordinator.New(coordinator.Config{
		Core:     core.Config{Fans: []core.FanConfig{{Name: "main"}}},
		Hardware: coordinator.Hardware{Fans: map[string]coordinator.Fan{"main": relayFan{}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	events := c.Watch(ctx)
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	for event, err := range events {
		if err != nil {
			fmt.Println(err) // a slow reader is told how many events it missed
			break
		}
		fmt.Println(event.Number, event.Subject, event.Kind)
		break
	}
	cancel()
	<-ended
	// Output:
	// 1 main fan mode changed
	// the fan is at full
}

// An override holds a duty for a while. It never outranks a board that is too hot or unknown.
func ExampleCoordinator_SetFan() {
	c, err := coordinator.New(coordinator.Config{
		Core:     core.Config{Fans: []core.FanConfig{{Name: "main"}}},
		Hardware: coordinator.Hardware{Fans: map[string]coordinator.Fan{"main": relayFan{}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	events := c.Watch(ctx)
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	for range events {
		break // it runs
	}
	f, err := c.SetFan(ctx, "main", core.FanSetting{Duty: 0.4, Hold: 10 * time.Minute})
	fmt.Println(f.Mode, f.Duty, err)
	_, err = c.SetFan(ctx, "main", core.FanSetting{Duty: 1.4, Hold: 10 * time.Minute})
	fmt.Println(err)
	cancel()
	<-ended
	// Output:
	// override 0.4 <nil>
	// fan main: duty 1.4: not allowed: it must be 0.2 to 1
	// the fan is at full
}

// Hardware ports are small interfaces: anything that has these methods will do, here a rail that a program controls.
func ExampleRail() {
	var _ coordinator.Rail = smartPlug{}
	c, err := coordinator.New(coordinator.Config{
		Core:     core.Config{Nodes: []core.NodeConfig{{Name: "worker-1", Address: "127.0.0.1:7700", Rail: true}}},
		Hardware: coordinator.Hardware{Rails: map[string]coordinator.Rail{"worker-1": smartPlug{}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(c.Nodes()[0].PresenceReason)
	// Output: its rail is off
}

type smartPlug struct{}

func (smartPlug) Set(on bool) error { return nil }
func (smartPlug) On() (bool, error) { return false, nil }
