package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Scenario is loads and faults over time.
type Scenario struct {
	Name        string
	Description string // one line for a list

	// Duration is how long it is worth watching; 0 for as long as one likes.
	// The case goes on after it.
	Duration time.Duration

	// SettledDuty, if not 0, settles the boards when the scenario begins, as if
	// the fan had for long been at this duty (0 to 1) under the loads of the
	// steps at 0. Otherwise the boards are as warm as they are.
	SettledDuty float64

	// SlowKelvin, if not 0, then puts the slower mode of every board so many
	// kelvin above the room, 0 to 60.
	SlowKelvin float64

	Steps []Step // in the order of their times
}

// Step is one row of a scenario. At its time it does all that it says.
type Step struct {
	At time.Duration // since the scenario began

	// Board is whom Load, Bursts, Fault, Clear and Typed are about; empty for
	// every board, and for faults that are no single board's.
	Board string

	Load    *float64  // 0 to 1; ends bursts
	Bursts  bool      // from here on random loads, drawn by the case's seed
	Ambient *float64  // the room's new temperature, -20 to 60 C
	Fault   FaultKind // breaks
	Other   string    // of Fault and Clear, the second board of FaultDoneSwapped
	Value   float64   // of Fault, where it has one; 0 for its default
	Clear   FaultKind // mends

	// Typed is what a person types on Board: "poweroff" or "reboot". Where nobody
	// can, for the board is not up, nothing happens.
	Typed string
}

// Validate reports every fault of the scenario at once, each with its path such
// as steps[2].board, for a case of that configuration; nil if there is none.
func (s Scenario) Validate(cfg Config) error {
	cfg = cfg.withDefaults()
	var f findings
	if s.Duration < 0 {
		f.add("duration", "%v is out of range: use 0s or more", s.Duration)
	}
	f.number("settled_duty", s.SettledDuty, 0, 1)
	f.number("slow_kelvin", s.SlowKelvin, 0, 60)
	var last time.Duration
	for i, step := range s.Steps {
		at := fmt.Sprintf("steps[%d].", i)
		switch {
		case step.At < 0:
			f.add(at+"at", "%v is out of range: use 0s or more", step.At)
		case step.At < last:
			f.add(at+"at", "%v is before the step above it, at %v: put steps in order", step.At, last)
		case s.Duration > 0 && step.At > s.Duration:
			f.add(at+"at", "%v is after the scenario's end at %v", step.At, s.Duration)
		}
		last = max(last, step.At)
		f.step(at, step, cfg)
	}
	return errors.Join(f...)
}

func (f *findings) step(at string, s Step, cfg Config) {
	faulty := s.Fault != NoFault || s.Clear != NoFault
	loaded := s.Load != nil || s.Bursts
	if !faulty && !loaded && s.Ambient == nil && s.Typed == "" {
		f.add(at[:len(at)-1], "does nothing: give load, bursts, ambient, fault, clear or typed")
	}
	switch {
	case s.Typed == "":
	case s.Typed != EventPowerOff.String() && s.Typed != EventReboot.String():
		f.add(at+"typed", "%q is unknown: use %v or %v", s.Typed, EventPowerOff, EventReboot)
	case s.Board == "":
		f.add(at+"board", "typing needs a board: use one of %q", cfg.names())
	}
	if s.Load != nil {
		f.number(at+"load", *s.Load, 0, 1)
		if s.Bursts {
			f.add(at+"bursts", "cannot go with a load: use two steps")
		}
	}
	if s.Ambient != nil {
		f.number(at+"ambient", *s.Ambient, minAmbient, maxAmbient)
	}
	if s.Fault != NoFault {
		f.fault(at, "fault", Fault{Kind: s.Fault, Board: s.Board, Other: s.Other, Value: s.Value}, cfg)
	} else if s.Value != 0 {
		f.add(at+"value", "%v without a fault: leave it out", s.Value)
	}
	if s.Clear != NoFault {
		f.fault(at, "clear", Fault{Kind: s.Clear, Board: s.Board, Other: s.Other}, cfg)
	}
	if _, ok := cfg.board(s.Board); !ok && s.Board != "" && !faulty {
		f.add(at+"board", "there is no board %q: use one of %q", s.Board, cfg.names())
	}
}

// Play begins a scenario now: its steps at 0 at once, the others as time moves,
// each at its exact instant. It takes the place of the one being played, whose
// loads and faults stay; the zero Scenario only ends that one. A scenario that
// does not fit the case is an error, with every fault in it, and changes nothing.
func (c *Case) Play(s Scenario) error {
	if err := s.Validate(c.cfg); err != nil {
		return fmt.Errorf("scenario %s: %w", either(s.Name, "without a name"), err)
	}
	c.lock()
	defer c.mu.Unlock()
	c.script, c.scriptAt, c.scriptPos = slices.Clone(s.Steps), c.now, 0
	c.happen()
	if s.SettledDuty > 0 {
		c.room = c.roomTarget()
		c.settle(s.SettledDuty)
	}
	if s.SlowKelvin > 0 {
		for _, b := range c.boards {
			b.slow = s.SlowKelvin
		}
	}
	return nil
}

// apply does one step of a scenario that has been checked.
func (c *Case) apply(s Step) {
	for _, b := range c.boards {
		if s.Board != "" && s.Board != b.cfg.Name {
			continue
		}
		if s.Load != nil {
			b.load, b.burstDue = *s.Load, never
		}
		if s.Bursts && !b.hung {
			b.burstDue = c.now
		}
	}
	if s.Ambient != nil {
		c.ambient = *s.Ambient
	}
	if s.Fault != NoFault {
		c.breakOrMend(Fault{Kind: s.Fault, Board: s.Board, Other: s.Other, Value: s.Value}, true)
	}
	if s.Typed != "" {
		b, kind := c.byName[s.Board], EventPowerOff
		if s.Typed == EventReboot.String() {
			kind = EventReboot
		}
		_ = b.halt(kind, false) // a board that is not up hears nobody
	}
	if s.Clear != NoFault {
		c.breakOrMend(Fault{Kind: s.Clear, Board: s.Board, Other: s.Other}, false)
	}
}
