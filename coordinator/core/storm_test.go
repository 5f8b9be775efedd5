package core_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
)

var storms = flag.Uint("storms", 16, "how many storms a case has to weather")

// storm is a case to which anything may happen, with an opinion of its own on what must hold.
type storm struct {
	*client
	random *rand.Rand
}

func newStorm(seed uint64) *storm {
	cfg := small()
	cfg.Seed = seed
	cfg.Nodes[1].Power.CutWhenHalted = seed%2 == 0
	third := cfg.Nodes[2]
	third.Name, third.Address, third.After = "worker-3", "3", nil
	third.Power.StopDeadline = 20 * time.Second
	cfg.Nodes = append(cfg.Nodes, third)
	s := &storm{client: newClient(cfg), random: rand.New(rand.NewPCG(seed, 7))}
	s.agents[3].signal = &core.DoneSignal{Mechanism: power.MechanismOverlay}
	s.agents[3].state, s.agents[3].up, s.agents[3].rail = boardOff, false, "off" // three do not fit the supply
	s.disk.takes = time.Duration(seed%4) * 30 * time.Millisecond
	if seed%3 > 0 {
		s.kill = func(string) bool { return s.random.IntN(150) == 0 }
	}
	return s
}

// happen lets one thing happen.
func (s *storm) happen() {
	a := s.agents[1+s.random.IntN(3)]
	r := core.Request{Ticket: 1, Nodes: []string{a.name}, By: "storm"}
	switch s.random.IntN(24) {
	case 0, 1:
		r.Kind = core.OperationPowerOff
	case 2, 3:
		r.Kind = core.OperationPowerOn
	case 4:
		r.Kind = core.OperationPowerCycle
	case 5:
		r.Kind, r.Rolling = core.OperationReboot, true
	case 6:
		r.Kind, r.Nodes = core.OperationStopCase, nil
	case 7, 8:
		r.Kind, r.Nodes = core.OperationStartCase, nil
	case 9:
		s.shutDown(a, core.ShutdownPowerOff)
	case 10:
		s.shutDown(a, core.ShutdownReboot)
	case 11:
		a.hang = !a.hang
	case 12:
		s.disk.fails = !s.disk.fails
	case 13:
		a.deaf = !a.deaf
	case 14:
		a.refuses = !a.refuses
	case 15:
		s.step(core.Maintain{Ticket: 1, Nodes: r.Nodes, On: s.random.IntN(3) == 0, By: "storm"})
	case 16:
		s.step(core.ClearFault{Ticket: 1, Nodes: r.Nodes, By: "storm"})
	case 17:
		s.step(core.CancelOperation{Ticket: 1, ID: fmt.Sprintf("op-%d", s.random.IntN(30)), By: "storm"})
	case 18: // a line that goes high and stays so just while its board hangs in its shutdown looks like any proof by a level
		if a.state == boardUp {
			a.stuck = []string{"", "", "high", "low"}[s.random.IntN(4)]
			s.drive(a, false)
		}
	case 19: // a glitch of 1 to 100 ms
		s.drive(a, !a.high)
		s.later(time.Duration(1+s.random.IntN(100))*time.Millisecond, func() { s.drive(a, a.state == boardHalted && a.signal.Mechanism == power.MechanismHelper) })
	case 20:
		a.dark = !a.dark
		a.open = a.open && !a.hung
	case 21:
		a.noBoot = !a.noBoot
	case 22:
		r.Kind, r.Force, r.Reason = core.OperationPowerCycle, true, "a storm"
	case 23:
		if !s.dead {
			s.dead = true
			s.later(time.Duration(s.random.IntN(20000))*time.Millisecond, func() {
				if err := s.open("master/1"); err != nil {
					panic(err)
				}
			})
		}
	}
	if r.Kind != core.OperationUnspecified {
		s.step(r)
	}
	s.run(time.Duration(s.random.IntN(20000)) * time.Millisecond)
}

// calm mends everything and waits until whatever runs has ended.
func (s *storm) calm() {
	s.kill, s.disk.fails = nil, false
	for _, a := range s.agents {
		a.hang, a.deaf, a.refuses, a.noBoot, a.dark, a.stuck = false, false, false, false, false, ""
		a.open = a.open && !a.hung
	}
	s.run(8 * time.Minute)
}

func (s *storm) wrong() string {
	var wrong []string
	text := s.log.String()
	for _, o := range s.core.Operations() {
		if o.State == core.OperationRunning {
			wrong = append(wrong, fmt.Sprintf("%s still runs: %+v", o.ID, o.Steps))
		}
		if strings.Count(text, " "+o.ID+" ("+o.Kind.String()+") begins") > 1 {
			wrong = append(wrong, o.ID+" began twice")
		}
	}
	if s.excesses > 0 || s.unwritten > 0 {
		wrong = append(wrong, fmt.Sprintf("%d excesses of the supply, %d acts not written", s.excesses, s.unwritten))
	}
	var forced string // the newest cut that is under way, by node
	for line := range strings.Lines(text) {
		for _, a := range s.agents {
			if strings.Contains(line, a.name+": cut: forced: a storm") {
				forced += a.name + " "
			}
			if strings.Contains(line, "LOST a file system: "+a.name) && !strings.Contains(forced, a.name) {
				wrong = append(wrong, line)
			}
			if strings.Contains(line, "switch "+a.name+" on") {
				forced = strings.ReplaceAll(forced, a.name+" ", "")
			}
		}
	}
	return strings.Join(wrong, "; ")
}

func TestStorms(t *testing.T) {
	cuts, killed, ended := 0, 0, 0
	for seed := range uint64(*storms) {
		s := newStorm(seed)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		s.run(15 * time.Second)
		for range 60 {
			s.happen()
		}
		s.calm()
		if wrong := s.wrong(); wrong != "" {
			t.Fatalf("seed %d: %s\n%s", seed, wrong, s.log.String())
		}
		text := s.log.String()
		cuts += strings.Count(text, " off\n")
		killed += strings.Count(text, "KILLED")
		ended += len(s.core.Operations())
	}
	t.Logf("%d storms: %d operations, %d kills, %d lines about rails off; 0 file systems lost but by force", *storms, ended, killed, cuts)
}
