package core

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// The values of Config.AfterOutage.
const (
	afterLast  = "last"
	afterStart = "start"
	afterStay  = "stay"
)

const mostAmperes = 20 // of one node: a Pi 5 with its peripherals is asked to have 5

// powerDefaults brings what may stand in two places to both.
func (n *NodeConfig) powerDefaults() {
	p := &n.Power
	p.Node = n.Name
	if n.Rail && p.Rail == power.RailNone {
		p.Rail = power.RailLine
	}
	n.Rail = p.Rail != power.RailNone
	n.Maintenance = n.Maintenance || p.Maintenance
	p.Maintenance = n.Maintenance
	or(&n.BootDeadline, p.BootDeadline)
	or(&n.BootDeadline, 120*time.Second)
	p.BootDeadline = n.BootDeadline
	or(&n.StopDeadline, p.StopDeadline)
	or(&n.StopDeadline, 180*time.Second)
	p.StopDeadline = n.StopDeadline
}

// power finds what cannot be used of the supply and of the nodes' power.
func (f *faults) power(cfg Config) {
	s := cfg.Supply
	f.amperes("Supply.LimitAmperes", s.LimitAmperes, 200)
	f.amperes("Supply.FixedAmperes", s.FixedAmperes, 200)
	f.duration("Supply.Stagger", s.Stagger, 0, time.Minute)
	f.duration("Supply.Settle", s.Settle, 0, 10*time.Minute)
	f.duration("Supply.GiveUp", s.GiveUp, time.Second, 24*time.Hour)
	if !slices.Contains([]string{afterLast, afterStart, afterStay}, cfg.AfterOutage) {
		f.add("AfterOutage", cfg.AfterOutage, "must be %s, %s or %s", afterLast, afterStart, afterStay)
	}
	if cfg.Parallel < 1 || cfg.Parallel > 64 {
		f.add("Parallel", cfg.Parallel, "must be 1 to 64")
	}
	master := ""
	for i, n := range cfg.Nodes {
		path := fmt.Sprintf("Nodes[%d].", i)
		f.amperes(path+"BootPeakAmperes", n.BootPeakAmperes, mostAmperes)
		f.amperes(path+"MaximumAmperes", n.MaximumAmperes, mostAmperes)
		f.after(path, n, cfg.Nodes)
		f.duration(path+"Power.Grace", n.Power.Grace, 0, 10*time.Minute)
		f.duration(path+"Power.CutStuckAfter", n.Power.CutStuckAfter, 0, 7*24*time.Hour)
		f.duration(path+"Power.FenceLostAfter", n.Power.FenceLostAfter, 0, 7*24*time.Hour)
		switch {
		case !n.Power.Master:
		case len(n.After) > 0:
			f.add(path+"After", n.After, "must be empty: the master starts first and stops last")
		case n.Rail:
			f.add(path+"Power.Master", true, "must have no rail: the master would cut itself off")
		case master != "":
			f.add(path+"Power.Master", true, "must be said once: %s is the master", master)
		default:
			master = n.Name
		}
	}
	if len(*f) == 0 {
		if _, err := power.Waves(loads(cfg.Nodes), false); err != nil {
			f.add("Nodes", "After", "must have no cycle: %v", err)
		}
	}
}

func (f *faults) after(path string, n NodeConfig, all []NodeConfig) {
	for i, name := range n.After {
		at := fmt.Sprintf("%sAfter[%d]", path, i)
		switch known := slices.ContainsFunc(all, func(other NodeConfig) bool { return other.Name == name }); {
		case !known:
			f.add(at, name, "must be the name of a node")
		case name == n.Name:
			f.add(at, name, "must be another node")
		case slices.Contains(n.After[:i], name):
			f.add(at, name, "must be named once")
		}
	}
}

func (f *faults) amperes(path string, value, most float64) {
	if math.IsNaN(value) || value < 0 || value > most {
		f.add(path, value, "must be 0 to %g", most)
	}
}

// loads are the nodes as the supply sees them, before anything is known of them.
func loads(nodes []NodeConfig) []power.Load {
	all := make([]power.Load, len(nodes))
	for i, n := range nodes {
		all[i] = power.Load{
			Node: n.Name, State: power.StateUnknown, Powered: true,
			BootPeakAmperes: n.BootPeakAmperes, MaximumAmperes: n.MaximumAmperes, After: n.After,
		}
	}
	return all
}
