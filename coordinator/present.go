package coordinator

import (
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/fan"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// milliseconds since a time, as the wire has it: never negative.
func milliseconds(now, then time.Time) uint64 { return uint64(max(now.Sub(then), 0).Milliseconds()) }

func presentNode(v *core.NodeView, now time.Time) *coordinatorv1.Node {
	out := &coordinatorv1.Node{
		Name: v.Name, Address: v.Address, Presence: coordinatorv1.Presence(v.Presence), PresenceReason: v.PresenceReason,
		BootId: v.BootID, Reboots: v.Reboots, AgentVersion: v.AgentVersion,
		Board: &agentv1.Board{
			Model: v.Board.Model, Compatible: v.Board.Compatible, RevisionCode: v.Board.RevisionCode, Architecture: v.Board.Architecture,
			Distribution: v.Board.Distribution, Kernel: v.Board.Kernel, LimitCelsius: float32(v.Board.LimitCelsius),
		},
		Throttling:        &agentv1.Throttling{Source: agentv1.ThrottlingSource(v.Throttling.Source), Error: v.Throttling.Error},
		AnnouncedShutdown: agentv1.ShutdownKind(v.Announced), Rail: coordinatorv1.RailState(v.Rail), Maintenance: v.Maintenance,
		Power: presentPower(&v.Power, now), DoneSignal: presentSignal(v.DoneSignal), Master: v.Master,
	}
	if !v.SampledAt.IsZero() {
		out.AgeMilliseconds = new(milliseconds(now, v.SampledAt))
	}
	for i := range v.Measurements {
		out.Measurements = append(out.Measurements, presentMeasurement(&v.Measurements[i]))
	}
	for _, f := range v.Throttling.Flags {
		out.Throttling.Flags = append(out.Throttling.Flags, &agentv1.FlagState{Flag: agentv1.Flag(f.Flag), Active: f.Active, Count: f.Count})
	}
	for _, c := range v.Capabilities {
		out.Capabilities = append(out.Capabilities, &agentv1.Capability{
			Kind: agentv1.CapabilityKind(c.Kind), State: agentv1.CapabilityState(c.State), Source: c.Source, Detail: c.Detail,
		})
	}
	return out
}

func presentMeasurement(m *core.Measurement) *coordinatorv1.Measurement {
	out := &coordinatorv1.Measurement{
		Sensor: m.Sensor, Kind: agentv1.SensorKind(m.Kind),
		SetPointCelsius: float32(m.SetPointCelsius), LimitCelsius: float32(m.LimitCelsius),
	}
	switch {
	case m.Reading.Error != "":
		out.Value = &coordinatorv1.Measurement_Error{Error: m.Reading.Error}
	case m.Kind.Temperature():
		out.Value = &coordinatorv1.Measurement_Celsius{Celsius: float32(m.Reading.Celsius)}
	case m.Kind == core.SensorClock:
		out.Value = &coordinatorv1.Measurement_Hertz{Hertz: m.Reading.Hertz}
	case m.Kind == core.SensorLink:
		out.Value = &coordinatorv1.Measurement_MegabitsPerSecond{MegabitsPerSecond: m.Reading.MegabitsPerSecond}
	default:
		out.Value = &coordinatorv1.Measurement_Error{Error: "a kind of sensor that this coordinator does not know"}
	}
	return out
}

func presentFan(v *core.FanView, now time.Time) *coordinatorv1.Fan {
	d := &v.Decision
	out := &coordinatorv1.Fan{
		Name: v.Name, Rpm: v.RPM, TachError: v.TachError, WriteError: v.WriteError,
		Mode: coordinatorv1.FanMode(v.Mode), Reason: v.Reason, Stalled: d.Stalled, MinimumDutyFraction: v.MinimumDuty, Nodes: v.Nodes,
	}
	if v.Tach && !v.ReadOnly {
		out.ExpectedRpm = new(d.ExpectedRPM)
	}
	if v.ReadOnly {
		return out
	}
	out.DutyFraction = new(v.Duty)
	out.Cause = coordinatorv1.FailSafeCause(d.Cause)
	out.Bound = coordinatorv1.FanBound(d.Bound) + coordinatorv1.FanBound_FAN_BOUND_NONE
	out.Terms = &coordinatorv1.FanTerms{
		Proportional: d.Proportional, Integral: d.Integral, Derivative: d.Derivative, FeedForward: d.FeedForward, Unlimited: d.Unlimited,
	}
	if d.Node != "" {
		out.Lead = &coordinatorv1.FanLead{Node: d.Node, Sensor: d.Sensor}
		if d.Fault == fan.InputGood && d.Sensor != "" {
			out.Lead.Celsius, out.Lead.ErrorCelsius = new(d.Celsius), new(d.ErrorCelsius)
		}
	}
	if !v.OverrideUntil.IsZero() {
		out.Override = &coordinatorv1.FanOverride{DutyFraction: v.OverrideDuty, RemainingMilliseconds: milliseconds(v.OverrideUntil, now)}
	}
	return out
}

func presentAlarm(a *core.Alarm, now time.Time) *coordinatorv1.Alarm {
	return &coordinatorv1.Alarm{
		Kind: coordinatorv1.AlarmKind(a.Kind), Subject: a.Subject, Sensor: a.Sensor, Message: a.Message, AgeMilliseconds: milliseconds(now, a.Since),
	}
}

func presentEvent(e *Event, now time.Time) *coordinatorv1.Event {
	return &coordinatorv1.Event{
		Number: e.Number, Kind: coordinatorv1.EventKind(e.Kind), Subject: e.Subject, Message: e.Message,
		AgeMilliseconds: milliseconds(now, e.At), Alarm: coordinatorv1.AlarmKind(e.Alarm), Sensor: e.Sensor, Flag: agentv1.Flag(e.Flag),
		Shutdown: agentv1.ShutdownKind(e.Shutdown), OperationId: e.Operation, PowerState: coordinatorv1.PowerState(e.Power),
	}
}
