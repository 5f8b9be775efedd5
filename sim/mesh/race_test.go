//go:build race

package mesh_test

// raceDetector makes everything several times slower.
const raceDetector = true
