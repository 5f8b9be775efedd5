//go:build !race

package mesh_test

// raceDetector is off: times mean something.
const raceDetector = false
