package mesh

import (
	"errors"
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/agent/throttle"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
)

// Virtual is a case and its coordinator's decisions in virtual time: one thread, no sockets, no goroutines. Equal
// configurations and calls give equal runs, to the byte. It is not safe for concurrent use.
//
// What the agents and the network add on boards, it adds in its simplest form: samples are never late, and a stream
// opens at once where an agent is up.
type Virtual struct {
	sim     *sim.Case
	core    *core.Core
	streams []*stream
	rails   map[string]*sim.Rail
	events  *sim.Feed
	report  func(core.Report)
	pending []core.Event // what effects have led to, still to be stepped
	ticked  time.Duration
}

// stream is the coordinator's end of one node, and the agent at the other.
type stream struct {
	board   *sim.Board
	dial    time.Duration // when a Connect is due; less than 0 without one
	open    bool
	boot    string // of the agent that speaks
	samples uint64 // since that agent started
	sent    uint64 // messages in this stream
	counter *throttle.Counter
	notice  *core.ShutdownNotice // announced in this boot
}

// NewVirtual makes a virtual case at its present time. report, which may be nil, is called with everything that the
// coordinator tells its subscribers. A zero cfg means CoreConfig of the case.
func NewVirtual(c *sim.Case, cfg core.Config, report func(core.Report)) (*Virtual, error) {
	if cfg.Nodes == nil {
		cfg = CoreConfig(c, (&Memory{}).Address)
	}
	v := &Virtual{sim: c, rails: map[string]*sim.Rail{}, events: c.Events(), report: report, ticked: c.Now()}
	var err error
	if v.core, err = core.New(cfg, v.now()); err != nil {
		return nil, err
	}
	for _, board := range c.Boards() {
		v.streams = append(v.streams, &stream{board: board, dial: -1})
		if rail := c.Rail(board.Name()); rail != nil {
			v.rails[board.Name()] = rail
		}
	}
	v.tick()
	return v, nil
}

// Core is the coordinator's state, to look at between steps.
func (v *Virtual) Core() *core.Core { return v.core }

// SetFan does what a person asks of a fan. An error means that nothing changed.
func (v *Virtual) SetFan(fan string, setting core.FanSetting) error {
	return v.step(core.SetFan{Fan: fan, FanSetting: setting})
}

// Step moves the case on by dt, in steps of 100 ms: agents come and go, samples arrive and the coordinator ticks once a
// second.
func (v *Virtual) Step(dt time.Duration) {
	for end := v.sim.Now() + dt; v.sim.Now() < end; {
		v.sim.Step(min(look, end-v.sim.Now()))
		v.announce()
		for _, s := range v.streams {
			v.attend(s)
		}
		if !v.core.Next().After(v.now()) {
			v.must(core.Wake{})
		}
		if v.sim.Now()-v.ticked >= core.Interval {
			v.ticked = v.sim.Now()
			v.tick()
		}
	}
}

// tick is what happens once a second: every agent samples, then the coordinator reads its pins and decides.
func (v *Virtual) tick() {
	for _, s := range v.streams {
		if s.boot != "" && !s.board.Silent() {
			s.samples++
			if s.open {
				v.send(s)
			}
		}
	}
	for _, s := range v.streams {
		if rail := v.rails[s.board.Name()]; rail != nil {
			on, err := rail.On()
			v.must(core.RailObserved{Node: s.board.Name(), On: on, Err: err})
		}
	}
	if fan := v.sim.Fan(); fan != nil {
		if rpm, err := fan.RPM(); !errors.Is(err, errors.ErrUnsupported) {
			v.must(core.FanMeasured{Fan: FanName, RPM: rpm, Err: err})
		}
	}
	v.must(core.Tick{})
}

// attend opens and ends a node's stream as its board and its dials want it.
func (v *Virtual) attend(s *stream) {
	up := agentUp(s.board)
	if s.boot != "" && (!up || s.board.BootID() != s.boot) {
		s.boot = ""
		if s.open {
			s.open = false
			v.must(core.StreamClosed{Node: s.board.Name(), Reason: "its agent ended the stream"})
		}
	}
	if up && s.boot == "" {
		s.boot, s.samples, s.notice = s.board.BootID(), 1, nil
		s.counter = throttle.New(s.boot, throttle.State{})
	}
	if s.dial < 0 || v.sim.Now() < s.dial {
		return
	}
	switch {
	case !up:
		s.dial = -1
		v.must(core.StreamClosed{Node: s.board.Name(), Reason: "nobody listens"})
	case !s.board.Silent():
		s.dial = -1
		s.open, s.sent = true, 0
		v.must(core.StreamOpened{Node: s.board.Name()})
		v.send(s)
	}
}

