package core

import (
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

// NodeView is one node as it is known now. It is a copy; what its slices hold is shared and never changes.
type NodeView struct {
	Name, Address string
	Presence      Presence
	// PresenceReason is why the node is not live, in one line; empty when it is.
	PresenceReason string
	// SampledAt is when its newest sample was taken, by the clock of Step; zero before the first.
	SampledAt time.Time
	// Samples is how many samples have arrived since the start.
	Samples uint64
	BootID  string
	// Reboots is how many restarts were seen since the start.
	Reboots      uint64
	AgentVersion string
	Board        Board
	Measurements []Measurement
	// Throttling has the flags that are known.
	Throttling Throttling
	// Announced is the shutdown it announced; unspecified without one.
	Announced    ShutdownKind
	Rail         RailState
	Maintenance  bool
	Capabilities []Capability
	// Power is what its power does.
	Power PowerView
	// Master says that the coordinator runs on it.
	Master bool
	// DoneSignal is how it shows the end of a power-off; nil where its agent does not say.
	DoneSignal *DoneSignal
}

// Measurement is one sensor's newest value with the temperatures it is judged by.
type Measurement struct {
	Sensor string
	Kind   SensorKind
	// Reading has the value or the failure.
	Reading Reading
	// SetPointCelsius is what the fans aim at for this sensor, the lowest where several do; 0 when none follows it.
	SetPointCelsius float64
	// LimitCelsius is what it must not reach; 0 when none is known.
	LimitCelsius float64
}

// FanMode says who decides a duty. The values are those of bramble.coordinator.v1.
type FanMode uint8

// The modes of a fan.
const (
	FanUnspecified FanMode = iota
	FanAutomatic
	FanOverride
	FanFailSafe
	FanReadOnly // a kernel driver decides
)

// String is the mode in a word.
func (m FanMode) String() string {
	return word(int(m), "unspecified", "automatic", "override", "fail-safe", "read only")
}

// FanView is one fan as it is known now.
type FanView struct {
	Name string
	// Duty is the commanded one, a fraction. It means nothing for a ReadOnly fan.
	Duty float64
	// RPM is the measured speed; nil without a tach or when it could not be read.
	RPM *float64
	// TachError is why the speed could not be read, WriteError why the duty could not be written; else empty.
	TachError, WriteError string
	Mode                  FanMode
	// Reason is why the duty is what it is, in one line.
	Reason string
	// Decision is the last step of the controller, whole.
	Decision fan.Decision
	// MinimumDuty is the least at which the fan is driven, a fraction.
	MinimumDuty float64
	// OverrideUntil is the end of an override in force, also while fail-safe outranks it; zero without one. Its duty is
	// OverrideDuty.
	OverrideUntil time.Time
	OverrideDuty  float64
	ReadOnly      bool
	// Tach says that the fan's speed can be read.
	Tach bool
	// Nodes are those it cools.
	Nodes []string
}

// Case is the name of the case.
func (c *Core) Case() string { return c.cfg.Case }

// Revision counts the changes of nodes and fans.
func (c *Core) Revision() uint64 { return c.revision }

// Nodes returns every node that changed after the given revision, in the order of the Config; all of them after 0.
func (c *Core) Nodes(after uint64) []NodeView {
	var views []NodeView
	for _, n := range c.nodes {
		if n.revision > after {
			views = append(views, c.viewNode(n))
		}
	}
	return views
}

// Fans returns every fan that changed after the given revision, in the order of the Config; all of them after 0.
func (c *Core) Fans(after uint64) []FanView {
	var views []FanView
	for _, f := range c.fans {
		if f.revision > after {
			views = append(views, c.viewFan(f))
		}
	}
	return views
}

// Fan returns one fan. The empty name means the only one. The error is an ErrNotFound or ErrInvalid.
func (c *Core) Fan(name string) (FanView, error) {
	f, err := c.find(name)
	if err != nil {
		return FanView{}, err
	}
	return c.viewFan(f), nil
}

// Alarms returns what is wrong now, oldest first.
func (c *Core) Alarms() []Alarm { return slices.Clone(c.alarms) }

func (c *Core) viewNode(n *node) NodeView {
	v := NodeView{
		Name: n.cfg.Name, Address: n.cfg.Address,
		Presence: n.presence, SampledAt: n.sampled, Samples: n.samples,
		BootID: n.info.BootID, Reboots: n.reboots, AgentVersion: n.info.AgentVersion, Board: n.info.Board,
		Measurements: make([]Measurement, len(n.sensors)),
		Throttling:   Throttling{Source: n.source, Error: n.sourceErr},
		Announced:    n.announced, Rail: n.rail, Maintenance: n.maintained(), Capabilities: n.info.Capabilities,
		Power: c.viewPower(n), Master: n.cfg.Power.Master, DoneSignal: n.info.DoneSignal,
	}
	if n.presence != PresenceLive {
		v.PresenceReason = c.why(n)
	}
	if n.cfg.Rail && n.rail == RailNone {
		v.Rail = RailUnknown
	}
	for i := range n.sensors {
		s := &n.sensors[i]
		v.Measurements[i] = Measurement{Sensor: s.Name, Kind: s.Kind, Reading: s.reading, SetPointCelsius: n.target(s), LimitCelsius: n.limit(s)}
	}
	for _, s := range n.flags {
		if s.Flag != FlagUnspecified {
			v.Throttling.Flags = append(v.Throttling.Flags, s)
		}
	}
	return v
}

// target is the lowest set-point that any fan holds a sensor at; 0 when none follows it.
func (n *node) target(s *sensor) float64 {
	lowest := 0.0
	for _, f := range n.fans {
		if celsius := n.setPoint(s, f.cfg.SetPointCelsius); n.followed(s) && (lowest == 0 || celsius < lowest) {
			lowest = celsius
		}
	}
	return lowest
}

func (c *Core) viewFan(f *fanState) FanView {
	v := FanView{
		Name: f.cfg.Name, Mode: FanFailSafe, Reason: c.reason(f), Decision: f.decision, MinimumDuty: f.minimum(), ReadOnly: f.cfg.ReadOnly, Tach: f.cfg.Tach,
		Duty: f.decision.Duty, Nodes: make([]string, len(f.nodes)),
	}
	switch {
	case f.cfg.ReadOnly:
		v.Mode = FanReadOnly
	case f.decision.Mode == fan.ModeAuto:
		v.Mode = FanAutomatic
	case f.decision.Mode == fan.ModeOverride:
		v.Mode = FanOverride
	}
	if f.tach == fan.TachReading {
		v.RPM = new(f.rpm)
	}
	if f.tachErr != nil {
		v.TachError = f.tachErr.Error()
	}
	if f.writeErr != nil {
		v.WriteError = f.writeErr.Error()
	}
	if f.override.Active {
		v.OverrideUntil, v.OverrideDuty = f.override.Until, f.override.Duty
	}
	for i, n := range f.nodes {
		v.Nodes[i] = n.cfg.Name
	}
	return v
}
