package sim

import (
	"errors"
	"fmt"
)

// Fault is one thing broken.
type Fault struct {
	Kind  FaultKind
	Board string  // whose, for a kind that is one board's; else empty
	Other string  // the second board of FaultDoneSwapped; else empty
	Value float64 // for the kinds that have one; 0 for its default
}

// String returns the fault's name and its boards'.
func (f Fault) String() string {
	text := f.Kind.String()
	if f.Board != "" {
		text += " " + f.Board
	}
	if f.Other != "" {
		text += " " + f.Other
	}
	return text
}

// faultSet is a set of kinds, with a value for those that have one.
type faultSet struct {
	kinds  uint64
	values map[FaultKind]float64
}

func (s *faultSet) has(k FaultKind) bool { return s.kinds&(1<<k) != 0 }

func (s *faultSet) put(k FaultKind, in bool, value float64) {
	s.kinds &^= 1 << k
	if !in {
		return
	}
	s.kinds |= 1 << k
	if value != 0 {
		if s.values == nil {
			s.values = make(map[FaultKind]float64)
		}
		s.values[k] = value
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
	all := c.faults.list("")
	for _, b := range c.boards {
		for _, f := range b.faults.list(b.cfg.Name) {
			if f.Kind == FaultDoneSwapped {
				if b.swap.index < b.index {
					continue // the other one listed it
				}
				f.Other = b.swap.cfg.Name
			}
			all = append(all, f)
		}
	}
	return all
}

func (s *faultSet) list(board string) []Fault {
	if s.kinds == 0 {
		return nil
	}
	var all []Fault
	for _, k := range FaultKinds() {
		if s.has(k) {
			f := Fault{Kind: k, Board: board}
			if k.spec().value != 0 {
				f.Value = s.values[k]
			}
			all = append(all, f)
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
	if !f.Kind.OfBoard() {
		c.faults.put(f.Kind, broken, value)
		return
	}
	b := c.byName[f.Board]
	if f.Kind == FaultDoneSwapped {
		b.unswap()
		if broken {
			b.swapWith(c.byName[f.Other])
		}
		return
	}
	if f.Kind == FaultFrozenSensor && !b.faults.has(f.Kind) {
		b.frozen = b.reading()
	}
	b.faults.put(f.Kind, broken, value)
	if !broken {
		b.resume(f.Kind)
	}
	b.feed()
	b.disturb(f.Kind)
	b.drive()
}

// resume lets a board go on that only waited for a fault's end.
func (b *Board) resume(k FaultKind) {
	hung := k == FaultHungShutdown && b.phase == phaseUnmounting
	bootless := k == FaultNoBoot && b.phase == phaseFirmware
	if (hung || bootless) && b.due == never && !b.hung {
		b.due = b.c.now
	}
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
	case fault.Kind.OfBoard():
		f.place(at+"board", fault.Kind, fault.Board, cfg)
	case fault.Board != "":
		f.add(at+"board", "%v is no single board's: leave %q out", fault.Kind, fault.Board)
	case cfg.Fan.Absent && spec.of == ofFan:
		f.add(at+kind, "%v needs a fan, and the case has none", fault.Kind)
	}
	switch {
	case spec.of != ofPair && fault.Other != "":
		f.add(at+"other", "%v is of one board: leave %q out", fault.Kind, fault.Other)
	case spec.of == ofPair && fault.Other == fault.Board:
		f.add(at+"other", "%v is of two boards: name another than %q", fault.Kind, fault.Other)
	case spec.of == ofPair:
		f.place(at+"other", fault.Kind, fault.Other, cfg)
	}
	switch {
	case fault.Value == 0:
	case spec.value == 0:
		f.add(at+"value", "%v has no value: leave %v out", fault.Kind, fault.Value)
	default:
		f.number(at+"value", fault.Value, spec.least, spec.most)
	}
}

// place wants the board of a fault to be there, with what the fault breaks.
func (f *findings) place(path string, kind FaultKind, board string, cfg Config) {
	b, ok := cfg.board(board)
	of := kind.spec().of
	switch {
	case board == "":
		f.add(path, "%v needs a board: use one of %q", kind, cfg.names())
	case !ok:
		f.add(path, "there is no board %q: use one of %q", board, cfg.names())
	case (of == ofLine || of == ofPair) && !b.DoneLine:
		f.add(path, "%q has no done line that %v could break", board, kind)
	case of == ofRail && !b.Rail:
		f.add(path, "%q has no rail that %v could break", board, kind)
	}
}
