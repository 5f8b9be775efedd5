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
