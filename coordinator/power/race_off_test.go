//go:build !race

package power

const (
	usualDepth = 4
	usualWalks = 1200
)
