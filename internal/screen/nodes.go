package screen

import (
	"fmt"
	"slices"
	"strings"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// The longest board name in the list; the node's own page has the whole of it.
const boardWidth = 11

// A margin below this is worth a look.
const closeCelsius = 5

// Nodes is a line for each node, and below them what is wrong with which.
func (s Screen) Nodes(nodes []*coordinatorv1.Node) string {
	if len(nodes) == 0 {
		return "no node is configured\n"
	}
	rows := [][]cell{s.nodesHeader()}
	var notes [][]cell
	for _, n := range nodes {
		rows = append(rows, s.nodeRow(n))
		if note := powerRemark(n); note.text != "" {
			notes = append(notes, []cell{{text: n.GetName()}, note})
		}
		if is := flags(n); s.narrow() && is.style != plain {
			notes = append(notes, []cell{{text: n.GetName()}, is})
		}
		for _, note := range remarks(n) {
			notes = append(notes, row(n.GetName(), note))
		}
	}
	text := s.columns(rows)
	if len(notes) > 0 {
		text += "\n" + s.columns(notes)
	}
	return text
}

// A list of nodes on fewer columns than this does without what a person at night misses least: board, age, and flags that
// are not raised.
const narrowest = 72

func (s Screen) narrow() bool { return s.Width > 0 && s.Width < narrowest }

// kept takes the cells of a node's line that fit.
func (s Screen) kept(cells []cell) []cell {
	if !s.narrow() {
		return cells
	}
	return []cell{cells[0], cells[2], cells[3], cells[4], cells[5]}
}

func (s Screen) nodesHeader() []cell {
	cells := header("NAME", "BOARD", "TEMP", "MARGIN", "POWER", "STATE", "AGE", "FLAGS")
	for _, i := range []int{2, 3, 6} {
		cells[i].right = true
	}
	return s.kept(cells)
}

// nodeRow is a node on one line; its last cell may be long.
func (s Screen) nodeRow(n *coordinatorv1.Node) []cell {
	temperature, margin := heat(n)
	return s.kept([]cell{{text: n.GetName()}, {text: clip(shortBoard(n.GetBoard()), boardWidth)}, temperature, margin,
		powerOf(n), state(n), age(n), flags(n)})
}

// state is how well a node is heard.
func state(n *coordinatorv1.Node) cell {
	if off(n) {
		return cell{text: none}
	}
	text, style := presence(n.GetPresence())
	if n.GetPresence() == coordinatorv1.Presence_PRESENCE_STALE && n.AgeMilliseconds != nil {
		text += " " + brief(milliseconds(n.GetAgeMilliseconds()))
	}
	return cell{text: text, style: style}
}

func age(n *coordinatorv1.Node) cell {
	if n.AgeMilliseconds == nil || off(n) {
		return cell{text: none, right: true}
	}
	return cell{text: brief(milliseconds(n.GetAgeMilliseconds())), right: true}
}

// heat is the temperature that is nearest to its limit, and how near. A processor that cannot be read is not covered
// up by a disk that can.
func heat(n *coordinatorv1.Node) (temperature, margin cell) {
	temperature, margin = cell{text: none, right: true}, cell{text: none, right: true}
	m := worst(n)
	switch {
	case off(n):
	case slices.ContainsFunc(n.GetMeasurements(), processorFailed), m == nil && slices.ContainsFunc(n.GetMeasurements(), failed):
		temperature.text, temperature.style = "failed", yellow
	case m == nil:
		temperature.text = capabilityWord(n, agentv1.CapabilityKind_CAPABILITY_KIND_TEMPERATURE)
	default:
		temperature.text = celsius(degrees(m))
		if m.GetLimitCelsius() > 0 {
			margin.text, margin.style = kelvin(marginOf(m)), marginStyle(marginOf(m))
			temperature.style = margin.style
		}
	}
	return temperature, margin
}

func failed(m *coordinatorv1.Measurement) bool { return isTemperature(m) && m.GetError() != "" }

func processorFailed(m *coordinatorv1.Measurement) bool {
	return failed(m) && m.GetKind() == agentv1.SensorKind_SENSOR_KIND_SOC_TEMPERATURE
}

// capabilityWord is "unsupported", "failed" or, when the node did not say either, "-".
func capabilityWord(n *coordinatorv1.Node, kind agentv1.CapabilityKind) string {
	for _, c := range n.GetCapabilities() {
		if c.GetKind() != kind {
			continue
		}
		switch c.GetState() {
		case agentv1.CapabilityState_CAPABILITY_STATE_UNSUPPORTED, agentv1.CapabilityState_CAPABILITY_STATE_FAILED:
			return word(c.GetState(), "CAPABILITY_STATE_")
		}
	}
	return none
}

// worst is the temperature with the smallest margin; one without a limit counts only where none has one, by its value.
func worst(n *coordinatorv1.Node) *coordinatorv1.Measurement {
	var found *coordinatorv1.Measurement
	for _, m := range n.GetMeasurements() {
		if _, ok := m.GetValue().(*coordinatorv1.Measurement_Celsius); ok && (found == nil || nearer(m, found)) {
			found = m
		}
	}
	return found
}

func nearer(a, b *coordinatorv1.Measurement) bool {
	limited := a.GetLimitCelsius() > 0
	if limited != (b.GetLimitCelsius() > 0) {
		return limited
	}
	if limited {
		return marginOf(a) < marginOf(b)
	}
	return a.GetCelsius() > b.GetCelsius()
}

func isTemperature(m *coordinatorv1.Measurement) bool {
	switch m.GetKind() {
	case agentv1.SensorKind_SENSOR_KIND_SOC_TEMPERATURE, agentv1.SensorKind_SENSOR_KIND_DRIVE_TEMPERATURE,
		agentv1.SensorKind_SENSOR_KIND_OTHER_TEMPERATURE:
		return true
	}
	return false
}

func degrees(m *coordinatorv1.Measurement) float64 { return float64(m.GetCelsius()) }

func marginOf(m *coordinatorv1.Measurement) float64 { return float64(m.GetLimitCelsius()) - degrees(m) }

func marginStyle(margin float64) style {
	switch {
	case margin <= 0:
		return red
	case margin < closeCelsius:
		return yellow
	}
	return plain
}

// flags are the raised ones and the counts of the others.
func flags(n *coordinatorv1.Node) cell {
	t := n.GetThrottling()
	if off(n) {
		return cell{text: none}
	}
	if t.GetSource() == agentv1.ThrottlingSource_THROTTLING_SOURCE_UNSPECIFIED {
		unknown := cell{text: capabilityWord(n, agentv1.CapabilityKind_CAPABILITY_KIND_THROTTLING)}
		if unknown.text == "failed" {
			unknown.style = yellow
		}
		return unknown
	}
	var now, past []string
	for _, f := range t.GetFlags() {
		switch {
		case f.GetActive():
			now = append(now, fmt.Sprintf("%s now %dx", flagName(f.GetFlag()), f.GetCount()))
		case f.GetCount() > 0:
			past = append(past, fmt.Sprintf("%s %dx", flagName(f.GetFlag()), f.GetCount()))
		}
	}
	text := strings.Join(append(now, past...), ", ")
	switch {
	case text == "" && t.GetError() != "":
		return cell{text: "failed", style: yellow}
	case t.GetError() != "":
		return cell{text: "failed, last: " + text, style: yellow}
	case len(now) > 0:
		return cell{text: text, style: red}
	case text == "":
		return cell{text: noFlags(t)}
	}
	return cell{text: text}
}

// noFlags does not promise more than the source can tell.
func noFlags(t *agentv1.Throttling) string {
	if t.GetSource() == agentv1.ThrottlingSource_THROTTLING_SOURCE_RPI_VOLT {
		return "no under-voltage"
	}
	return "none"
}

// remarks are what a node's line has no room for, each a sentence.
func remarks(n *coordinatorv1.Node) []string {
	var all []string
	explained := told(n) && accounted(n)
	if reason := n.GetPresenceReason(); reason != "" && !explained {
		all = append(all, reason)
	}
	if text := shutdown(n.GetAnnouncedShutdown()); text != "" && !explained {
		all = append(all, text)
	}
	if n.GetMaintenance() && !(told(n) && n.GetPower().GetState() == coordinatorv1.PowerState_POWER_STATE_MAINTENANCE) {
		all = append(all, "is in maintenance: shown and otherwise left alone")
	}
	for _, m := range n.GetMeasurements() {
		if m.GetError() != "" {
			all = append(all, fmt.Sprintf("sensor %s failed: %s", m.GetSensor(), m.GetError()))
		}
	}
	if problem := n.GetThrottling().GetError(); problem != "" {
		all = append(all, "flags failed: "+problem)
	}
	for _, c := range n.GetCapabilities() {
		if c.GetState() == agentv1.CapabilityState_CAPABILITY_STATE_FAILED {
			all = append(all, fmt.Sprintf("%s failed: %s", capabilityName(c.GetKind()), c.GetDetail()))
		}
	}
	return all
}

func capabilityName(k agentv1.CapabilityKind) string {
	return word(k, "CAPABILITY_KIND_")
}
