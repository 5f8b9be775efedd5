package gpio_test

import (
	"context"
	"fmt"
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
