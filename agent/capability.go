package agent

import "slices"

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
)

const capabilityKinds = ShutdownNoticeCapability

// CapabilityState says whether a capability can be used.
type CapabilityState int32

// The states of a capability.
const (
	Available   CapabilityState = iota + 1 // it is there and answers
	Unsupported                            // this board does not have it
	Failed                                 // it is there and does not answer
)

// Capability is one thing that a board offers, or not.
type Capability struct {
	Kind   CapabilityKind
	State  CapabilityState
	Source string // the kernel interface behind it; empty when unsupported
	Detail string // what to know or do about it, in one line; empty when all is well
}

// capabilities has one entry for each kind: what the caller said, and for the others what the ports and readings tell.
func (c Config) capabilities(now snapshot) []Capability {
	all := make([]Capability, 0, capabilityKinds)
	for kind := CapabilityKind(1); kind <= capabilityKinds; kind++ {
		if i := slices.IndexFunc(c.Capabilities, func(known Capability) bool { return known.Kind == kind }); i >= 0 {
			all = append(all, c.Capabilities[i])
			continue
		}
		all = append(all, c.capability(kind, now))
	}
	return all
}

// capability is what the ports and readings tell of one kind.
func (c Config) capability(kind CapabilityKind, now snapshot) Capability {
	switch {
	case kind == TemperatureCapability:
		return sensed(kind, now, SensorKind.isTemperature)
	case kind == CPUClockCapability:
		return sensed(kind, now, func(k SensorKind) bool { return k == CPUClock })
	case kind == LinkSpeedCapability:
		return sensed(kind, now, func(k SensorKind) bool { return k == LinkSpeed })
	case kind == ThrottlingCapability && now.flags.failure != "":
		return Capability{Kind: kind, State: Failed, Source: now.flags.source, Detail: now.flags.failure}
	case kind == ThrottlingCapability && now.flags.source != "":
		return Capability{Kind: kind, State: Available, Source: now.flags.source}
	case kind == LightCapability && c.Light != nil:
		return Capability{Kind: kind, State: Available, Source: c.Light.Name()}
	case kind == ShutdownNoticeCapability && c.Shutdown != nil:
		return Capability{Kind: kind, State: Available}
	}
	return Capability{Kind: kind, State: Unsupported}
}

// sensed is the capability behind a kind of sensors: one that answers is enough.
func sensed(kind CapabilityKind, now snapshot, match func(SensorKind) bool) Capability {
	found := Capability{Kind: kind, State: Unsupported}
	for i, s := range now.sensors {
		switch r := now.readings[i]; {
		case !match(s.Kind) || r.unsupported:
		case r.failure == "":
			return Capability{Kind: kind, State: Available, Source: s.Source}
		case found.State == Unsupported:
			found = Capability{Kind: kind, State: Failed, Source: s.Source, Detail: r.failure}
		}
	}
	return found
}
