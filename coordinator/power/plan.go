package power

import "time"

// Supply is the converter and how starts share it. The zero value limits nothing.
type Supply struct {
	// LimitAmperes is what it gives at 5 V; 0 is unknown, and limits nothing.
	LimitAmperes float64
	// FixedAmperes is what is always on.
	FixedAmperes float64
	// Stagger is between two starts. Default 2 s.
	Stagger time.Duration
	// Settle is how long no node may have reported under-voltage before the next start. Default 10 s.
	Settle time.Duration
	// GiveUp is how long a start may wait for the supply before its operation ends and says so. Default 5 min.
	GiveUp time.Duration
}

// Load is one node on the supply.
type Load struct {
	Node  string
	State State
	// Powered says that its rail is on, may be on, or that it has none.
	Powered                         bool
	BootPeakAmperes, MaximumAmperes float64
	// After are the nodes that must be ready before it starts, and that stop after it.
	After []string
}
