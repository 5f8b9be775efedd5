package agent

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

// told is what a node says of one kind of capability.
func told(n *agentv1.Node, kind CapabilityKind) Capability {
	for _, c := range n.GetCapabilities() {
		if c.GetKind() == agentv1.CapabilityKind(kind) {
			return Capability{Kind: kind, State: CapabilityState(c.GetState()), Source: c.GetSource(), Detail: c.GetDetail()}
		}
	}
	return Capability{}
}

// TestCapabilitiesThatChangeAreTold starts with a driver that has no answer ready.
func TestCapabilitiesThatChangeAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.failures["cpu-thermal"], b.failures["nvme/Composite"] = syscall.EAGAIN, syscall.EAGAIN
		r := start(t, b, nil)
		stream := r.watch(0)
		m := r.receive(stream)
		for i, step := range []struct {
			change func(*board)
			kind   CapabilityKind
			state  CapabilityState // 0: the node is not told again
		}{
			{func(*board) {}, 0, 0},
			{func(b *board) { clear(b.failures) }, TemperatureCapability, Available},
			{func(b *board) { b.values["cpu-thermal"] = 70 }, 0, 0},
			{func(b *board) { b.failures["nvme/Composite"] = syscall.EIO }, 0, 0}, // one that answers is enough
			{func(b *board) { b.failures["cpu-clock"] = syscall.EIO }, CPUClockCapability, Failed},
			{func(b *board) { b.wordErr = errors.New("the firmware gave no answer") }, ThrottlingCapability, Failed},
			{func(b *board) { b.wordErr = nil }, ThrottlingCapability, Available},
			{func(b *board) { b.source = "/dev/vcio" }, ThrottlingCapability, Available},
			{func(b *board) { b.wordErr = errors.ErrUnsupported }, ThrottlingCapability, Unsupported},
		} {
			if i == 0 && told(m.GetNode(), TemperatureCapability).State != Failed {
				t.Errorf("at first: %v", m)
			}
			aligned()
			r.set(step.change)
			m = r.receive(stream)
			if (m.GetNode() != nil) != (step.state != 0) || told(m.GetNode(), step.kind).State != step.state {
				t.Errorf("step %d: %v", i, m)
			}
			if m.GetNode() != nil && len(m.GetReadings()) != len(m.GetNode().GetSensors()) {
				t.Errorf("step %d: not all readings: %v", i, m)
			}
		}
	})
}

// TestGivenCapabilities says at the start that something is refused, then lets the readings change.
func TestGivenCapabilities(t *testing.T) {
	const alarm, gencmd = "/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "/dev/vcio_gencmd"
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.source, b.known, b.wordErr = alarm, 0x10001, syscall.EIO
		clocked := b.sensors
		b.sensors = clocked[:2]
		throttling := Capability{ThrottlingCapability, Available, alarm, "for all flags: join group video"}
		clock := Capability{CPUClockCapability, Failed, "", "cpufreq: permission denied"}
		light := Capability{LightCapability, Failed, "ACT", "not writable"}
		r := start(t, b, func(c *Config) { c.Light, c.Capabilities = &lamp{}, []Capability{throttling, clock, light} })
		for i, step := range []struct {
			change func(*board)
			want   Capability
		}{
			{func(*board) {}, Capability{ThrottlingCapability, Failed, alarm, "input/output error"}}, // from the first read on
			{func(b *board) { b.wordErr = nil }, throttling},
			{func(b *board) { b.wordErr = syscall.EIO }, Capability{ThrottlingCapability, Failed, alarm, "input/output error"}},
			{func(b *board) { b.wordErr = errors.ErrUnsupported }, Capability{ThrottlingCapability, Unsupported, "", ""}},
			{func(b *board) { b.wordErr = nil }, throttling},
			{func(b *board) { b.source = gencmd }, Capability{ThrottlingCapability, Available, gencmd, ""}}, // what was refused is read
			{func(*board) {}, clock}, // no sensor yet
			{func(b *board) { b.sensors = clocked }, Capability{CPUClockCapability, Available, clocked[2].Source, ""}},
			{func(b *board) { b.failures["cpu-clock"] = syscall.EIO }, Capability{CPUClockCapability, Failed, clocked[2].Source, "input/output error"}},
			{func(*board) {}, light}, // nothing of it is read
		} {
			aligned()
			r.set(step.change)
			aligned()
			synctest.Wait()
			if got := told(r.node().GetNode(), step.want.Kind); got != step.want {
				t.Errorf("step %d: %+v, want %+v", i, got, step.want)
			}
		}
	})
}
