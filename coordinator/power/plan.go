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

// Plan shares the supply between starts, and orders nodes. It is not safe for concurrent use.
type Plan struct{ supply Supply }

// NewPlan returns a plan for a supply.
func NewPlan(supply Supply) *Plan { return &Plan{supply: supply} }

// Committed is what the supply is committed to, in amperes: the fixed loads and every node that is not off with proof.
func (p *Plan) Committed(loads []Load) float64 { return 0 }

// Fits says whether those that start now, each at its boot peak, fit beside what is committed: nil, or a *Refusal with the
// sum, node by node.
func (p *Plan) Fits(loads []Load, starting []string) error { return nil }

// Grant says which of the queued nodes, in their order, may start now; granted is empty when none may, and waiting says
// why. next is when it is worth asking again; zero when only an event can change it. A granted start is counted at once.
func (p *Plan) Grant(now time.Time, loads []Load, queued []string, underVoltage []string) (granted string, waiting string, next time.Time) {
	return "", "", time.Time{}
}

// Waves is the order of nodes by what they depend on: those of one wave may go at once, each wave after the one before;
// stopping reverses it. A cycle is an error that names it.
func Waves(loads []Load, stopping bool) ([][]string, error) { return nil, nil }
