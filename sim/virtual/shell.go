package virtual

import (
	"errors"
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/sim"
)

// ErrDown is the answer to what is asked while there is no coordinator, or of one that dies over it.
var ErrDown = errors.New("the coordinator is down")

// Shell is a case and its coordinator in virtual time. Make one with New.
type Shell struct {
	cfg    Config
	sim    *sim.Case
	nodes  []*node
	events *sim.Feed
	boot   string        // of the master
	booted time.Duration // when that began

	core    *core.Core // nil while there is no coordinator
	life    int        // how many coordinators have ended
	ticked  time.Duration
	tickets uint64
	replies map[uint64]reply
	pending []core.Event // still to be stepped
	busy    bool         // stepping them

	parcels []parcel // under way, in the order of their times
}

// reply is the core's answer to a person.
type reply struct {
	answer core.Answer
	err    error
}

// parcel is something that happens later, by the coordinator's doing.
type parcel struct {
	at time.Duration
	do func()
	// outlives says that the coordinator's end does not stop it.
	outlives bool
}

// New makes a shell at the case's present time, with its coordinator running. The error is core's.
func New(cfg Config) (*Shell, error) {
	if cfg.Core.Nodes == nil {
		cfg.Core = CoreConfig(cfg.Case, func(name string) string { return "unix:///memory/" + name })
	}
	if cfg.Epoch.IsZero() {
		cfg.Epoch = time.Unix(0, 0).UTC()
	}
	s := &Shell{cfg: cfg, sim: cfg.Case, events: cfg.Case.Events(), boot: "first", booted: cfg.Case.Now()}
	for _, board := range cfg.Case.Boards() {
		n := &node{board: board, name: board.Name(), line: cfg.Case.DoneLine(board.Name())}
		if rail := cfg.Case.Rail(n.name); rail != nil {
			n.rail = rail
		}
		if rail := cfg.Rails[n.name]; rail != nil {
			n.rail = rail
		}
		s.nodes = append(s.nodes, n)
	}
	return s, s.Restart()
}

// Core is the coordinator's state, to look at between steps; nil while there is none.
func (s *Shell) Core() *core.Core { return s.core }

// Now is the case's time as the core takes it.
func (s *Shell) Now() time.Time { return s.cfg.Epoch.Add(s.sim.Now()) }

// Crash ends the coordinator where it is. Its streams end, and answers that are under way reach nobody; what has left for
// an agent arrives all the same.
func (s *Shell) Crash() {
	s.core, s.pending = nil, nil
	s.life++
	s.parcels = slices.DeleteFunc(s.parcels, func(p parcel) bool { return !p.outlives })
	for _, n := range s.nodes {
		n.open, n.dial, n.writing = false, -1, false
	}
}

// Restart begins a coordinator from what the store keeps, in place of one that may be there. An error means that there is
// none now.
func (s *Shell) Restart() error {
	s.Crash()
	var (
		kept   []core.Entry
		damage string
		err    error
	)
	if s.cfg.Store != nil {
		if kept, err = s.cfg.Store.Load(); err != nil {
			return err
		}
		damage = s.cfg.Store.Damage()
	}
	clock := power.Instant{BootID: s.boot, Boottime: s.sim.Now() - s.booted}
	if s.core, err = core.Open(s.cfg.Core, s.Now(), clock, kept, damage); err != nil {
		return err
	}
	s.replies = make(map[uint64]reply)
	for _, n := range s.nodes {
		s.watch(n)
	}
	s.tick()
	return nil
}

// watch begins the watch of a node's line: with its level, or with the level before the edges that the kernel kept.
func (s *Shell) watch(n *node) {
	if n.line == nil {
		return
	}
	kept := n.kept
	n.kept = nil
	high := n.line.High()
	if len(kept) > 0 {
		high = !kept[0].High
	}
	s.step(core.LineObserved{Node: n.name, High: high, At: s.Now()})
	for _, edge := range kept {
		s.step(edge)
	}
}

// NewBoot gives the master a new boot: what the coordinator kept of times does not count from there on. It takes the
// coordinator down.
func (s *Shell) NewBoot(id string) {
	s.Crash()
	s.boot, s.booted = id, s.sim.Now()
	for _, n := range s.nodes {
		n.kept = nil
	}
}

// SetFan does what a person asks of a fan. An error means that nothing changed.
func (s *Shell) SetFan(fan string, setting core.FanSetting) error {
	_, err := s.Ask(func(ticket uint64) core.Event { return core.SetFan{Fan: fan, FanSetting: setting} })
	return err
}

// patience is how long a person waits for an answer.
const patience = time.Minute

