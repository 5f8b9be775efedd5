package agent

import (
	"math"
	"path"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/agent/throttle"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

// shutdownKind numbers are the contract's, moved up by one so that 0 means none.
type shutdownKind int32

const (
	shutdownUnspecified shutdownKind = iota + 1
	shutdownPowerOff
	shutdownReboot
	shutdownCancelled
)

func (k shutdownKind) String() string {
	switch k {
	case shutdownPowerOff:
		return "poweroff"
	case shutdownReboot:
		return "reboot"
	case shutdownCancelled:
		return "cancelled"
	default:
		return "shutdown"
	}
}

func parseShutdown(kind string) shutdownKind {
	switch kind {
	case "poweroff":
		return shutdownPowerOff
	case "reboot":
		return shutdownReboot
	case "cancelled":
		return shutdownCancelled
	default:
		return shutdownUnspecified
	}
}

// throttlingSource is the kernel interface that a path belongs to.
func throttlingSource(source string) agentv1.ThrottlingSource {
	switch path.Base(source) {
	case "vcio_gencmd":
		return agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO_GENCMD
	case "vcio":
		return agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO
	case "in0_lcrit_alarm":
		return agentv1.ThrottlingSource_THROTTLING_SOURCE_RPI_VOLT
	default:
		return agentv1.ThrottlingSource_THROTTLING_SOURCE_UNSPECIFIED
	}
}

// node is who speaks. Names and models come from firmware and files; protobuf strings must be UTF-8.
func (a *Agent) node(now snapshot) *agentv1.Node {
	c, clean := a.config, validText
	n := &agentv1.Node{
		Name:               c.Name,
		BootId:             clean(c.BootID),
		UptimeMilliseconds: milliseconds(c.Uptime()),
		AgentVersion:       clean(c.Version),
		Board: &agentv1.Board{
			Model:        clean(c.Board.Model),
			RevisionCode: c.Board.RevisionCode,
			Architecture: clean(c.Board.Architecture),
			Distribution: clean(c.Board.Distribution),
			Kernel:       clean(c.Board.Kernel),
			LimitCelsius: float32(c.Board.LimitCelsius),
		},
	}
	for _, compatible := range c.Board.Compatible {
		n.Board.Compatible = append(n.Board.Compatible, clean(compatible))
	}
	for i, s := range now.sensors {
		n.Sensors = append(n.Sensors, &agentv1.Sensor{
			Id:           sensorID(i),
			Name:         clean(s.Name),
			Kind:         agentv1.SensorKind(s.Kind),
			Source:       clean(s.Source),
			LimitCelsius: float32(s.LimitCelsius),
		})
	}
	for _, capability := range c.capabilities(now) {
		n.Capabilities = append(n.Capabilities, &agentv1.Capability{
			Kind:   agentv1.CapabilityKind(capability.Kind),
			State:  agentv1.CapabilityState(capability.State),
			Source: clean(capability.Source),
			Detail: clean(capability.Detail),
		})
	}
	n.DoneSignal = doneToWire(now.done)
	return n
}

// doneToWire is nil where there is no signal.
func doneToWire(s DoneSignal) *agentv1.DoneSignal {
	if s.Mechanism == 0 {
		return nil
	}
	return &agentv1.DoneSignal{
		Mechanism:                 agentv1.DoneMechanism(s.Mechanism),
		Chip:                      validText(s.Chip),
		Line:                      s.Line,
		ActiveLow:                 s.ActiveLow,
		ActiveDelayMilliseconds:   uint32(milliseconds(s.ActiveDelay)),
		InactiveDelayMilliseconds: uint32(milliseconds(s.InactiveDelay)),
		TimeoutMilliseconds:       uint32(milliseconds(s.Timeout)),
		Error:                     validText(s.Trouble),
	}
}

func validText(s string) string { return strings.ToValidUTF8(s, "?") }

func sensorID(i int) uint32 { return uint32(i) + 1 }

func readingsToWire(sensors []Sensor, readings []reading) []*agentv1.Reading {
	all := make([]*agentv1.Reading, 0, len(readings))
	for i, r := range readings {
		all = append(all, readingToWire(i, sensors[i].Kind, r))
	}
	return all
}

func readingToWire(i int, kind SensorKind, r reading) *agentv1.Reading {
	m := &agentv1.Reading{SensorId: sensorID(i)}
	switch {
	case r.failure != "":
		m.Value = &agentv1.Reading_Error{Error: r.failure}
	case kind.isTemperature():
		m.Value = &agentv1.Reading_Celsius{Celsius: float32(r.value)}
	case kind == CPUClock:
		m.Value = &agentv1.Reading_Hertz{Hertz: uint64(math.Round(r.value))}
	default:
		m.Value = &agentv1.Reading_MegabitsPerSecond{MegabitsPerSecond: uint32(math.Round(r.value))}
	}
	return m
}

func flagsToWire(f flags) *agentv1.Throttling {
	m := &agentv1.Throttling{Source: throttlingSource(f.source), Error: f.failure}
	for i, flag := range f.flag {
		if flag.known {
			m.Flags = append(m.Flags, &agentv1.FlagState{
				Flag:   flagToWire(throttle.Flag(i)),
				Active: flag.active,
				Count:  flag.count,
			})
		}
	}
	return m
}

func flagToWire(f throttle.Flag) agentv1.Flag { return agentv1.Flag(f) + 1 }

func edgeToWire(n notice, now time.Time) *agentv1.FlagEdge {
	return &agentv1.FlagEdge{
		Flag:            flagToWire(n.edge.Flag),
		Active:          n.edge.Active,
		Count:           n.edge.Count,
		AgeMilliseconds: milliseconds(now.Sub(n.at)),
	}
}

func shutdownToWire(n notice, now time.Time) *agentv1.ShutdownNotice {
	return &agentv1.ShutdownNotice{
		Kind:            agentv1.ShutdownKind(n.shutdown - 1),
		AgeMilliseconds: milliseconds(now.Sub(n.at)),
	}
}
