package thermal_test

import (
	"fmt"
	"log"

	"github.com/bramblemesh/bramble/host/thermal"
)

// Print every temperature of this machine, and what is wrong with those that
// cannot be read.
func Example() {
	set, err := thermal.Open("/")
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	for i, sensor := range set.Sensors() {
		celsius, err := set.Read(i)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s: %.1f C, limit %v C\n", sensor.Name, celsius, sensor.LimitCelsius)
	}
}
