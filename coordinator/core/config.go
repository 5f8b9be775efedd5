package core

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
	"github.com/bramblemesh/bramble/coordinator/power"
)

// Interval is how often the shell steps Tick.
const Interval = time.Second

const mostInputTimeout = 5 * time.Second

// Config is one case. The zero value is a case without nodes and fans.
type Config struct {
	// Case is the name of the case, at most 64 characters. Default "case".
	Case string
	// Version is the coordinator's own, shown as it stands.
	Version string
	// Nodes and Fans are shown in this order.
	Nodes []NodeConfig
	Fans  []FanConfig
	// StaleAfter is the age of a node's newest sample at which it is stale. Default 3 s, allowed 2 s to 1 min.
	StaleAfter time.Duration
	// UnreachableAfter is the age at which it is unreachable. Default 15 s, more than StaleAfter, at most 10 min.
	UnreachableAfter time.Duration
	// Supply is what feeds the nodes; the zero value limits nothing.
	Supply power.Supply
	// AfterOutage is what happens to rails that are off after a new boot of the master: "last" starts those that were last
	// wanted on (the default), "start" starts all, "stay" none.
	AfterOutage string
	// Parallel is how many nodes an operation starts or stops at the same time. Default 4, allowed 1 to 64.
	Parallel int
	// Seed of the jitter of redials, and of the names of operations where nothing is remembered. Coordinators should differ
	// in it; equal seeds give equal runs.
	Seed uint64
}

// NodeConfig is one board.
type NodeConfig struct {
	// Name is unique in the case: 1 to 24 letters, digits, dots, dashes or underscores.
	Name string
	// Address is where its agent listens, as the shell understands it.
	Address string
	// SetPointCelsius is the temperature the fans hold its processor at. 0: the fan's; otherwise 20 to 100.
	SetPointCelsius float64
	// LimitCelsius is the temperature its processor must not reach. 0: what the board says; otherwise 40 to 125.
	LimitCelsius float64
	// Rail says that the node's feed is switched and observed. It is true where Power.Rail says how, and by a GPIO line
	// where that does not.
	Rail bool
	// Maintenance leaves the node out of alarms and of the fans' inputs. It is still shown.
	Maintenance bool
	// BootDeadline is how long it may take from an announced reboot, or the rise of its rail, to its first sample.
	// Default 120 s, allowed 5 s to 1 h.
	BootDeadline time.Duration
	// StopDeadline is how long it may take from its last sample, after it announced a power-off, until its rail is seen
	// off: a board that hangs on its way down is powered and hot. Default 180 s, allowed 5 s to 1 h. It does not bind a
	// node without a rail, or whose rail cannot be read: that one halted, still powered, as far as anyone can tell.
	StopDeadline time.Duration
	// Power is how its power is treated. Its Node is filled in; BootDeadline, StopDeadline and Maintenance may stand here or
	// there.
	Power power.Config
	// BootPeakAmperes is what it draws at most while it starts, MaximumAmperes at most after that. 0 counts for nothing;
	// otherwise up to 20.
	BootPeakAmperes, MaximumAmperes float64
	// After are the nodes that must be up before it starts, and that stop after it.
	After []string
}

// FanConfig is one fan.
type FanConfig struct {
	// Name is unique in the case, by the same rule as a node's.
	Name string
	// Nodes are the names of the nodes it cools. None means all.
	Nodes []string
	// SetPointCelsius is for the processors of nodes without their own. Default 55, allowed 20 to 100.
	SetPointCelsius float64
	// Tach says that the fan's speed can be read.
	Tach bool
	// ReadOnly says that a kernel driver owns the fan: its speed is shown and its duty left alone.
	ReadOnly bool
	// Controller is the temper of its control. The zero value works. SampleInterval is always Interval, whatever it says,
	// and InputTimeout at most 5 s: a fan is at full whenever a temperature has been unknown for so long.
	Controller fan.Config
}

// A Fault is one field of a Config that cannot be used.
type Fault struct {
	// Path is the field, as in "Nodes[2].Address" or "Fans[0].Controller.MinimumDuty".
	Path string
	// Value is the faulty value as a person would write it.
	Value string
	// Allowed says what may stand there.
	Allowed string
}

// Error is one line: the path, its value and what is allowed.
func (f *Fault) Error() string { return f.Path + ": " + f.Value + ": " + f.Allowed }

