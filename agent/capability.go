package agent

import (
	"cmp"
	"errors"
	"slices"
)

// CapabilityKind names one thing that bramble can use on a board.
type CapabilityKind int32

// The kinds of capabilities.
const (
	TemperatureCapability    CapabilityKind = iota + 1 // temperatures
	ThrottlingCapability                               // the throttling and under-voltage flags
	CPUClockCapability                                 // the processor's clock
	LinkSpeedCapability                                // wired network links
	LightCapability                                    // a light that Identify can blink
	ShutdownNoticeCapability                           // notice of shutdowns before they happen
	PowerOffCapability                                 // power-off and reboot on request
	DoneSignalCapability                               // a signal at the end of a power-off
)

const capabilityKinds = DoneSignalCapability

// CapabilityState says whether a capability can be used.
type CapabilityState int32

// The states of a capability.
const (
	Available   CapabilityState = iota + 1 // it is there and answers
	Unsupported                            // this board does not have it
	Failed                                 // it is there and does not answer
)

// Capability is one thing that a board offers, or not. One that the caller gives in [Config.Capabilities] holds where there is
// nothing to read. Once there is, the readings decide, and the caller's Detail stays for as long as they are of the same
// State and Source.
type Capability struct {
	Kind   CapabilityKind
	State  CapabilityState
	Source string // the kernel interface behind it; empty when unsupported
	Detail string // what to know or do about it, in one line; empty when all is well
}

// capabilities has one entry for each kind.
func (c Config) capabilities(now snapshot) []Capability {
	all := make([]Capability, 0, capabilityKinds)
	for kind := CapabilityKind(1); kind <= capabilityKinds; kind++ {
		seen := c.capability(kind, now)
		if i := slices.IndexFunc(c.Capabilities, func(given Capability) bool { return given.Kind == kind }); i >= 0 {
			seen = c.Capabilities[i].after(seen, c.isRead(kind, now))
		}
		all = append(all, seen)
	}
	return all
}

// after is what remains of a given capability after what has been seen of it, if its port has anything to read.
func (given Capability) after(seen Capability, read bool) Capability {
	switch {
	case !read:
		return given
	case seen.State == Unsupported:
		return seen
	}
	seen.Source = cmp.Or(seen.Source, given.Source)
	if seen.State == given.State && seen.Source == cmp.Or(given.Source, seen.Source) {
		seen.Detail = cmp.Or(seen.Detail, given.Detail)
	}
	return seen
}

// isRead says whether there is something of that kind to read, which answers or fails by itself. Of a light, of notices,
// of power and of the done line nothing is read.
func (c Config) isRead(kind CapabilityKind, now snapshot) bool {
	if kind == ThrottlingCapability {
		return c.Throttle != nil
	}
	return slices.ContainsFunc(now.sensors, func(s Sensor) bool { return s.Kind.capability() == kind })
}

// capability is the kind of capability that such a sensor is behind.
func (k SensorKind) capability() CapabilityKind {
	switch {
	case k.isTemperature():
		return TemperatureCapability
	case k == CPUClock:
		return CPUClockCapability
	case k == LinkSpeed:
		return LinkSpeedCapability
	default:
		return 0
	}
}

// capability is what the ports and readings tell of one kind.
func (c Config) capability(kind CapabilityKind, now snapshot) Capability {
	switch {
	case kind == TemperatureCapability, kind == CPUClockCapability, kind == LinkSpeedCapability:
		return sensed(kind, now)
	case kind == ThrottlingCapability && now.flags.failure != "":
		return Capability{Kind: kind, State: Failed, Source: now.flags.source, Detail: now.flags.failure}
	case kind == ThrottlingCapability && now.flags.source != "":
		return Capability{Kind: kind, State: Available, Source: now.flags.source}
	case kind == LightCapability && c.Light != nil:
		return Capability{Kind: kind, State: Available, Source: c.Light.Name()}
	case kind == ShutdownNoticeCapability && c.Shutdown != nil:
		return answered(kind, now.unwatched)
	case kind == PowerOffCapability && c.Power != nil:
		return answered(kind, c.Power.Ready())
	case kind == DoneSignalCapability && now.done.Trouble != "":
		return Capability{Kind: kind, State: Failed, Source: now.done.Source, Detail: now.done.Trouble}
	case kind == DoneSignalCapability && now.done.Mechanism != 0:
		return Capability{Kind: kind, State: Available, Source: now.done.Source}
	}
	return Capability{Kind: kind, State: Unsupported}
}

// answered is a capability of the system's, by what it last answered.
func answered(kind CapabilityKind, err error) Capability {
	c := Capability{Kind: kind, State: Available, Detail: failureText(err)}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		c.State = Unsupported
	case err != nil:
		c.State = Failed
	}
	return c
}

// sensed is the capability behind a kind of sensors: one that answers is enough.
func sensed(kind CapabilityKind, now snapshot) Capability {
	found := Capability{Kind: kind, State: Unsupported}
	for i, s := range now.sensors {
		switch r := now.readings[i]; {
		case s.Kind.capability() != kind || r.unsupported:
		case r.failure == "":
			return Capability{Kind: kind, State: Available, Source: s.Source}
		case found.State == Unsupported:
			found = Capability{Kind: kind, State: Failed, Source: s.Source, Detail: r.failure}
		}
	}
	return found
}
