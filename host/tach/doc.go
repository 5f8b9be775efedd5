// Package tach turns the edges of a fan's tachometer wire into revolutions per minute.
//
// A fan pulls the wire low a fixed number of times per revolution, two on nearly every fan with
// four pins (Intel, 4-Wire Pulse Width Modulation Controlled Fans, rev. 1.3). The kernel stamps
// each falling edge with CLOCK_MONOTONIC in its interrupt handler and numbers it, so a reading
// needs no timing of ours: the speed is the number of pulses between the first and the last
// edge of a window, divided by the time between their stamps.
//
// Three things spoil that, and the [Estimator] is built around them:
//
//   - Lost edges. When nobody reads for a while the kernel's queue drops its oldest edges. The
//     sequence numbers show how many, so they are counted without having been seen.
//   - Extra edges. The 25 kHz control signal next to the wire and slow, bouncing edges add
//     pulses that no magnet made. An edge that comes sooner after its predecessor than the fan
//     can turn, or sooner than half of the median interval, is not counted.
//   - A storm. Above [MaximumEdgeRate] the wire carries something else than a tachometer. The
//     reading is then a [NoiseError], never a number.
//
// A second without an edge is a standing fan, 0 rpm, and no error: whether it ought to turn is
// for the fan controller to judge.
//
// The package has no clock, no goroutine and no lock. Host package gpio feeds it from a real
// line and serialises the calls.
package tach
