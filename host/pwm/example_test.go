package pwm_test

import (
	"context"
	"fmt"

	"github.com/bramblemesh/bramble/host/pwm"
)

// A fan on GPIO18 of a Pi 4 runs at 40 % and goes on when the program has ended.
func Example() {
	fan, err := pwm.Open(context.Background(), pwm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fan.Close()
	if err := fan.SetDuty(0.4); err != nil {
		fmt.Println(err, fan.Safe())
	}
}

// The fan on a Pi 5's fan connector belongs to the kernel and is only read.
func ExampleOpenHwmon() {
	fan, err := pwm.OpenHwmon(pwm.HwmonConfig{Name: "pwmfan"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fan.Close()
	fmt.Println(fan.RPM())
}
