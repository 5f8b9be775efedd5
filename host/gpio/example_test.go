package gpio_test

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/bramblemesh/bramble/host/gpio"
)

// A tachometer on GPIO17 is watched for ten seconds.
func ExampleTach() {
	fan, err := gpio.NewTach(gpio.TachConfig{Line: gpio.Line{Offset: 17}, Name: "front"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error)
	go func() { done <- fan.Run(ctx) }()
	for {
		select {
		case <-time.After(time.Second):
			fmt.Println(fan.RPM())
		case err := <-done:
			fmt.Println(err)
			return
		}
	}
}

// A worker's rail and its shutdown-complete line, as a process finds them that was restarted: kept maps
// the names under which an earlier one had them kept to descriptors, such as those of LISTEN_FDS.
func Example_rail() {
	kept := map[string]int{}

	rail, err := gpio.OpenOutput(gpio.Claim{Line: gpio.Line{Offset: 17}, Consumer: "bramble/worker-1", Name: "rail.worker-1"}, maps.All(kept))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("the rail is %v, kept %v\n", rail.Found().On, rail.Found().Kept)

	done, err := gpio.OpenInput(gpio.Claim{Line: gpio.Line{Offset: 5}, Consumer: "bramble/worker-1", Name: "done.worker-1"}, maps.All(kept))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = done.Watch(context.Background(), func(high bool, at time.Time) { fmt.Println(at, high) })
	fmt.Println(err)
}