// Ask hands the core a person's wish, which wish makes for a ticket, waits for its answer and returns it. ErrDown says that
// there is no coordinator, or that it did not answer: the wish may have been taken all the same.
func (s *Shell) Ask(wish func(ticket uint64) core.Event) (core.Answer, error) {
	if s.core == nil {
		return core.Answer{}, ErrDown
	}
	s.tickets++
	ticket := s.tickets
	ev := wish(ticket)
	s.step(ev)
	if _, isFan := ev.(core.SetFan); isFan {
		ticket = 0
	}
	life := s.life
	for end := s.sim.Now() + patience; s.life == life; {
		r, answered := s.replies[ticket]
		if answered || ticket == 0 || s.sim.Now() >= end {
			delete(s.replies, ticket)
			if !answered && ticket != 0 {
				r.err = ErrDown
			}
			return r.answer, r.err
		}
		s.Step(10 * time.Millisecond)
	}
	return core.Answer{}, ErrDown
}

// Step moves the case on by dt, from one thing that happens to the next: agents come and go, samples arrive and the
// coordinator ticks once a second.
func (s *Shell) Step(dt time.Duration) {
	for end := s.sim.Now() + dt; ; {
		s.advance(s.next(end))
		now := s.sim.Now()
		for len(s.parcels) > 0 && s.parcels[0].at <= now {
			p := s.parcels[0]
			s.parcels = slices.Delete(s.parcels, 0, 1)
			p.do()
		}
		s.attend()
		if s.core != nil && !s.core.Next().After(s.Now()) {
			s.step(core.Wake{})
		}
		if now-s.ticked >= core.Interval {
			s.tick()
		}
		if now >= end {
			return
		}
	}
}

// next is when something is to be done next, after now and until end.
func (s *Shell) next(end time.Duration) time.Duration {
	now := s.sim.Now()
	next := min(end, s.ticked+core.Interval)
	if at, due := s.sim.Next(); due {
		next = min(next, max(at, now+1)) // what is due at once needs a step, too
	}
	if len(s.parcels) > 0 {
		next = min(next, s.parcels[0].at)
	}
	for _, n := range s.nodes {
		if n.dial >= 0 {
			next = min(next, max(n.dial, now+time.Millisecond))
		}
	}
	if s.core != nil {
		const patience = time.Millisecond // with a core that wants to be woken at once, again and again
		next = min(next, max(s.core.Next().Sub(s.cfg.Epoch), now+patience))
	}
	return max(next, now)
}

// advance moves the case, and tells agents and coordinator what happened in it.
func (s *Shell) advance(to time.Duration) {
	s.sim.Step(to - s.sim.Now())
	for e, more := s.events.Next(); more; e, more = s.events.Next() {
		switch e.Kind {
		case sim.EventDoneHigh, sim.EventDoneLow:
			s.edge(e)
		case sim.EventPowerOff:
			s.announce(s.node(e.Board), core.ShutdownPowerOff)
		case sim.EventReboot:
			s.announce(s.node(e.Board), core.ShutdownReboot)
		case sim.EventCancelled:
			s.announce(s.node(e.Board), core.ShutdownCancelled)
		}
	}
}

// edge passes an edge of a done line on, or has the kernel keep it.
func (s *Shell) edge(e sim.Event) {
	edge := core.LineObserved{Node: e.Board, High: e.Kind == sim.EventDoneHigh, At: s.cfg.Epoch.Add(e.At), Edge: true}
	if s.core != nil {
		s.step(edge)
		return
	}
	if !s.cfg.KeepsEdges {
		return
	}
	const room = 16 // of a request for one line by default (Linux, drivers/gpio/gpiolib-cdev.c); the oldest goes first
	n := s.node(e.Board)
	n.kept = append(n.kept, edge)
	n.kept = n.kept[max(0, len(n.kept)-room):]
}

// tick is what happens once a second: every agent samples, then the coordinator reads its pins and decides.
func (s *Shell) tick() {
	s.ticked = s.sim.Now()
	for _, n := range s.nodes {
		if n.boot != "" && !n.board.Silent() {
			n.samples++
			if n.open {
				s.send(n)
			}
		}
	}
	if s.core == nil {
		return
	}
	for _, n := range s.nodes {
		if n.rail != nil {
			s.readRail(n)
		}
	}
	if fan := s.sim.Fan(); fan != nil && len(s.cfg.Core.Fans) > 0 {
		if rpm, err := fan.RPM(); !errors.Is(err, errors.ErrUnsupported) {
			s.step(core.FanMeasured{Fan: FanName, RPM: rpm, Err: err})
		}
	}
	s.step(core.Tick{})
}

// later has something done after a time.
func (s *Shell) later(after time.Duration, outlives bool, do func()) {
	at := s.sim.Now() + after
	i, _ := slices.BinarySearchFunc(s.parcels, at, func(p parcel, at time.Duration) int {
		if p.at <= at {
			return -1 // behind those of the same instant
		}
		return 1
	})
	s.parcels = slices.Insert(s.parcels, i, parcel{at, do, outlives})
}

func (s *Shell) node(name string) *node {
	for _, n := range s.nodes {
		if n.name == name {
			return n
		}
	}
	panic("virtual: the core names " + name + ", which is not in the case")
}
