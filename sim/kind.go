package sim

import (
	"fmt"
	"time"
)

// Kind is a kind of board.
type Kind int

const (
	Pi4B     Kind = iota // Raspberry Pi 4 Model B, the zero value
	Pi3BPlus             // Raspberry Pi 3 Model B+, with a soft limit of 60 C
	numKinds
)

// String returns the short name: pi-4b or pi-3b-plus.
func (k Kind) String() string {
	if k < 0 || k >= numKinds {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return k.figures().name
}

// Amps returns what such a board draws at most while it boots, and at most in
// all: what a supply has to be planned with.
func (k Kind) Amps() (bootPeak, most float64) {
	f := k.figures()
	return f.bootAmps, f.fullAmps
}

// MarshalText returns the short name, so that kinds can stand in files.
func (k Kind) MarshalText() ([]byte, error) {
	if k < 0 || k >= numKinds {
		return nil, fmt.Errorf("board kind %d is unknown", int(k))
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads a short name. An unknown one is an error that lists the
// known ones.
func (k *Kind) UnmarshalText(text []byte) error {
	for kind := range numKinds {
		if kind.String() == string(text) {
			*k = kind
			return nil
		}
	}
	return fmt.Errorf("board kind %q is unknown: use %v or %v", text, Pi4B, Pi3BPlus)
}

// figures are what tells one kind of board from another.
type figures struct {
	name, model string

	heat float64 // its heat beside a Pi 4's

	// The sensor's straight line from code to millidegrees, from the device tree.
	sensorOffset, sensorSlope int

	limit     float64 // C, the lowest limit at which the firmware slows it down
	softLimit float64 // C, 0 for none

	clock, softClock float64 // Hz, at full and at the soft limit

	idleAmps, fullAmps, bootAmps, haltAmps float64

	bootTime, stopTime time.Duration
}

// figures holds the table of kinds. Sources:
//
//   - model: what /proc/device-tree/model of a common revision says.
//   - sensor: thermal-zone coefficients of bcm2711.dtsi and bcm2837.dtsi.
//   - limits, clocks: Raspberry Pi documentation, frequency-management.
//   - idle, full and halt amperes: the same, power-supplies; the 3B+ has no
//     stress figure there, so it has the 3B's. Boot peaks are the defaults of
//     the committed current: 1.4 A and 1.2 A.
//   - heat of a 3B+, boot and stop times: ASSUMED.
func (k Kind) figures() figures {
	if k == Pi3BPlus {
		return figures{
			name: "pi-3b-plus", model: "Raspberry Pi 3 Model B Plus Rev 1.3",
			heat:         0.92,
			sensorOffset: 407000, sensorSlope: 538,
			limit: 60, softLimit: 60,
			clock: 1.4e9, softClock: 1.2e9,
			idleAmps: 0.5, fullAmps: 1.34, bootAmps: 1.2, haltAmps: 0.1,
			bootTime: 32 * time.Second, stopTime: 10 * time.Second,
		}
	}
	return figures{
		name: "pi-4b", model: "Raspberry Pi 4 Model B Rev 1.4",
		heat:         1,
		sensorOffset: 410040, sensorSlope: 487,
		limit: throttleCelsius,
		clock: 1.5e9, softClock: 1.5e9,
		idleAmps: 0.6, fullAmps: 1.25, bootAmps: 1.4, haltAmps: 0.023,
		bootTime: 20 * time.Second, stopTime: 6 * time.Second,
	}
}
