package core_test

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
)

func (s *stage) powerCommand(word string) func(args []string) {
	return map[string]func(args []string){
		"supply": s.supply, "outage": func(args []string) { s.cfg.AfterOutage = args[0] }, "parallel": func(args []string) { s.cfg.Parallel = int(s.number(args[0])) },
		"board": s.board, "remember": s.remember, "ask": s.ask, "cancel": s.cancel, "maintain": s.maintain, "clear": s.clear, "acknowledge": s.acknowledge,
		"type": s.typed, "fault": s.fault, "swap": s.swap, "disk": s.diskCommand, "restart": s.restart, "tell": s.tell, "feed": s.feed, "remove": s.remove, "mains": s.mains, "forget": s.forget,
	}[word]
}

// nodePower is one word about a node's power.
func (s *stage) nodePower(n *core.NodeConfig, key, value string) {
	p := &n.Power
	switch key {
	case "line":
		p.Line = true
	case "master":
		p.Master = true
	case "trust":
		p.TrustWiring = true
	case "cut-when-halted":
		p.CutWhenHalted = true
	case "grace":
		p.Grace = s.duration(value)
	case "stop-deadline":
		p.StopDeadline = s.duration(value)
	case "fence":
		p.FenceLostAfter = s.duration(value)
	case "peak":
		n.BootPeakAmperes = s.number(value)
	case "most":
		n.MaximumAmperes = s.number(value)
	case "after":
		n.After = strings.Split(value, ",")
	default:
		s.t.Fatalf("node: unknown %q", key)
	}
}

func (s *stage) supply(args []string) {
	for _, arg := range args {
		switch key, value, _ := strings.Cut(arg, "="); key {
		case "limit":
			s.cfg.Supply.LimitAmperes = s.number(value)
		case "fixed":
			s.cfg.Supply.FixedAmperes = s.number(value)
		case "give-up":
			s.cfg.Supply.GiveUp = s.duration(value)
		default:
			s.t.Fatalf("supply: unknown %q", arg)
		}
	}
}

// board NAME on|off [boot=D] [stop=D] [overlay|helper] is a real board, and what its rail does before the start.
func (s *stage) board(args []string) {
	s.scenes = append(s.scenes, func() {
		a := s.w.agent(args[0])
		a.real = true
		for _, arg := range args[2:] {
			switch key, value, _ := strings.Cut(arg, "="); key {
			case "boot":
				a.bootFor = s.duration(value)
			case "stop":
				a.stopFor = s.duration(value)
			case "overlay":
				a.signal = &core.DoneSignal{Mechanism: power.MechanismOverlay, ActiveDelay: 100 * time.Millisecond, InactiveDelay: 100 * time.Millisecond}
			case "helper":
				a.signal = &core.DoneSignal{Mechanism: power.MechanismHelper}
			}
		}
		if slices.ContainsFunc(s.cfg.Nodes, func(n core.NodeConfig) bool { return n.Name == a.name && n.Rail }) {
			a.rail = args[1]
		}
		if args[1] == "on" {
			a.state, a.up, a.boots, a.boot = boardUp, true, 1, a.name+"/1"
		}
	})
}

func (s *stage) boards() {
	for _, scene := range s.scenes {
		scene()
	}
	if s.remembers {
		s.w.disk = &disk{entries: map[string]core.Entry{}}
	}
}

// remember gives the coordinator a memory; "loudly" says what is written.
func (s *stage) remember(args []string) {
	s.remembers = true
	if len(args) > 0 {
		s.scenes = append(s.scenes, func() { s.w.verbose = true })
	}
}

// ask KIND [NODE...] [force] [rolling] [master] [shutdown] [dry] [id=ID] [reason=WORDS-WITH-DASHES] asks for an operation.
func (s *stage) ask(args []string) {
	s.ticket++
	r := core.Request{Ticket: s.ticket, By: "alice"}
	r.Kind = map[string]core.OperationKind{
		"on": core.OperationPowerOn, "off": core.OperationPowerOff, "cycle": core.OperationPowerCycle, "reboot": core.OperationReboot,
		"start-case": core.OperationStartCase, "stop-case": core.OperationStopCase, "test": core.OperationTestWiring,
	}[args[0]]
	for _, arg := range args[1:] {
		switch key, value, _ := strings.Cut(arg, "="); key {
		case "force":
			r.Force = true
		case "rolling":
			r.Rolling = true
		case "--master":
			r.Master = true
		case "shutdown":
			r.Shutdown = true
		case "dry":
			r.DryRun = true
		case "id":
			r.RequestID = value
		case "reason":
			r.Reason = strings.ReplaceAll(value, "-", " ")
		default:
			r.Nodes = append(r.Nodes, arg)
		}
	}
	s.w.step(r)
}

func (s *stage) cancel(args []string) {
	s.ticket++
	s.w.step(core.CancelOperation{Ticket: s.ticket, ID: args[0], By: "alice"})
}

// maintain NAME on|off
func (s *stage) maintain(args []string) {
	s.ticket++
	s.w.step(core.Maintain{Ticket: s.ticket, Nodes: args[:1], On: args[1] == "on", By: "alice", Reason: "new card"})
}

