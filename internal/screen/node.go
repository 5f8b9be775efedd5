package screen

import (
	"fmt"
	"strings"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// Node is everything about one node: who it is, every sensor and every capability.
func (s Screen) Node(n *coordinatorv1.Node) string {
	text := s.columns(facts(n))
	if len(n.GetMeasurements()) > 0 {
		text += "\n" + s.columns(sensors(n))
	}
	if len(n.GetCapabilities()) > 0 {
		text += "\n" + s.columns(capabilities(n))
	}
	return text
}

func facts(n *coordinatorv1.Node) [][]cell {
	said, style := presence(n.GetPresence())
	heard := cell{text: said, style: style}
	if n.AgeMilliseconds == nil {
		heard.text += ", no sample yet"
	} else {
		heard.text += ", newest sample " + Duration(milliseconds(n.GetAgeMilliseconds())) + " old"
	}
	b := n.GetBoard()
	rows := [][]cell{
		{{text: n.GetName(), style: bold}, heard},
		row("address", orNone(n.GetAddress())),
		row("board", boardLine(b)),
		row("system", join(", ", b.GetDistribution(), prefixed("kernel ", b.GetKernel()))),
		row("agent", orNone(n.GetAgentVersion())),
		row("boot", join(", ", n.GetBootId(), "restarts seen: "+fmt.Sprint(n.GetReboots()))),
		row("rail", rail(n.GetRail())),
	}
	rows = append(rows, powerFacts(n)...)
	if limit := b.GetLimitCelsius(); limit > 0 {
		rows = append(rows, row("slows at", celsius(float64(limit))))
	}
	raised := flags(n)
	raised.text = join(", ", raised.text, prefixed("from ", flagSource(n.GetThrottling())))
	rows = append(rows, []cell{{text: "flags"}, raised})
	for _, note := range remarks(n) {
		rows = append(rows, []cell{{text: "note"}, {text: note, style: yellow}})
	}
	return rows
}

func boardLine(b *agentv1.Board) string {
	revision := ""
	if code := b.GetRevisionCode(); code != 0 {
		revision = fmt.Sprintf("revision %06x", code)
	}
	return join(", ", b.GetModel(), revision, b.GetArchitecture())
}

func flagSource(t *agentv1.Throttling) string {
	switch t.GetSource() {
	case agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO_GENCMD:
		return "/dev/vcio_gencmd"
	case agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO:
		return "/dev/vcio"
	case agentv1.ThrottlingSource_THROTTLING_SOURCE_RPI_VOLT:
		return "rpi_volt, which tells no other flag"
	}
	return ""
}

func sensors(n *coordinatorv1.Node) [][]cell {
	rows := [][]cell{header("SENSOR", "VALUE", "SET-POINT", "LIMIT", "MARGIN")}
	for i := 1; i < 4; i++ {
		rows[0][i].right = true
	}
	for _, m := range n.GetMeasurements() {
		text, ok := value(m)
		if !ok {
			rows = append(rows, []cell{{text: m.GetSensor()}, {text: text, style: yellow}})
			continue
		}
		cells := []cell{{text: m.GetSensor()}, {text: text, right: true}, bound(m.GetSetPointCelsius()), bound(m.GetLimitCelsius()), {text: none}}
		if isTemperature(m) && m.GetLimitCelsius() > 0 {
			margin := marginOf(m)
			cells[4] = cell{text: kelvin(margin), style: marginStyle(margin)}
		}
		rows = append(rows, cells)
	}
	return rows
}

// bound is a set-point or a limit; 0 is none.
func bound(t float32) cell {
	if t == 0 {
		return cell{text: none, right: true}
	}
	return cell{text: celsius(float64(t)), right: true}
}

func capabilities(n *coordinatorv1.Node) [][]cell {
	rows := [][]cell{header("CAPABILITY", "STATE", "SOURCE AND DETAIL")}
	for _, c := range n.GetCapabilities() {
		state := cell{text: word(c.GetState(), "CAPABILITY_STATE_")}
		if c.GetState() == agentv1.CapabilityState_CAPABILITY_STATE_FAILED {
			state.style = yellow
		}
		rows = append(rows, []cell{{text: capabilityName(c.GetKind())}, state, {text: join(": ", c.GetSource(), c.GetDetail())}})
	}
	return rows
}

func header(words ...string) []cell {
	cells := row(words...)
	for i := range cells {
		cells[i].style = bold
	}
	return cells
}

// join puts what is not empty together; nothing at all is "-".
func join(separator string, parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return orNone(strings.Join(kept, separator))
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}
