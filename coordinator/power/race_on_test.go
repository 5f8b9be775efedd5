//go:build race

package power

// The detector makes everything ten times slower, and there is one goroutine to watch.
const (
	usualDepth = 3
	usualWalks = 150
)