// Validate is nil for a configuration that New can run. Otherwise it joins one *Fault for each faulty field, in the
// order of the fields; Unwrap() []error gives them one by one.
func (cfg Config) Validate() error {
	cfg = cfg.withDefaults()
	var f faults
	if len(cfg.Case) > 64 {
		f.add("Case", cfg.Case, "must be at most 64 characters")
	}
	names := map[string]bool{}
	for i, n := range cfg.Nodes {
		f.node(fmt.Sprintf("Nodes[%d].", i), n, names)
	}
	fans := map[string]bool{}
	for i, fc := range cfg.Fans {
		f.fan(fmt.Sprintf("Fans[%d].", i), fc, fans, names)
	}
	f.duration("StaleAfter", cfg.StaleAfter, 2*time.Second, time.Minute)
	f.duration("UnreachableAfter", cfg.UnreachableAfter, cfg.StaleAfter+time.Second, 10*time.Minute)
	f.power(cfg)
	return errors.Join(f...)
}

type faults []error

func (f *faults) node(path string, n NodeConfig, names map[string]bool) {
	f.name(path+"Name", n.Name, names)
	if n.Address == "" {
		f.add(path+"Address", `""`, "must say where the node's agent listens")
	}
	f.celsius(path+"SetPointCelsius", n.SetPointCelsius, 20, 100)
	f.celsius(path+"LimitCelsius", n.LimitCelsius, leastLimitCelsius, mostLimitCelsius)
	if n.SetPointCelsius > 0 && n.LimitCelsius > 0 && n.SetPointCelsius >= n.LimitCelsius {
		f.add(path+"SetPointCelsius", n.SetPointCelsius, "must be less than LimitCelsius, which is %g", n.LimitCelsius)
	}
	f.duration(path+"BootDeadline", n.BootDeadline, 5*time.Second, time.Hour)
	f.duration(path+"StopDeadline", n.StopDeadline, 5*time.Second, time.Hour)
}

func (f *faults) fan(path string, fc FanConfig, fans, nodes map[string]bool) {
	f.name(path+"Name", fc.Name, fans)
	for i, name := range fc.Nodes {
		at := fmt.Sprintf("%sNodes[%d]", path, i)
		switch {
		case !nodes[name]:
			f.add(at, name, "must be the name of a node")
		case slices.Contains(fc.Nodes[:i], name):
			f.add(at, name, "must be named once")
		}
	}
	f.celsius(path+"SetPointCelsius", fc.SetPointCelsius, 20, 100)
	if t := &fc.Controller.InputTimeout; *t > mostInputTimeout {
		f.add(path+"Controller.InputTimeout", *t, "must be %s to %s", 3*Interval, mostInputTimeout)
		*t = 0
	}
	err := fc.Controller.Validate()
	if err == nil {
		return
	}
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		if fault, ok := errors.AsType[*fan.Fault](err); ok {
			*f = append(*f, &Fault{Path: path + "Controller." + fault.Field, Value: fault.Value, Allowed: fault.Allowed})
		}
	}
}

func (f *faults) add(path string, value any, allowed string, args ...any) {
	*f = append(*f, &Fault{Path: path, Value: fmt.Sprint(value), Allowed: fmt.Sprintf(allowed, args...)})
}

func (f *faults) name(path, name string, taken map[string]bool) {
	switch {
	case !validName(name):
		f.add(path, fmt.Sprintf("%q", name), "must be 1 to 24 letters, digits, dots, dashes or underscores")
	case taken[name]:
		f.add(path, name, "must be used once")
	}
	taken[name] = true
}

func validName(name string) bool {
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && r != '.' && r != '-' && r != '_' {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 24
}

func (f *faults) celsius(path string, value, low, high float64) {
	if value != 0 && (math.IsNaN(value) || value < low || value > high) {
		f.add(path, value, "must be %g to %g, or 0 for the default", low, high)
	}
}

func (f *faults) duration(path string, value, low, high time.Duration) {
	if value < low || value > high {
		f.add(path, value, "must be %s to %s", low, high)
	}
}

// withDefaults fills in what is zero. The lists are copied: the caller keeps its own.
func (cfg Config) withDefaults() Config {
	or(&cfg.Case, "case")
	or(&cfg.StaleAfter, 3*time.Second)
	or(&cfg.UnreachableAfter, 15*time.Second)
	cfg.Nodes = slices.Clone(cfg.Nodes)
	for i := range cfg.Nodes {
		cfg.Nodes[i].powerDefaults()
	}
	or(&cfg.AfterOutage, afterLast)
	or(&cfg.Parallel, 4)
	or(&cfg.Supply.Stagger, 2*time.Second)
	or(&cfg.Supply.Settle, 10*time.Second)
	or(&cfg.Supply.GiveUp, 5*time.Minute)
	cfg.Fans = slices.Clone(cfg.Fans)
	for i := range cfg.Fans {
		or(&cfg.Fans[i].SetPointCelsius, 55)
		cfg.Fans[i].Controller.SampleInterval = Interval
	}
	return cfg
}

func or[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}
