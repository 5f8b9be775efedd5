package config

import (
	"time"

	"github.com/bramblemesh/bramble/internal/document"
)

// supply reads what holds for the whole case's power.
func (r *reader) supply(m *document.Map) {
	p := &r.cfg.Power
	limit := m.Key("limit")
	p.SupplyAmperes = limit.Amperes(0, numbers{Of: "a supply's limit", Min: 0.5, Max: 200})
	p.FixedAmperes = m.Key("fixed").Amperes(0, numbers{Of: "what is always on", Max: 200})
	if p.SupplyAmperes > 0 && p.FixedAmperes >= p.SupplyAmperes {
		m.Key("fixed").Fault("must be less than the supply's limit")
	}
	p.Stagger = m.Key("stagger").Duration(2*time.Second, durations{Of: "the time between two starts", Max: time.Minute})
	p.UnderVoltageSettle = m.Key("under_voltage_settle").Duration(10*time.Second, durations{Of: "the time without under-voltage", Max: 10 * time.Minute})
	p.AfterOutage = m.Key("after_outage").Choice("last", "last", "start", "stay")
}

// nodePower reads how a node's feed is switched; any is false where nothing is written.
func (r *reader) nodePower(node string, v document.Value) (p NodePower, any bool) {
	m := v.Map()
	if !v.Written() || v.Faulty() {
		return NodePower{}, false
	}
	p = NodePower{Node: node}
	if rail := m.Key("rail"); rail.Written() {
		at := rail.Map()
		p.Rail = &Rail{
			Line:       r.line(at),
			ActiveLow:  at.Key("active_low").Bool(false),
			ResetLevel: at.Key("reset_level").Choice("unknown", "on", "off", "unknown"),
		}
	}
	grace := 2 * time.Second
	if done := m.Key("done"); done.Written() {
		at := done.Map()
		p.Done = &Done{Line: r.line(at), By: at.Key("by").Choice("overlay", "overlay", "helper")}
		if p.Done.By == "helper" {
			grace = 10 * time.Second
		}
	}
	p.Grace = m.Key("grace").Duration(grace, durations{Of: "the grace before a cut", Min: time.Second, Max: 10 * time.Minute})
	p.StopDeadline = m.Key("stop_deadline").Duration(3*time.Minute, durations{Of: "a stop deadline", Min: 10 * time.Second, Max: time.Hour})
	p.DrainDeadline = m.Key("drain_deadline").Duration(5*time.Minute, durations{Of: "a drain deadline", Min: 10 * time.Second, Max: 24 * time.Hour})
	p.CutStuckAfter = orNever(m.Key("cut_stuck_after"))
	p.FenceLostAfter = orNever(m.Key("fence_lost_after"))
	p.CutWhenHalted = m.Key("cut_when_halted").Bool(true)
	p.BootPeakAmperes = m.Key("boot_peak").Amperes(0, numbers{Of: "a boot peak", Min: 0.05, Max: 20})
	p.MaximumAmperes = m.Key("maximum").Amperes(0, numbers{Of: "a maximum", Min: 0.05, Max: 20})
	return p, true
}

// orNever reads a time after which a live feed may be cut; 0 is never, which is also what nothing means.
func orNever(v document.Value) time.Duration {
	if v.Is("never") {
		return 0
	}
	return v.Duration(0, durations{Of: "a time (or never)", Min: time.Minute, Max: 7 * 24 * time.Hour})
}
