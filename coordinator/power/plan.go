package power

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
	// GiveUp is how long a start may wait for the supply before its operation ends and says so. Default 5 min. The plan
	// does not count it: who holds the operation does.
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

// Amperes is what a node counts for on the supply: nothing when it is off with proof or waits for its start, its boot peak
// while it starts, its maximum once it is up, and until off is proved again; the greater of the two while it is not known
// which, and while it restarts.
func Amperes(state State, bootPeak, maximum float64) float64 {
	switch state {
	case StateOff, StateQueued:
		return 0
	case StateStarting, StateBooting:
		return bootPeak
	case StateReady, StateDraining, StateStopping, StateProven, StateCutting, StateHalted, StateStuck:
		return maximum
	default:
		return max(bootPeak, maximum)
	}
}

func (l Load) amperes() float64 {
	if l.Powered && (l.State == StateOff || l.State == StateQueued) {
		return max(l.BootPeakAmperes, l.MaximumAmperes)
	}
	return Amperes(l.State, l.BootPeakAmperes, l.MaximumAmperes)
}

// reserved is what a node may come to without a further decision: one that starts will be up.
func (l Load) reserved() float64 {
	if l.State == StateStarting || l.State == StateBooting {
		return max(l.BootPeakAmperes, l.MaximumAmperes)
	}
	return l.amperes()
}

// Plan shares the supply between starts, and orders nodes. It is not safe for concurrent use.
type Plan struct {
	supply  Supply
	granted time.Time // the newest start
	sagged  time.Time // when under-voltage was reported last
}

// NewPlan returns a plan for a supply.
func NewPlan(supply Supply) *Plan {
	if supply.Stagger <= 0 {
		supply.Stagger = 2 * time.Second
	}
	if supply.Settle <= 0 {
		supply.Settle = 10 * time.Second
	}
	if supply.GiveUp <= 0 {
		supply.GiveUp = 5 * time.Minute
	}
	return &Plan{supply: supply}
}

// Supply is the supply with its defaults filled in.
func (p *Plan) Supply() Supply { return p.supply }

// Committed is what the supply is committed to, in amperes: the fixed loads and every node that is not off with proof.
func (p *Plan) Committed(loads []Load) float64 {
	sum := p.supply.FixedAmperes
	for _, l := range loads {
		sum += l.amperes()
	}
	return sum
}

// slack is for sums of decimal fractions that are exactly the limit.
const slack = 1e-6

// Fits says whether those that are to start fit beside what is committed, and beside those that are queued: nil, or a
// *Refusal with the sum, node by node. They start one after the other, so the worst moment is one at its boot peak while
// all others are up.
func (p *Plan) Fits(loads []Load, starting []string) error {
	if p.supply.LimitAmperes <= 0 {
		return nil
	}
	sum, peak := p.supply.FixedAmperes, 0.0
	terms := []string{fmt.Sprintf("fixed loads %.2f", sum)}
	for _, l := range loads {
		amperes, note := l.reserved(), ""
		starts := slices.Contains(starting, l.Node)
		if l.State == StateQueued || starts && amperes == 0 {
			amperes, note = l.MaximumAmperes, " to start"
			peak = max(peak, l.BootPeakAmperes-l.MaximumAmperes)
		}
		if amperes == 0 {
			continue
		}
		sum += amperes
		terms = append(terms, fmt.Sprintf("%s %.2f%s", l.Node, amperes, note))
	}
	if peak > 0 {
		sum += peak
		terms = append(terms, fmt.Sprintf("one boot peak %.2f more", peak))
	}
	if sum <= p.supply.LimitAmperes+slack {
		return nil
	}
	return &Refusal{
		Promise: supplied,
		What: fmt.Sprintf("cannot start %s: %s is %.2f A, and the supply gives %.2f A",
			strings.Join(starting, ", "), strings.Join(terms, " + "), sum, p.supply.LimitAmperes),
		Do: "power another node off first, or correct the supply's figures in the configuration",
	}
}

