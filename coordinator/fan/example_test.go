package fan_test

import (
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

// The owner of a fan steps it once a second, writes the duty and prints why.
func Example() {
	controller := fan.New(fan.Config{}) // an NF-A4x20 that never stops
	now := time.Now()

	worker := fan.NodeInput{Node: "worker-1", Sensor: "cpu", SetPointCelsius: 55, LimitCelsius: 60}
	out := controller.Step(now, fan.Input{Nodes: []fan.NodeInput{worker}})
	fmt.Println(out.Decision)

	worker.Known, worker.Celsius = true, 57
	out = controller.Step(now.Add(time.Second), fan.Input{Nodes: []fan.NodeInput{worker}})
	fmt.Println(out.Decision.Mode, out.Duty, out.Decision.Bound)

	// Output:
	// 100 % fail-safe: worker-1/cpu has no reading: check the node and its sensor
	// auto 1 maximum
}