func (s *stage) clear(args []string) {
	s.ticket++
	s.w.step(core.ClearFault{Ticket: s.ticket, Nodes: args, By: "alice"})
}

func (s *stage) acknowledge([]string) {
	s.ticket++
	s.w.step(core.AcknowledgeStore{Ticket: s.ticket, By: "alice"})
}

// type NAME poweroff|reboot at its keyboard.
func (s *stage) typed(args []string) {
	s.w.shutDown(s.w.agent(args[0]), map[string]core.ShutdownKind{"poweroff": core.ShutdownPowerOff, "reboot": core.ShutdownReboot}[args[1]])
}

// fault NAME KIND breaks something, or mends it where KIND is none.
func (s *stage) fault(args []string) {
	a := s.w.agent(args[0])
	switch args[1] {
	case "hang":
		a.hang = true
	case "no-boot":
		a.noBoot = true
	case "refuses":
		a.refuses = true
	case "unreached":
		a.unreached = true
	case "deaf":
		a.deaf = true
	case "welded":
		a.welded = true
	case "rail":
		a.railErr = errors.New("input/output error")
	case "high", "low":
		a.stuck = args[1]
		s.w.drive(a, args[1] == "high")
	case "none":
		a.hang, a.noBoot, a.refuses, a.deaf, a.unreached, a.welded, a.stuck, a.railErr = false, false, false, false, false, false, "", nil
	default:
		s.t.Fatalf("fault: unknown %q", args[1])
	}
}

// swap A B crosses the wires of their lines.
func (s *stage) swap(args []string) {
	a, b := s.w.agent(args[0]), s.w.agent(args[1])
	a.wire, b.wire = b.wire, a.wire
}

// disk fail|mend|damage
func (s *stage) diskCommand(args []string) {
	s.w.disk.fails = args[0] == "fail"
	if args[0] == "damage" {
		s.w.disk.damage = "bad checksum of page 3"
		clear(s.w.disk.entries)
	}
}

// restart [BOOT] kills the coordinator and starts another; with BOOT the master has booted anew.
func (s *stage) restart(args []string) {
	if len(args) > 0 {
		s.masterBoot = args[0]
	}
	boot := s.masterBoot
	if boot == "" {
		boot = "master/1"
	}
	if err := s.w.open(boot); err != nil {
		s.t.Fatal(err)
	}
}

// forget NAME calls off what its system had announced, and nobody hears of it.
func (s *stage) forget(args []string) { s.w.agent(args[0]).announced = core.ShutdownUnspecified }

// mains takes the power from everything, the master included.
func (s *stage) mains([]string) {
	for _, a := range s.w.agents {
		if a.real {
			a.life++
			a.state, a.up, a.rail, a.open, a.high = boardOff, false, "off", false, false
		}
	}
}

// remove NAME takes a node out of the configuration, for the next start.
func (s *stage) remove(args []string) {
	s.w.cfg.Nodes = slices.DeleteFunc(slices.Clone(s.w.cfg.Nodes), func(n core.NodeConfig) bool { return n.Name == args[0] })
}

// feed NAME on|off moves a rail without the coordinator.
func (s *stage) feed(args []string) { s.w.feed(s.w.agent(args[0]), args[1] == "on") }

// tell power|operations|plan|supply|store|events|writes
func (s *stage) tell(args []string) {
	switch args[0] {
	case "power":
		for _, n := range s.w.core.Nodes(0) {
			if p := n.Power; len(args) < 2 || slices.Contains(args[1:], n.Name) {
				s.say("          %s %s, line %s, wiring %s, %.1f A: %s", n.Name, p.State, p.Line, p.Wiring, p.CommittedAmperes, p.Explanation)
			}
		}
	case "operations":
		for _, o := range slices.Backward(s.w.core.Operations()) {
			s.operation(&o)
		}
	case "supply":
		v := s.w.core.Supply()
		s.say("          %.2f A of %.2f A, %.2f A fixed; waiting: %s", v.CommittedAmperes, v.LimitAmperes, v.FixedAmperes, v.Waiting)
	case "store":
		v := s.w.core.StoreHealth()
		s.say("          %s %s", v.Health, v.Message)
	case "events":
		for _, r := range s.w.core.Events(int(s.number(args[1])), "") {
			s.say("          #%d %.3fs %s: %s", r.Number, r.At.Sub(s.w.base).Seconds(), r.Kind, r.Message)
		}
	case "writes":
		s.say("          %d writes, %d file systems lost", s.w.disk.writes, s.w.lost)
	}
}

func (s *stage) operation(o *core.OperationView) {
	took := "running"
	if !o.Ended.IsZero() {
		took = o.Ended.Sub(o.Begun).Round(time.Millisecond).String()
	}
	s.say("          %s %s %s (%s) for %s: %s", o.ID, o.Kind, o.State, took, o.RequestedBy, o.Message)
	for _, step := range o.Steps {
		s.say("            %s %s: %s", step.Node, step.State, step.Message)
		for _, m := range step.Milestones {
			s.say("              +%.3fs %s %s", m.At.Sub(o.Begun).Seconds(), m.Name, m.Detail)
		}
	}
}
