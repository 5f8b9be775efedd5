package tach_test

import (
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/host/tach"
)

func Example() {
	estimator, err := tach.New(tach.Config{MaximumRPM: 6000})
	if err != nil {
		fmt.Println(err)
		return
	}
	var at time.Duration // CLOCK_MONOTONIC
	for sequence := range uint32(200) {
		estimator.Edge(sequence, at)
		at += 6 * time.Millisecond
	}
	rpm, err := estimator.RPM(at)
	fmt.Printf("%.0f rpm, %v\n", rpm, err)
	rpm, err = estimator.RPM(at + time.Second)
	fmt.Printf("%.0f rpm, %v\n", rpm, err)
	// Output:
	// 5000 rpm, <nil>
	// 0 rpm, <nil>
}
