package config

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/internal/document"
)

// What a node counts for on the supply where nobody says: the most that any Raspberry Pi up to a 4B draws, 1.34 A for a
// 3B and 1.25 A for a 4B under stress (documentation, power-supplies.adoc), and a 4B's peak while it boots.
const (
	usualBootPeak = 1.4
	usualMaximum  = 1.34
)

// supply reads what holds for the whole case's power.
func (r *reader) supply(m *document.Map) {
	s := &r.cfg.Core.Supply
	limit := m.Key("limit")
	s.LimitAmperes = r.place("Supply.LimitAmperes", limit).Amperes(0, numbers{Of: "a supply's limit", Min: 0.5, Max: 200})
	fixed := r.place("Supply.FixedAmperes", m.Key("fixed"))
	s.FixedAmperes = fixed.Amperes(0, numbers{Of: "what is always on", Max: 200})
	if s.LimitAmperes > 0 && s.FixedAmperes >= s.LimitAmperes {
		fixed.Fault("must be less than the supply's limit")
	}
	s.Stagger = r.place("Supply.Stagger", m.Key("stagger")).
		Duration(2*time.Second, durations{Of: "the time between two starts", Min: 100 * time.Millisecond, Max: time.Minute})
	s.Settle = r.place("Supply.Settle", m.Key("under_voltage_settle")).
		Duration(10*time.Second, durations{Of: "the time without under-voltage", Min: time.Second, Max: 10 * time.Minute})
	s.GiveUp = r.place("Supply.GiveUp", m.Key("give_up")).
		Duration(5*time.Minute, durations{Of: "how long a start may wait for the supply", Min: 10 * time.Second, Max: 24 * time.Hour})
	r.cfg.Core.AfterOutage = r.place("AfterOutage", m.Key("after_outage")).Choice("last", "last", "start", "stay")
	r.cfg.Core.Parallel = r.place("Parallel", m.Key("parallel")).
		Int(4, wholes{Of: "how many nodes start or stop at the same time", Min: 1, Max: 64})
}

// nodePower reads how a node's feed is switched. path is the node's in core.Config.
func (r *reader) nodePower(path string, n *core.NodeConfig, v document.Value) {
	if !v.Written() || v.Faulty() {
		return
	}
	m := v.Map()
	path += "Power."
	p := &n.Power
	if rail := m.Key("rail"); rail.Written() {
		p.Rail = r.rail(n.Name, rail)
	}
	n.Rail = p.Rail != power.RailNone
	if done := m.Key("done"); done.Written() {
		p.Line = true
		r.cfg.Hardware.DoneLines = append(r.cfg.Hardware.DoneLines, DoneLine{Node: n.Name, Line: r.line(done.Map())})
	}
	p.TrustWiring = m.Key("trust_wiring").Bool(false)
	p.Grace = r.place(path+"Grace", m.Key("grace")).Duration(0, durations{Of: "the grace before a cut", Min: time.Second, Max: 10 * time.Minute})
	p.StopDeadline = r.place(path+"StopDeadline", m.Key("stop_deadline")).
		Duration(3*time.Minute, durations{Of: "a stop deadline", Min: 10 * time.Second, Max: time.Hour})
	p.CutStuckAfter = orNever(r.place(path+"CutStuckAfter", m.Key("cut_stuck_after")))
	p.FenceLostAfter = orNever(r.place(path+"FenceLostAfter", m.Key("fence_lost_after")))
	p.CutWhenHalted = m.Key("cut_when_halted").Bool(true)
	n.BootPeakAmperes = m.Key("boot_peak").Amperes(usualBootPeak, numbers{Of: "a boot peak", Min: 0.05, Max: 20})
	n.MaximumAmperes = m.Key("maximum").Amperes(usualMaximum, numbers{Of: "a maximum", Min: 0.05, Max: 20})
}

// rail reads what switches a feed: a GPIO line or a command.
func (r *reader) rail(node string, v document.Value) power.RailKind {
	m := v.Map()
	line, command := m.Key("line"), m.Key("command")
	if line.Written() && command.Written() {
		v.Fault("has both line and command: keep the one that switches the feed")
		return power.RailNone
	}
	if command.Written() {
		r.cfg.Hardware.Rails = append(r.cfg.Hardware.Rails, Rail{Node: node, Command: readCommand(command)})
		return power.RailCommand
	}
	at := r.line(m)
	r.cfg.Hardware.Rails = append(r.cfg.Hardware.Rails, Rail{Node: node, Line: &Output{
		Line:       at,
		ActiveLow:  m.Key("active_low").Bool(false),
		ResetLevel: m.Key("reset_level").Choice("unknown", "on", "off", "unknown"),
	}})
	return power.RailLine
}

func readCommand(v document.Value) *Command {
	m := v.Map()
	c := &Command{
		On:      program(m.Key("on").Required("the program that switches it on, with its arguments as a list"), v),
		Off:     program(m.Key("off").Required("the program that switches it off, with its arguments as a list"), v),
		State:   program(m.Key("state"), v),
		Timeout: m.Key("timeout").Duration(10*time.Second, durations{Of: "how long a command may take", Min: 100 * time.Millisecond, Max: time.Minute}),
	}
	return c
}

// program reads a program and its arguments. They are never put through a shell.
func program(v, command document.Value) []string {
	if command.Faulty() || !v.Written() {
		return nil
	}
	var words []string
	for _, item := range v.List() {
		words = append(words, item.Required("a word").String(""))
	}
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		if !v.Faulty() {
			v.Fault("must be a list whose first item is the program's absolute path: [/usr/sbin/uhubctl, -l, 1-1]")
		}
	}
	return words
}

// orNever reads a time after which a live feed may be cut; 0 is never, which is also what nothing means.
func orNever(v document.Value) time.Duration {
	if v.Is("never") {
		return 0
	}
	return v.Duration(0, durations{Of: "a time (or never)", Min: time.Minute, Max: 7 * 24 * time.Hour})
}

// after reads the names of the nodes that one waits for, once all names are known.
func (r *reader) after(items []document.Value) {
	known := map[string]bool{}
	for _, n := range r.cfg.Core.Nodes {
		known[n.Name] = true
	}
	for i, item := range items {
		n := &r.cfg.Core.Nodes[i]
		list := item.Map().Key("after")
		r.place(fmt.Sprintf("Nodes[%d].After", i), list)
		for _, other := range list.List() {
			name := other.Required("a node's name").String("")
			switch {
			case name == "" || other.Faulty():
			case name == n.Name:
				other.Fault("a node cannot wait for itself")
			case !known[name]:
				other.Fault("no node has this name" + r.known())
			default:
				n.After = append(n.After, name)
			}
		}
	}
}

// master finds the machine that this runs on: the node that says so, or else the only one that is reached by a unix
// socket and has no rail.
func (r *reader) master(items []document.Value) {
	said, here := -1, []int{}
	for i, item := range items {
		n := &r.cfg.Core.Nodes[i]
		mark := item.Map().Key("master")
		switch is := mark.Bool(false); {
		case is && n.Rail:
			mark.Fault("the master has no rail: it would cut itself off")
		case is && said >= 0:
			mark.Fault(fmt.Sprintf("%s is the master already", r.cfg.Core.Nodes[said].Name))
		case is:
			said = i
		case !mark.Written() && !n.Rail && isSocket(n.Address):
			here = append(here, i)
		}
	}
	if said < 0 && len(here) == 1 {
		said = here[0]
	}
	if said >= 0 {
		r.cfg.Core.Nodes[said].Power.Master = true
	}
}
