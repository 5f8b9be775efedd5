//go:build !race

package coordinator_test

import "time"

// virtual is how much time the whole mesh is run for.
const virtual = time.Hour
