//go:build !race

package storm

// raceDetector is off: times mean something.
const raceDetector = false