// announce passes on the shutdowns that began.
func (v *Virtual) announce() {
	for ev, ok := v.events.Next(); ok; ev, ok = v.events.Next() {
		kind, announced := map[sim.EventKind]core.ShutdownKind{
			sim.EventPowerOff: core.ShutdownPowerOff, sim.EventReboot: core.ShutdownReboot,
		}[ev.Kind]
		if !announced {
			continue
		}
		s := v.stream(ev.Board)
		s.notice = &core.ShutdownNotice{Kind: kind}
		if s.open && !s.board.Silent() {
			v.send(s)
		}
	}
}

// send passes on the newest sample of a node: the first of a stream with who speaks.
func (v *Virtual) send(s *stream) {
	s.sent++
	m := core.Message{Sequence: s.sent, Sample: s.samples, Readings: readings(s.board)}
	word, err := s.board.ThrottleWord()
	if err != nil {
		m.Throttling = &core.Throttling{Source: gencmd, Error: err.Error()}
	} else if edges := s.counter.Step(word, throttle.All); len(edges) > 0 || s.sent == 1 {
		m.Throttling = throttling(s.counter)
		for _, e := range edges {
			m.Edges = append(m.Edges, core.FlagEdge{Flag: core.Flag(e.Flag) + core.FlagUnderVoltage, Active: e.Active, Count: e.Count})
		}
	}
	if s.sent == 1 {
		m.Edges = nil
		m.Info = &core.NodeInfo{
			Name: s.board.Name(), BootID: s.boot, AgentVersion: "simulated",
			Board:   core.Board{Model: s.board.Model(), LimitCelsius: s.board.LimitCelsius()},
			Sensors: []core.Sensor{{ID: 1, Name: "cpu-thermal", Kind: core.SensorSoC, Source: "simulated"}, {ID: 2, Name: "cpu", Kind: core.SensorClock, Source: "simulated"}},
		}
	}
	if s.notice != nil {
		m.Notices = []core.ShutdownNotice{*s.notice}
	}
	v.must(core.NodeMessage{Node: s.board.Name(), Message: m})
}

// gencmd is the source of a simulated throttling word, by its number in bramble.agent.v1.
const gencmd core.ThrottlingSource = 1

func readings(board *sim.Board) []core.Reading {
	celsius, err := board.Celsius()
	if err != nil {
		return []core.Reading{{SensorID: 1, Error: err.Error()}, {SensorID: 2, Hertz: board.ClockHertz()}}
	}
	return []core.Reading{{SensorID: 1, Celsius: celsius}, {SensorID: 2, Hertz: board.ClockHertz()}}
}

func throttling(counter *throttle.Counter) *core.Throttling {
	t := &core.Throttling{Source: gencmd}
	for f := range throttle.Flag(throttle.Flags) {
		active, _ := counter.Active(f)
		t.Flags = append(t.Flags, core.FlagState{Flag: core.Flag(f) + core.FlagUnderVoltage, Active: active, Count: counter.Count(f)})
	}
	return t
}

// now is the case's time as the core takes it.
func (v *Virtual) now() time.Time { return time.Unix(0, 0).UTC().Add(v.sim.Now()) }

// must steps an event that the core has no reason to refuse.
func (v *Virtual) must(ev core.Event) {
	if err := v.step(ev); err != nil {
		panic(fmt.Sprintf("mesh: the core refused %T: %v", ev, err))
	}
}

// step steps an event, does what the core wants done and steps what that leads to.
func (v *Virtual) step(ev core.Event) error {
	var refused error
	v.pending = append(v.pending[:0], ev)
	for i := 0; i < len(v.pending); i++ {
		for _, effect := range v.core.Step(v.now(), v.pending[i]) {
			switch effect := effect.(type) {
			case core.Connect:
				v.stream(effect.Node).dial = v.sim.Now() + effect.After
			case core.Disconnect:
				s := v.stream(effect.Node)
				s.open, s.dial = false, -1
				v.pending = append(v.pending, core.StreamClosed(effect))
			case core.WriteDuty:
				v.pending = append(v.pending, core.FanWritten{Fan: effect.Fan, Err: v.sim.Fan().SetDuty(effect.Fraction)})
			case core.Publish:
				if v.report != nil {
					v.report(effect.Report)
				}
			case core.Refuse:
				refused = effect.Err
			}
		}
	}
	return refused
}

func (v *Virtual) stream(node string) *stream {
	for _, s := range v.streams {
		if s.board.Name() == node {
			return s
		}
	}
	panic("mesh: the core dials " + node + ", which is not in the case")
}