// Grant says which of the queued nodes, in their order, may start now; granted is empty when none may, and waiting says
// why. next is when it is worth asking again; zero when only an event can change it. Starts are staggered, wait until no
// node has reported under-voltage for the settle time, wait for the nodes that they come after, and fit the supply. The
// first that waits for the supply holds the others back. Call it whenever underVoltage changes, or a sag is forgotten, and
// step the Grant before the next call.
func (p *Plan) Grant(now time.Time, loads []Load, queued []string, underVoltage []string) (granted string, waiting string, next time.Time) {
	if len(underVoltage) > 0 {
		p.sagged = now
	}
	if len(queued) == 0 {
		return "", "", time.Time{}
	}
	if len(underVoltage) > 0 {
		return "", strings.Join(underVoltage, ", ") + ": under-voltage; the next start waits until it is over", time.Time{}
	}
	if at := p.sagged.Add(p.supply.Settle); !p.sagged.IsZero() && now.Before(at) {
		return "", fmt.Sprintf("the supply sagged; the next start waits until it was well for %v", p.supply.Settle), at
	}
	if at := p.granted.Add(p.supply.Stagger); !p.granted.IsZero() && now.Before(at) {
		return "", fmt.Sprintf("starts are %v apart", p.supply.Stagger), at
	}
	for _, name := range queued {
		i := slices.IndexFunc(loads, func(l Load) bool { return l.Node == name })
		if i < 0 {
			continue
		}
		if before := waitsFor(loads[i], loads); before != "" {
			if waiting == "" {
				waiting = name + " waits for " + before
			}
			continue
		}
		if sum := p.with(loads, name); p.supply.LimitAmperes > 0 && sum > p.supply.LimitAmperes+slack {
			return "", fmt.Sprintf("%s waits for the supply: with it, it would carry %.2f A of %.2f A", name, sum, p.supply.LimitAmperes), time.Time{}
		}
		p.granted = now
		return name, "", time.Time{}
	}
	return "", waiting, time.Time{}
}

// with is what the supply may come to when a node starts now.
func (p *Plan) with(loads []Load, name string) float64 {
	sum := p.supply.FixedAmperes
	for _, l := range loads {
		if l.Node == name {
			l.State = StateStarting
		}
		sum += l.reserved()
	}
	return sum
}

// waitsFor is a node that must be ready before l starts; empty when none is missing.
func waitsFor(l Load, loads []Load) string {
	for _, other := range loads {
		if other.State != StateReady && slices.Contains(l.After, other.Node) {
			return other.Node
		}
	}
	return ""
}

// Waves is the order of nodes by what they depend on: those of one wave may go at once, each wave after the one before;
// stopping reverses it. A name in After that is no load is nothing to wait for. A cycle is an error that names it.
func Waves(loads []Load, stopping bool) ([][]string, error) {
	left := slices.Clone(loads)
	var waves [][]string
	for len(left) > 0 {
		blocked := func(l Load) bool {
			return slices.ContainsFunc(left, func(o Load) bool { return slices.Contains(l.After, o.Node) })
		}
		var wave []string
		for _, l := range left {
			if !blocked(l) {
				wave = append(wave, l.Node)
			}
		}
		if len(wave) == 0 {
			return nil, fmt.Errorf("nodes wait for each other: %s; take one `after` out of the configuration", cycle(left))
		}
		left = slices.DeleteFunc(left, func(l Load) bool { return slices.Contains(wave, l.Node) })
		waves = append(waves, wave)
	}
	if stopping {
		slices.Reverse(waves)
	}
	return waves, nil
}

// cycle finds one among nodes that each wait for another of them.
func cycle(left []Load) string {
	path := []string{left[0].Node}
	for {
		i := slices.IndexFunc(left, func(l Load) bool { return l.Node == path[len(path)-1] })
		j := slices.IndexFunc(left, func(l Load) bool { return slices.Contains(left[i].After, l.Node) })
		name := left[j].Node
		if at := slices.Index(path, name); at >= 0 {
			return strings.Join(append(path[at:], name), " after ")
		}
		path = append(path, name)
	}
}
