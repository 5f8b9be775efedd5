package coordinator

import (
	"math"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

// message translates what a node said. Foreign text is made fit for a line, and no number is trusted to be small.
func message(m *agentv1.WatchResponse) core.Message {
	out := core.Message{Sequence: m.GetSequence(), Sample: m.GetSample(), Age: age(m.GetAgeMilliseconds())}
	if n := m.GetNode(); n != nil {
		out.Info = info(n)
	}
	if readings := m.GetReadings(); len(readings) > 0 {
		out.Readings = make([]core.Reading, len(readings))
		for i, r := range readings {
			out.Readings[i] = reading(r)
		}
	}
	if t := m.GetThrottling(); t != nil {
		out.Throttling = throttling(t)
	}
	for _, e := range m.GetFlagEdges() {
		out.Edges = append(out.Edges, core.FlagEdge{
			Flag: narrow[core.Flag](e.GetFlag()), Active: e.GetActive(), Count: e.GetCount(), Age: age(e.GetAgeMilliseconds()),
		})
	}
	for _, s := range m.GetShutdownNotices() {
		out.Notices = append(out.Notices, core.ShutdownNotice{Kind: narrow[core.ShutdownKind](s.GetKind()), Age: age(s.GetAgeMilliseconds())})
	}
	return out
}

func info(n *agentv1.Node) *core.NodeInfo {
	b := n.GetBoard()
	out := &core.NodeInfo{
		Name: oneLine(n.GetName()), BootID: oneLine(n.GetBootId()), AgentVersion: oneLine(n.GetAgentVersion()), Uptime: age(n.GetUptimeMilliseconds()),
		Board: core.Board{
			Model: oneLine(b.GetModel()), RevisionCode: b.GetRevisionCode(), Architecture: oneLine(b.GetArchitecture()),
			Distribution: oneLine(b.GetDistribution()), Kernel: oneLine(b.GetKernel()), LimitCelsius: float64(b.GetLimitCelsius()),
		},
	}
	for _, c := range b.GetCompatible() {
		out.Board.Compatible = append(out.Board.Compatible, oneLine(c))
	}
	for _, s := range n.GetSensors() {
		out.Sensors = append(out.Sensors, core.Sensor{
			ID: s.GetId(), Name: oneLine(s.GetName()), Kind: narrow[core.SensorKind](s.GetKind()),
			Source: oneLine(s.GetSource()), LimitCelsius: float64(s.GetLimitCelsius()),
		})
	}
	for _, c := range n.GetCapabilities() {
		out.Capabilities = append(out.Capabilities, core.Capability{
			Kind: narrow[core.CapabilityKind](c.GetKind()), State: narrow[core.CapabilityState](c.GetState()),
			Source: oneLine(c.GetSource()), Detail: oneLine(c.GetDetail()),
		})
	}
	out.DoneSignal = doneSignal(n.GetDoneSignal())
	return out
}

// doneSignal is nil where the board has none.
func doneSignal(s *agentv1.DoneSignal) *core.DoneSignal {
	if s == nil {
		return nil
	}
	delay := func(milliseconds uint32) time.Duration { return age(uint64(milliseconds)) }
	return &core.DoneSignal{
		Mechanism: narrow[power.Mechanism](s.GetMechanism()), Chip: oneLine(s.GetChip()), Line: s.GetLine(), ActiveLow: s.GetActiveLow(),
		ActiveDelay: delay(s.GetActiveDelayMilliseconds()), InactiveDelay: delay(s.GetInactiveDelayMilliseconds()),
		Timeout: delay(s.GetTimeoutMilliseconds()), Error: oneLine(s.GetError()),
	}
}

// reading leaves NaN where there is no temperature, so that a sensor whose value is of another kind is not 0 degrees.
func reading(r *agentv1.Reading) core.Reading {
	out := core.Reading{SensorID: r.GetSensorId(), Celsius: math.NaN()}
	switch v := r.GetValue().(type) {
	case *agentv1.Reading_Celsius:
		out.Celsius = float64(v.Celsius)
	case *agentv1.Reading_Hertz:
		out.Hertz = v.Hertz
	case *agentv1.Reading_MegabitsPerSecond:
		out.MegabitsPerSecond = v.MegabitsPerSecond
	case *agentv1.Reading_Error:
		if out.Error = oneLine(v.Error); out.Error == "" {
			out.Error = "it failed without saying why"
		}
	default:
		out.Error = "the agent sent neither a value nor an error"
	}
	return out
}

func throttling(t *agentv1.Throttling) *core.Throttling {
	out := &core.Throttling{Source: narrow[core.ThrottlingSource](t.GetSource()), Error: oneLine(t.GetError())}
	for _, f := range t.GetFlags() {
		out.Flags = append(out.Flags, core.FlagState{Flag: narrow[core.Flag](f.GetFlag()), Active: f.GetActive(), Count: f.GetCount()})
	}
	return out
}

// age is a time that a peer stated. None is longer than a day: such a sample is as useless as one of a day.
func age(milliseconds uint64) time.Duration {
	return time.Duration(min(milliseconds, uint64(24*time.Hour/time.Millisecond))) * time.Millisecond
}

// narrow takes an enumeration over; a value that does not fit, from a newer peer, is the unspecified one.
func narrow[To ~uint8, From ~int32](value From) To {
	if value < 0 || value > math.MaxUint8 {
		return 0
	}
	return To(value)
}
