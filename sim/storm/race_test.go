//go:build race

package storm

// raceDetector makes everything several times slower.
const raceDetector = true
