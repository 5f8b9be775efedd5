package sim

import (
	"errors"
	"fmt"
	"strings"
)

// FaultKind is something that can break. The zero value is no fault.
type FaultKind int

const (
	NoFault            FaultKind = iota
	FaultStalledFan              // the fan's rotor is blocked
	FaultLostTach                // the tach's wire is off: 0 rpm, whatever the fan does
	FaultFailedTach              // reading the tach is an error
	FaultNoisyTach               // the tach reads up to 60 % too much
	FaultFailedPWM               // setting the duty is an error; the fan keeps its duty
	FaultHotRoom                 // the room heats up to Value, in C; default 35
	FaultSupplySag               // the supply loses Value, in V; default 0.6
	FaultSilentAgent             // a board's agent does not answer
	FaultFrozenSensor            // a board's sensor repeats its last reading
	FaultFailedSensor            // reading a board's sensor is an error
	FaultHungShutdown            // a board's shutdown does not end
	FaultDoneStuckHigh           // a board's done line is high, whatever the board does
	FaultDoneStuckLow            // a board's done line is low, whatever the board does
	numFaultKinds
)

// faultSpec says what a kind of fault needs.
type faultSpec struct {
	name               string
	ofBoard            bool // it is one board's
	value, least, most float64
}

func (k FaultKind) spec() faultSpec {
	return [numFaultKinds]faultSpec{
		NoFault:            {name: "none"},
		FaultStalledFan:    {name: "stalled-fan"},
		FaultLostTach:      {name: "lost-tach"},
		FaultFailedTach:    {name: "failed-tach"},
		FaultNoisyTach:     {name: "noisy-tach"},
		FaultFailedPWM:     {name: "failed-pwm"},
		FaultHotRoom:       {name: "hot-room", value: 35, least: minAmbient, most: maxAmbient},
		FaultSupplySag:     {name: "supply-sag", value: sagDefaultVolt, most: supplyVolts},
		FaultSilentAgent:   {name: "silent-agent", ofBoard: true},
		FaultFrozenSensor:  {name: "frozen-sensor", ofBoard: true},
		FaultFailedSensor:  {name: "failed-sensor", ofBoard: true},
		FaultHungShutdown:  {name: "hung-shutdown", ofBoard: true},
		FaultDoneStuckHigh: {name: "done-stuck-high", ofBoard: true},
		FaultDoneStuckLow:  {name: "done-stuck-low", ofBoard: true},
	}[k]
}

// FaultKinds returns every kind of fault.
func FaultKinds() []FaultKind {
	kinds := make([]FaultKind, 0, numFaultKinds)
	for k := NoFault + 1; k < numFaultKinds; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// String returns the fault's name, such as silent-agent; "none" for no fault.
func (k FaultKind) String() string {
	if k < 0 || k >= numFaultKinds {
		return fmt.Sprintf("fault(%d)", int(k))
	}
	return k.spec().name
}

// OfBoard says whether the fault is one board's, so that a Fault needs a Board.
func (k FaultKind) OfBoard() bool {
	return k > NoFault && k < numFaultKinds && k.spec().ofBoard
}

// ParseFaultKind returns the fault with a name. An unknown name is an error that
// lists the known ones.
func ParseFaultKind(name string) (FaultKind, error) {
	kinds := FaultKinds()
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
		if names[i] == name {
			return k, nil
		}
	}
	return NoFault, fmt.Errorf("fault %q is unknown: use one of %s", name, strings.Join(names, ", "))
}

