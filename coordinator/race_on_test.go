//go:build race

package coordinator_test

import "time"

// virtual is how much time the whole mesh is run for; the race detector is ten times slower.
const virtual = 10 * time.Minute
