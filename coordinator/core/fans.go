package core

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

// The kinds of a refusal, for errors.Is.
var (
	ErrNotFound  = errors.New("not found")
	ErrInvalid   = errors.New("not allowed")
	ErrReadOnly  = errors.New("read only")         // a fan that a kernel driver owns
	ErrForbidden = errors.New("refused")           // by a promise, or by what the node does now
	ErrSupply    = errors.New("supply too small")  // for what would be switched on
	ErrBusy      = errors.New("busy")              // another operation holds the node
	ErrStore     = errors.New("memory not usable") // what must be remembered first cannot be written
)

const (
	leastHold = time.Second
	mostHold  = 24 * time.Hour
)

// fanState is what is known of one fan.
type fanState struct {
	cfg        FanConfig
	nodes      []*node
	controller *fan.Controller
	revision   uint64

	inputs   []fan.NodeInput // kept, so that a step allocates nothing
	tach     fan.Tach
	rpm      float64
	tachErr  error
	writeErr error
	override fan.Override
	decision fan.Decision
	frozen   []fan.InputName // that stand still although this fan's duty moved
	raised   alarms
}

func newFan(cfg FanConfig, all []*node, byName map[string]*node) *fanState {
	f := &fanState{cfg: cfg, nodes: all, controller: fan.New(cfg.Controller), revision: 1}
	f.decision = fan.Decision{Mode: fan.ModeFailSafe, Cause: fan.CauseStarting, Bound: fan.BoundFailSafe, Duty: 1}
	if len(cfg.Nodes) > 0 {
		f.nodes = nil
		for _, name := range cfg.Nodes {
			f.nodes = append(f.nodes, byName[name])
		}
	}
	for _, n := range f.nodes {
		n.fans = append(n.fans, f)
	}
	return f
}

func (c *Core) measured(f *fanState, ev FanMeasured) {
	if !f.cfg.Tach {
		return
	}
	f.tach, f.rpm, f.tachErr = fan.TachReading, ev.RPM, ev.Err
	if ev.Err != nil {
		f.tach, f.rpm = fan.TachFailed, 0
	}
	c.alarm(&f.raised, AlarmTachFailed, ev.Err != nil, f.cfg.Name, "", func() string {
		return fmt.Sprintf("%s: its speed could not be read (%v): check the tach wire and its input", f.cfg.Name, ev.Err)
	}, "its speed reads again")
}

func (c *Core) wrote(f *fanState, err error) {
	f.writeErr = err
	c.alarm(&f.raised, AlarmFanWriteFailed, err != nil, f.cfg.Name, "", func() string {
		return fmt.Sprintf("%s: a duty of %.0f %% could not be written (%v): check the fan's output; it is tried again every second", f.cfg.Name, 100*f.decision.Duty, err)
	}, "its duty was written")
}

// control decides one fan's duty.
func (c *Core) control(f *fanState) {
	c.revision++
	f.revision = c.revision
	if f.cfg.ReadOnly {
		return
	}
	if f.override.Active && !c.now.Before(f.override.Until) {
		f.override = fan.Override{}
	}
	f.inputs = f.inputs[:0]
	for _, n := range f.nodes {
		f.inputs = c.heed(f.inputs, n, f.cfg.SetPointCelsius)
	}
	before := f.decision
	out := f.controller.Step(c.now, fan.Input{
		Nodes: f.inputs, Absent: len(f.inputs) == 0 && c.deserted(f), Tach: f.tach, RPM: f.rpm, WriteErr: f.writeErr, Override: f.override,
	})
	f.decision = out.Decision
	if out.Changed {
		c.emit(WriteDuty{Fan: f.cfg.Name, Fraction: out.Duty})
	}
	if before.Mode != f.decision.Mode {
		c.publish(Report{Kind: ReportFanModeChanged, Subject: f.cfg.Name, Message: f.cfg.Name + ": " + c.reason(f)})
	}
	c.alarm(&f.raised, AlarmFanStalled, f.decision.Stalled, f.cfg.Name, "", func() string {
		return fmt.Sprintf("%s turns at %.0f rpm where %.0f are expected: it is driven at full; check for a blocked blade, its plug and the tach wire",
			f.cfg.Name, f.decision.RPM, f.decision.ExpectedRPM)
	}, "it turns again")
	if !slices.Equal(f.frozen, out.Frozen) {
		old := f.frozen
		f.frozen = slices.Clone(out.Frozen)
		for _, name := range old {
			c.freeze(name)
		}
		for _, name := range f.frozen {
			c.freeze(name)
		}
	}
}

// deserted reports whether a fan cools nodes, and all of them are known to be without power. One in maintenance may have
// it.
func (c *Core) deserted(f *fanState) bool {
	return len(f.nodes) > 0 && !slices.ContainsFunc(f.nodes, func(n *node) bool { return c.unpowered(n) == "" })
}

