package virtual

import (
	"errors"
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/agent/throttle"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/sim"
)

// node is one board with its agent, and the coordinator's ends of what leads to it.
type node struct {
	board *sim.Board
	name  string

	// The agent.
	boot     string // of the agent that speaks; "" without one
	samples  uint64 // since it started
	counter  *throttle.Counter
	notice   *core.ShutdownNotice // announced in this boot
	accepted map[string]bool      // operations, in this boot

	// The coordinator's.
	dial    time.Duration // when a Connect is due; less than 0 without one
	open    bool
	sent    uint64 // messages in this stream
	rail    Rail   // nil without one
	writing bool
	line    *sim.DoneLine // nil without one
	kept    []core.LineObserved
}

// attend starts and ends agents with their boards, and opens and ends the streams.
func (s *Shell) attend() {
	for _, n := range s.nodes {
		up := n.board.AgentRuns()
		if n.boot != "" && (!up || n.board.BootID() != n.boot) {
			n.boot = ""
			if n.open {
				n.open = false
				s.step(core.StreamClosed{Node: n.name, Reason: "its agent ended the stream"})
			}
		}
		if up && n.boot == "" {
			n.boot, n.samples = n.board.BootID(), 1
			n.notice, n.accepted = nil, make(map[string]bool)
			n.counter = throttle.New(n.boot, throttle.State{})
		}
		if n.dial < 0 || s.sim.Now() < n.dial {
			continue
		}
		switch {
		case !up:
			n.dial = -1
			s.step(core.StreamClosed{Node: n.name, Reason: "nobody listens"})
		case !n.board.Silent():
			n.dial = -1
			n.open, n.sent = true, 0
			s.step(core.StreamOpened{Node: n.name})
			s.send(n)
		default:
			n.dial = s.sim.Now() + core.Interval // connected, and nothing comes; perhaps it thaws
		}
	}
}

// announce has an agent pass on a shutdown, if it still can.
func (s *Shell) announce(n *node, kind core.ShutdownKind) {
	n.notice = &core.ShutdownNotice{Kind: kind}
	if n.open && !s.frozen(n) {
		s.send(n)
	}
	if kind == core.ShutdownCancelled {
		n.notice = nil
	}
}

// frozen says whether an agent cannot speak though it is there. One that dies with its announcement still made it.
func (s *Shell) frozen(n *node) bool {
	return n.board.State() == sim.StateHung || n.board.AgentRuns() && n.board.Silent()
}

// send passes on the newest sample of a node: the first of a stream with who speaks.
func (s *Shell) send(n *node) {
	n.sent++
	m := core.Message{Sequence: n.sent, Sample: n.samples, Readings: readings(n.board)}
	word, err := n.board.ThrottleWord()
	if err != nil {
		m.Throttling = &core.Throttling{Source: gencmd, Error: err.Error()}
	} else if edges := n.counter.Step(word, throttle.All); len(edges) > 0 || n.sent == 1 {
		m.Throttling = throttling(n.counter)
		for _, e := range edges {
			m.Edges = append(m.Edges, core.FlagEdge{Flag: core.Flag(e.Flag) + core.FlagUnderVoltage, Active: e.Active, Count: e.Count})
		}
	}
	if n.sent == 1 {
		m.Edges = nil
		m.Info = info(n)
	}
	if n.notice != nil {
		m.Notices = []core.ShutdownNotice{*n.notice}
	}
	s.step(core.NodeMessage{Node: n.name, Message: m})
}

func info(n *node) *core.NodeInfo {
	i := &core.NodeInfo{
		Name: n.name, BootID: n.boot, AgentVersion: "simulated",
		Board:   core.Board{Model: n.board.Model(), LimitCelsius: n.board.LimitCelsius()},
		Sensors: []core.Sensor{{ID: 1, Name: "cpu-thermal", Kind: core.SensorSoC, Source: "simulated"}, {ID: 2, Name: "cpu", Kind: core.SensorClock, Source: "simulated"}},
	}
	signal := n.board.DoneSignal()
	switch signal.By {
	case sim.DoneByOverlay:
		i.DoneSignal = &core.DoneSignal{
			Mechanism: power.MechanismOverlay, Chip: "simulated", Line: 26,
			ActiveDelay: signal.ActiveDelay, InactiveDelay: signal.InactiveDelay, Timeout: signal.Timeout,
		}
	case sim.DoneByHelper:
		i.DoneSignal = &core.DoneSignal{Mechanism: power.MechanismHelper, Chip: "simulated", Line: 26}
	}
	return i
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

var (
	errNotConnected = errors.New("its agent is not connected")
	errNoSignal     = errors.New("nobody could see the shutdown's end: no done signal is configured")
	errUnderWay     = errors.New("another shutdown is under way")
	errBroken       = errors.New("the connection broke")
)

// powerOff is what an agent does with a request to end its boot.
func (s *Shell) powerOff(n *node, operation string, reboot, withoutSignal bool) error {
	switch {
	case n.accepted[operation]:
		return nil
	case n.board.State() == sim.StateStopping:
		return errUnderWay
	case !reboot && !withoutSignal && n.board.DoneSignal().By == sim.DoneByNone:
		return errNoSignal
	}
	end := n.board.AskPowerOff
	if reboot {
		end = n.board.AskReboot
	}
	if err := end(); err != nil {
		return fmt.Errorf("logind: %w", err)
	}
	n.accepted[operation] = true
	if s.cfg.Began != nil {
		s.cfg.Began(n.name, operation)
	}
	return nil
}

// call carries a request to a node's agent, and its answer back.
func (s *Shell) call(name string, carryOut func(n *node) error, answer func(err error, unsure bool) core.Event) {
	n := s.node(name)
	if !n.open {
		s.pend(answer(errNotConnected, false))
		return
	}
	var trip Trip
	if s.cfg.Network != nil {
		trip = s.cfg.Network(name)
	}
	boot := n.boot
	s.later(trip.There, true, func() {
		err, unsure := errBroken, true
		if n.boot == boot && !n.board.Silent() {
			if err, unsure = carryOut(n), false; trip.Lost {
				err, unsure = errBroken, true
			}
		}
		s.later(trip.Back, false, func() { s.step(answer(err, unsure)) })
	})
}
