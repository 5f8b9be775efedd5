package screen

import (
	"fmt"
	"strings"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// powerStyle says how urgent a state is.
func powerStyle(p coordinatorv1.PowerState) style {
	switch p {
	case coordinatorv1.PowerState_POWER_STATE_STUCK, coordinatorv1.PowerState_POWER_STATE_FAULT:
		return red
	case coordinatorv1.PowerState_POWER_STATE_LOST, coordinatorv1.PowerState_POWER_STATE_UNKNOWN:
		return yellow
	}
	return plain
}

// powerWord is a state in the words of the commands.
func powerWord(p coordinatorv1.PowerState) string { return word(p, "POWER_STATE_") }

// switched reports whether a node's power is bramble's affair: it has a rail or a done line.
func switched(n *coordinatorv1.Node) bool {
	return n.GetRail() != coordinatorv1.RailState_RAIL_STATE_UNSPECIFIED ||
		n.GetPower().GetDoneLine() != coordinatorv1.LineLevel_LINE_LEVEL_UNSPECIFIED
}

// powerOf is the cell of a node's power in a list: what it does, or how its rail is where that is not told.
func powerOf(n *coordinatorv1.Node) cell {
	p := n.GetPower().GetState()
	switch {
	case !switched(n):
		return cell{text: none}
	case p == coordinatorv1.PowerState_POWER_STATE_UNSPECIFIED:
		return cell{text: rail(n.GetRail())}
	}
	return cell{text: powerWord(p), style: powerStyle(p)}
}

// powerFacts are the lines about power on a node's own page.
func powerFacts(n *coordinatorv1.Node) [][]cell {
	p := n.GetPower()
	if p.GetState() == coordinatorv1.PowerState_POWER_STATE_UNSPECIFIED || !switched(n) {
		return nil
	}
	said := powerWord(p.GetState())
	if f := p.GetFault(); f != coordinatorv1.PowerFault_POWER_FAULT_UNSPECIFIED {
		said += " (" + word(f, "POWER_FAULT_") + ")"
	}
	said += " for " + Duration(milliseconds(p.GetAgeMilliseconds()))
	if p.RemainingMilliseconds != nil {
		said += ", at most " + Duration(milliseconds(p.GetRemainingMilliseconds())) + " more"
	}
	rows := [][]cell{
		{{text: "power"}, {text: said, style: powerStyle(p.GetState())}},
		row("because", orNone(p.GetExplanation())),
	}
	if p.GetOperationId() != "" {
		rows = append(rows, row("operation", p.GetOperationId()))
	}
	if line := p.GetDoneLine(); line != coordinatorv1.LineLevel_LINE_LEVEL_UNSPECIFIED {
		rows = append(rows, row("done line", join(", ", word(line, "LINE_LEVEL_"), "wiring "+word(p.GetWiring(), "WIRING_"), doneSignal(n))))
	}
	return append(rows, row("supply", amperes(p.GetCommittedAmperes())+" committed"))
}

// doneSignal is how the node's own end of its line is set up.
func doneSignal(n *coordinatorv1.Node) string {
	d := n.GetDoneSignal()
	switch {
	case d == nil:
		return "the node reports no signal"
	case d.GetError() != "":
		return "signal unusable: " + d.GetError()
	}
	return fmt.Sprintf("raised by %s on %s/%d", word(d.GetMechanism(), "DONE_MECHANISM_"), orNone(d.GetChip()), d.GetLine())
}

func amperes(a float64) string { return fmt.Sprintf("%.2f A", a) }

// supply is the state of the converter in one line; ok is false where there is nothing to say.
func supply(s *coordinatorv1.Supply) (c cell, ok bool) {
	if s == nil || s.LimitAmperes == nil && s.GetCommittedAmperes() == 0 && s.GetWaiting() == "" {
		return cell{}, false
	}
	text := amperes(s.GetCommittedAmperes()) + " committed"
	if s.LimitAmperes != nil {
		text += " of " + amperes(s.GetLimitAmperes())
	}
	c.text = join("; ", text, s.GetWaiting())
	if s.GetWaiting() != "" {
		c.style = yellow
	}
	return c, true
}

// power is what Status says of power: the supply, the operations that run, the memory when it is not well.
func (s Screen) power(c *coordinatorv1.GetCaseResponse) [][]cell {
	var rows [][]cell
	if is, ok := supply(c.GetSupply()); ok {
		rows = append(rows, []cell{{text: "supply"}, is})
	}
	for i, o := range c.GetOperations() {
		if i == 2 && len(c.GetOperations()) > 3 {
			rows = append(rows, row("operations", fmt.Sprintf("and %d more: bramblectl operations --running", len(c.GetOperations())-i)))
			break
		}
		rows = append(rows, row("operation", o.GetId()+" "+operationLine(o)))
	}
	if m := c.GetStore().GetMessage(); m != "" {
		rows = append(rows, []cell{{text: "memory"}, {text: m, style: red}})
	}
	return rows
}

// Plan is what an operation would do, wave by wave, and what the supply is committed to after each step.
func (s Screen) Plan(plan []*coordinatorv1.PlannedStep) string {
	if len(plan) == 0 {
		return "nothing to do\n"
	}
	rows := [][]cell{header("WAVE", "NODE", "AFTER IT", "WHAT")}
	rows[0][2].right = true
	for _, p := range plan {
		rows = append(rows, []cell{
			{text: fmt.Sprint(p.GetWave())}, {text: p.GetNode()}, {text: amperes(p.GetCommittedAmperes()), right: true}, {text: p.GetAction()},
		})
	}
	return s.columns(rows)
}

// Explain says why nodes are as they are, each in a few lines.
func (s Screen) Explain(nodes []*coordinatorv1.Node) string {
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte('\n')
		}
		state, style := powerWord(n.GetPower().GetState()), powerStyle(n.GetPower().GetState())
		said, heard := presence(n.GetPresence())
		rows := [][]cell{
			{{text: n.GetName(), style: bold}, {text: state + " for " + Duration(milliseconds(n.GetPower().GetAgeMilliseconds())), style: style}},
			row("because", orNone(n.GetPower().GetExplanation())),
			{{text: "heard"}, {text: join(": ", said, n.GetPresenceReason()), style: heard}},
			row("rail", rail(n.GetRail())),
		}
		for _, r := range powerFacts(n) {
			if r[0].text == "operation" || r[0].text == "done line" {
				rows = append(rows, r)
			}
		}
		b.WriteString(s.columns(rows))
	}
	return b.String()
}