// heed adds what a fan must know of one node.
func (c *Core) heed(inputs []fan.NodeInput, n *node, setPoint float64) []fan.NodeInput {
	if c.away(n) != "" {
		return inputs
	}
	if n.holding(c.now) {
		inputs = append(inputs, fan.NodeInput{Node: n.cfg.Name, Booting: true})
		if n.presence != PresenceLive {
			return inputs
		}
	}
	known := len(inputs)
	newest, good := n.newest()
	for i := range n.sensors {
		s := &n.sensors[i]
		// One that failed is left out, unless all did: then the newest of their last values grow old.
		failed := s.reading.Error != ""
		if !n.followed(s) || failed == good || failed && (s.good.IsZero() || s.good.Before(newest)) {
			continue
		}
		inputs = append(inputs, fan.NodeInput{
			Node: n.cfg.Name, Sensor: s.Name, Celsius: s.celsius,
			SetPointCelsius: n.setPoint(s, setPoint), LimitCelsius: n.limit(s), Age: c.now.Sub(newest), Known: true,
		})
	}
	if len(inputs) == known {
		inputs = append(inputs, fan.NodeInput{Node: n.cfg.Name, Age: c.now.Sub(c.since(n))})
	}
	return inputs
}

// freeze brings the alarm about a sensor that stands still to what the fans say of it.
func (c *Core) freeze(name fan.InputName) {
	n := c.byNode[name.Node]
	frozen := slices.ContainsFunc(n.fans, func(f *fanState) bool { return slices.Contains(f.frozen, name) })
	for i := range n.sensors {
		if s := &n.sensors[i]; s.Name == name.Sensor {
			c.alarm(&s.raised, AlarmSensorFrozen, frozen, name.Node, name.Sensor, func() string {
				return fmt.Sprintf("%s/%s has read %.1f C for 30 minutes although the fan changed: check the sensor", name.Node, name.Sensor, s.celsius)
			}, "it moves again or is no longer judged")
		}
	}
}

// reason says in one line why a fan runs as it does.
func (c *Core) reason(f *fanState) string {
	d := &f.decision
	if f.cfg.ReadOnly {
		return "a kernel driver decides; bramble only reads this fan"
	}
	if d.Cause == fan.CauseStarting && d.Node == "" {
		return "100 % fail-safe: starting"
	}
	n := c.byNode[d.Node]
	if d.Mode != fan.ModeFailSafe || d.Fault == fan.InputGood || n == nil {
		return d.String()
	}
	full := "100 % fail-safe: " + n.cfg.Name
	_, good := n.newest()
	switch {
	case n.sampled.IsZero():
		return fmt.Sprintf("%s has not been heard since the start (%s): full until it answers or is put in maintenance", full, c.why(n))
	case n.presence != PresenceLive:
		return fmt.Sprintf("%s is %s (%s): full until it is heard", full, n.presence, c.why(n))
	case d.Sensor == "" && good:
		return full + " had not been heard at the last control tick"
	case d.Sensor != "":
		return fmt.Sprintf("%s/%s has not been read for %.1f s: check the sensor", full, d.Sensor, d.Age.Seconds())
	default:
		return full + " has no temperature that a fan can follow: check its sensors, or leave it out of the fan's nodes"
	}
}

// set takes a person's wish, or refuses it and changes nothing.
func (c *Core) set(ev SetFan) {
	f, err := c.find(ev.Fan)
	if err == nil {
		err = f.allow(ev.FanSetting)
	}
	if err != nil {
		c.emit(Refuse{Err: err})
		return
	}
	f.override = fan.Override{}
	if !ev.Automatic {
		f.override = fan.Override{Active: true, Duty: ev.Duty, Until: c.now.Add(ev.Hold)}
	}
	c.control(f)
}

// find is the fan of a name; the empty name is the only fan's.
func (c *Core) find(name string) (*fanState, error) {
	if name == "" && len(c.fans) == 1 {
		return c.fans[0], nil
	}
	if f := c.fan(name); f != nil {
		return f, nil
	}
	known := make([]string, len(c.fans))
	for i, f := range c.fans {
		known[i] = f.cfg.Name
	}
	switch {
	case len(c.fans) == 0:
		return nil, fmt.Errorf("fan %q: %w: this case has no fan", name, ErrNotFound)
	case name == "":
		return nil, fmt.Errorf("fan: a name is needed where there are several: %w: name one of %s", ErrInvalid, strings.Join(known, ", "))
	}
	return nil, fmt.Errorf("fan %q: %w: this case has %s", name, ErrNotFound, strings.Join(known, ", "))
}

func (f *fanState) allow(s FanSetting) error {
	least := f.minimum()
	switch {
	case f.cfg.ReadOnly:
		return fmt.Errorf("fan %s: %w: a kernel driver decides its duty; let bramble take it over in the configuration", f.cfg.Name, ErrReadOnly)
	case s.Automatic:
	case math.IsNaN(s.Duty), s.Duty > 1, s.Duty < least && !(s.Duty == 0 && f.cfg.Controller.MayStop):
		zero := ""
		if f.cfg.Controller.MayStop {
			zero = "0, or "
		}
		return fmt.Errorf("fan %s: duty %g: %w: it must be %s%g to 1", f.cfg.Name, s.Duty, ErrInvalid, zero, least)
	case s.Hold < leastHold || s.Hold > mostHold:
		return fmt.Errorf("fan %s: hold %s: %w: it must be %s to %s", f.cfg.Name, s.Hold, ErrInvalid, leastHold, mostHold)
	}
	return nil
}

// minimum is the least duty at which the fan is driven; 0.20 is the fan package's own default.
func (f *fanState) minimum() float64 {
	if f.cfg.Controller.MinimumDuty == 0 {
		return 0.20
	}
	return f.cfg.Controller.MinimumDuty
}