// MarshalText returns the fault's name, so that faults can stand in files.
func (k FaultKind) MarshalText() ([]byte, error) {
	if k < 0 || k >= numFaultKinds {
		return nil, fmt.Errorf("fault %d is unknown", int(k))
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *FaultKind) UnmarshalText(text []byte) error {
	if string(text) == NoFault.String() {
		*k = NoFault
		return nil
	}
	kind, err := ParseFaultKind(string(text))
	if err != nil {
		return err
	}
	*k = kind
	return nil
}

// Fault is one thing broken.
type Fault struct {
	Kind  FaultKind
	Board string  // whose, for a kind that is one board's; else empty
	Value float64 // for the kinds that have one; 0 for its default
}

// String returns the fault's name and its board's.
func (f Fault) String() string {
	if f.Board == "" {
		return f.Kind.String()
	}
	return f.Kind.String() + " " + f.Board
}

// faultSet is a set of kinds.
type faultSet uint32

func (s faultSet) has(k FaultKind) bool { return s&(1<<k) != 0 }

func (s *faultSet) put(k FaultKind, in bool) {
	*s &^= 1 << k
	if in {
		*s |= 1 << k
	}
}

// Fault breaks something until it is cleared; what is broken already takes the
// new value. An unknown kind, a board that is not there or a value out of range
// is an error and changes nothing.
func (c *Case) Fault(f Fault) error { return c.setFault(f, true) }

// Clear mends what Fault broke. Clearing what is whole changes nothing; errors
// are those of Fault.
func (c *Case) Clear(f Fault) error { return c.setFault(f, false) }

// Faults returns what is broken now: the case's own faults, then each board's.
func (c *Case) Faults() []Fault {
	c.lock()
	defer c.mu.Unlock()
	var all []Fault
	for _, k := range FaultKinds() {
		if !c.faults.has(k) {
			continue
		}
		f := Fault{Kind: k}
		switch k {
		case FaultHotRoom:
			f.Value = c.hotRoom
		case FaultSupplySag:
			f.Value = c.sagVolts
		}
		all = append(all, f)
	}
	for _, b := range c.boards {
		for _, k := range FaultKinds() {
			if b.faults.has(k) {
				all = append(all, Fault{Kind: k, Board: b.cfg.Name})
			}
		}
	}
	return all
}

func (c *Case) setFault(f Fault, broken bool) error {
	var found findings
	found.fault("", "kind", f, c.cfg)
	if len(found) > 0 {
		return fmt.Errorf("fault %v: %w", f, errors.Join(found...))
	}
	c.lock()
	defer c.mu.Unlock()
	c.breakOrMend(f, broken)
	c.reschedule()
	return nil
}

// breakOrMend does what setFault does, for a fault that has been checked.
func (c *Case) breakOrMend(f Fault, broken bool) {
	value := either(f.Value, f.Kind.spec().value)
	switch f.Kind {
	case FaultHotRoom:
		c.hotRoom = value
	case FaultSupplySag:
		c.sagVolts = value
	}
	if !f.Kind.OfBoard() {
		c.faults.put(f.Kind, broken)
		return
	}
	b := c.byName[f.Board]
	if f.Kind == FaultFrozenSensor && !b.faults.has(f.Kind) {
		b.frozen = b.reading()
	}
	b.faults.put(f.Kind, broken)
	if f.Kind == FaultHungShutdown && !broken && b.phase == phaseUnmounting && b.due == never && !b.hung {
		b.due = c.now
	}
	b.drive()
}

// fault checks a fault against a configuration with its defaults; at is the path
// it stands under, kind the name of its field for the kind.
func (f *findings) fault(at, kind string, fault Fault, cfg Config) {
	if fault.Kind <= NoFault || fault.Kind >= numFaultKinds {
		f.add(at+kind, "%v is no fault: use one of %v", fault.Kind, FaultKinds())
		return
	}
	spec := fault.Kind.spec()
	switch {
	case spec.ofBoard && fault.Board == "":
		f.add(at+"board", "%v needs a board: use one of %q", fault.Kind, cfg.names())
	case spec.ofBoard:
		f.existing(at+"board", fault, cfg)
	case fault.Board != "":
		f.add(at+"board", "%v is no single board's: leave %q out", fault.Kind, fault.Board)
	case cfg.Fan.Absent && fault.Kind >= FaultStalledFan && fault.Kind <= FaultFailedPWM:
		f.add(at+kind, "%v needs a fan, and the case has none", fault.Kind)
	}
	switch {
	case fault.Value == 0:
	case spec.value == 0:
		f.add(at+"value", "%v has no value: leave %v out", fault.Kind, fault.Value)
	default:
		f.number(at+"value", fault.Value, spec.least, spec.most)
	}
}

// existing wants the board of a fault to be there, with what the fault breaks.
func (f *findings) existing(path string, fault Fault, cfg Config) {
	b, ok := cfg.board(fault.Board)
	switch {
	case !ok:
		f.add(path, "there is no board %q: use one of %q", fault.Board, cfg.names())
	case (fault.Kind == FaultDoneStuckHigh || fault.Kind == FaultDoneStuckLow) && !b.DoneLine:
		f.add(path, "%q has no done line that %v could break", fault.Board, fault.Kind)
	}
}
