package virtual

import (
	"github.com/bramblemesh/bramble/coordinator/core"
)

// pend has an event stepped after the one whose effects are being carried out.
func (s *Shell) pend(ev core.Event) { s.pending = append(s.pending, ev) }

// step steps an event, carries out what the core wants done and steps what that leads to. Without a coordinator nothing
// happens.
func (s *Shell) step(ev core.Event) {
	if s.core == nil {
		return
	}
	s.pend(ev)
	if s.busy {
		return
	}
	s.busy = true
	defer func() { s.busy = false }()
	for first := true; s.core != nil && len(s.pending) > 0; first = false {
		if !first && s.dies() {
			return
		}
		ev := s.pending[0]
		s.pending = s.pending[1:]
		for _, effect := range s.core.Step(s.Now(), ev) {
			if s.dies() {
				return
			}
			if s.cfg.Effect != nil {
				s.cfg.Effect(effect)
			}
			s.carryOut(effect)
		}
	}
}

func (s *Shell) dies() bool {
	if s.core == nil || s.cfg.Dies == nil || !s.cfg.Dies() {
		return s.core == nil
	}
	s.Crash()
	return true
}

func (s *Shell) carryOut(effect core.Effect) {
	switch e := effect.(type) {
	case core.Connect:
		s.node(e.Node).dial = s.sim.Now() + e.After
	case core.Disconnect:
		n := s.node(e.Node)
		n.open, n.dial = false, -1
		s.pend(core.StreamClosed(e))
	case core.WriteDuty:
		s.pend(core.FanWritten{Fan: e.Fan, Err: s.sim.Fan().SetDuty(e.Fraction)})
	case core.Store:
		s.store(e)
	case core.SwitchRail:
		s.switchRail(e)
	case core.AskPowerOff:
		s.call(e.Node, func(n *node) error { return s.powerOff(n, e.Operation, false, e.WithoutSignal) }, answered(e.Node, e.Operation))
	case core.StopMaster:
		s.call(e.Node, func(n *node) error { return s.powerOff(n, e.Operation, false, true) }, answered(e.Node, e.Operation))
	case core.AskReboot:
		s.call(e.Node, func(n *node) error { return s.powerOff(n, e.Operation, true, true) }, answered(e.Node, e.Operation))
	case core.AskPulse:
		s.pulse(e)
	case core.AcknowledgeDamage:
		if s.cfg.Store != nil {
			_ = s.cfg.Store.Acknowledge() // asked for again after a restart
		}
	case core.Publish:
		if s.cfg.Report != nil {
			s.cfg.Report(e.Report)
		}
	case core.Answer:
		s.replies[e.Ticket] = reply{answer: e}
	case core.Refuse:
		s.replies[e.Ticket] = reply{err: e.Err}
	}
}

func answered(node, operation string) func(error, bool) core.Event {
	return func(err error, unsure bool) core.Event {
		return core.Answered{Node: node, Operation: operation, Err: err, Unsure: unsure}
	}
}

// pulse has an agent show its line, and answers when that is over.
func (s *Shell) pulse(e core.AskPulse) {
	n := s.node(e.Node)
	pulsed := func(err error, _ bool) core.Event {
		return core.Pulsed{Node: e.Node, Operation: e.Operation, Err: err}
	}
	s.call(e.Node, func(n *node) error { return n.board.PulseDoneLine(e.Width) }, func(err error, unsure bool) core.Event {
		if err != nil {
			return pulsed(err, unsure)
		}
		boot := n.boot
		s.later(e.Width, false, func() {
			if n.boot != boot {
				s.step(pulsed(errBroken, true))
				return
			}
			s.step(pulsed(nil, false))
		})
		return core.Wake{}
	})
}

// switchRail writes a rail, which a program that switches a plug may take its time for.
func (s *Shell) switchRail(e core.SwitchRail) {
	n := s.node(e.Node)
	n.writing = true
	s.later(0, false, func() {
		err := n.rail.Set(e.On)
		n.writing = false
		s.step(core.RailWritten{Node: e.Node, On: e.On, Err: err})
		s.readRail(n)
	})
}

func (s *Shell) readRail(n *node) {
	if n.writing {
		return
	}
	on, err := n.rail.On()
	s.step(core.RailObserved{Node: n.name, On: on, Err: err})
}

// store writes entries, at once or in the time that the disk takes.
func (s *Shell) store(e core.Store) {
	write := func() error {
		if s.cfg.Store == nil {
			return nil
		}
		return s.cfg.Store.Write(e.Entries)
	}
	if s.cfg.Disk == nil {
		s.pend(core.Stored{Number: e.Number, Err: write()})
		return
	}
	half := s.cfg.Disk() / 2
	s.later(half, false, func() {
		err := write()
		s.later(half, false, func() { s.step(core.Stored{Number: e.Number, Err: err}) })
	})
}
