package sim_test

import (
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/sim"
)

// A case is stepped, read and broken without any hardware, and as fast as the
// machine can.
func Example() {
	c, err := sim.New(sim.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	worker, fan := c.Board("worker-3"), c.Fan()
	_ = worker.SetLoad(1)
	_ = fan.SetDuty(0.5)
	c.Step(10 * time.Minute)
	fmt.Printf("%s at %.0f C with the fan at %.0f rpm\n", worker.Model(), worker.TrueCelsius(), fan.TrueRPM())

	_ = c.Fault(sim.Fault{Kind: sim.FaultStalledFan})
	c.Step(10 * time.Minute)
	word, _ := worker.ThrottleWord()
	fmt.Printf("%v: %.0f C with the fan at %.0f rpm, throttling word %#x\n", c.Faults(), worker.TrueCelsius(), fan.TrueRPM(), word)
	// Output:
	// Raspberry Pi 3 Model B Plus Rev 1.3 at 50 C with the fan at 2757 rpm
	// [stalled-fan]: 81 C with the fan at 0 rpm, throttling word 0xe000e
}

// Cutting a running board's power loses its file systems; shutting it down first
// does not.
func ExampleCase_LostFileSystems() {
	c, err := sim.New(sim.Pico5())
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.Board("worker-1").PowerOff()
	c.Step(time.Minute)
	_ = c.Rail("worker-1").Set(false)
	fmt.Println("after a proper power-off:", c.LostFileSystems())

	_ = c.Rail("worker-2").Set(false)
	fmt.Println("after pulling the plug:", c.LostFileSystems(), c.Losses())
	// Output:
	// after a proper power-off: 0
	// after pulling the plug: 1 [60.000 worker-2 lost its file systems by its rail]
}
