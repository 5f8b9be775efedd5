package screen

import (
	"fmt"
	"slices"
	"strings"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
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

// told reports whether a node's power is told, and is a matter of switching: the master is up, or nobody answers.
func told(n *coordinatorv1.Node) bool {
	return n.GetPower().GetState() != coordinatorv1.PowerState_POWER_STATE_UNSPECIFIED && !n.GetMaster()
}

// off reports whether a node has no power: what was measured on it is history, and that nobody hears it is no news.
func off(n *coordinatorv1.Node) bool {
	return n.GetPower().GetState() == coordinatorv1.PowerState_POWER_STATE_OFF
}

// accounted reports whether what a node's power does itself says why the node is silent, or about to be. One that is only
// taken to restart, because it fell silent, is no such case.
func accounted(n *coordinatorv1.Node) bool {
	switch n.GetPower().GetState() {
	case coordinatorv1.PowerState_POWER_STATE_OFF, coordinatorv1.PowerState_POWER_STATE_QUEUED, coordinatorv1.PowerState_POWER_STATE_STARTING,
		coordinatorv1.PowerState_POWER_STATE_STOPPING, coordinatorv1.PowerState_POWER_STATE_PROVEN, coordinatorv1.PowerState_POWER_STATE_CUTTING,
		coordinatorv1.PowerState_POWER_STATE_HALTED, coordinatorv1.PowerState_POWER_STATE_STUCK, coordinatorv1.PowerState_POWER_STATE_FAULT:
		return true
	case coordinatorv1.PowerState_POWER_STATE_REBOOTING:
		return n.GetAnnouncedShutdown() == agentv1.ShutdownKind_SHUTDOWN_KIND_REBOOT
	}
	return false
}

// powerOf is the cell of a node's power in a list: what it does, or how its rail is where that is not told.
func powerOf(n *coordinatorv1.Node) cell {
	if !told(n) {
		return cell{text: rail(n.GetRail())}
	}
	p := n.GetPower().GetState()
	return cell{text: powerWord(p), style: powerStyle(p)}
}

// explanation is why a node's power is as it is, without the state that it begins with.
func explanation(n *coordinatorv1.Node) string {
	p := n.GetPower()
	text := about(powerWord(p.GetState()), p.GetExplanation())
	if text == powerWord(p.GetState()) {
		return ""
	}
	return text
}

// powerName is the state, with the kind of a fault.
func powerName(p *coordinatorv1.Power) string {
	if f := p.GetFault(); f != coordinatorv1.PowerFault_POWER_FAULT_UNSPECIFIED {
		return powerWord(p.GetState()) + ": " + word(f, "POWER_FAULT_")
	}
	return powerWord(p.GetState())
}

// powerRemark is what a list says below itself about a node whose power is not as usual; empty where it is.
func powerRemark(n *coordinatorv1.Node) cell {
	p := n.GetPower()
	switch p.GetState() {
	case coordinatorv1.PowerState_POWER_STATE_OFF, coordinatorv1.PowerState_POWER_STATE_READY:
		return cell{}
	}
	if !told(n) {
		return cell{}
	}
	return cell{text: join(": ", powerName(p), explanation(n)), style: powerStyle(p.GetState())}
}

// powerFacts are the lines about power on a node's own page.
func powerFacts(n *coordinatorv1.Node) [][]cell {
	p := n.GetPower()
	if p.GetState() == coordinatorv1.PowerState_POWER_STATE_UNSPECIFIED {
		return nil
	}
	said := powerName(p) + " for " + Duration(milliseconds(p.GetAgeMilliseconds()))
	if p.RemainingMilliseconds != nil {
		said += ", at most " + Duration(milliseconds(p.GetRemainingMilliseconds())) + " more"
	}
	rows := [][]cell{{{text: "power"}, {text: said, style: powerStyle(p.GetState())}}}
	switch why := explanation(n); {
	case why == "":
	case p.GetState() == coordinatorv1.PowerState_POWER_STATE_READY: // what will be refused
		rows = append(rows, []cell{{text: "but"}, {text: why, style: yellow}})
	default:
		rows = append(rows, row("because", why))
	}
	if p.GetOperationId() != "" {
		rows = append(rows, row("operation", p.GetOperationId()))
	}
	if line := p.GetDoneLine(); line != coordinatorv1.LineLevel_LINE_LEVEL_UNSPECIFIED {
		rows = append(rows, row("done line", join(", ", word(line, "LINE_LEVEL_"), "wiring "+word(p.GetWiring(), "WIRING_"), doneSignal(n))))
	}
	if a := p.GetCommittedAmperes(); a > 0 {
		rows = append(rows, row("supply", amperes(a)+" committed"))
	}
	return rows
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
	alarm := slices.ContainsFunc(c.GetAlarms(), func(a *coordinatorv1.Alarm) bool { return a.GetKind() == coordinatorv1.AlarmKind_ALARM_KIND_STORE })
	if m := c.GetStore().GetMessage(); m != "" && !alarm {
		rows = append(rows, []cell{{text: "memory"}, {text: m, style: red}})
	}
	if is, ok := supply(c.GetSupply()); ok {
		rows = append(rows, []cell{{text: "supply"}, is})
	}
	for i, o := range c.GetOperations() {
		if i == 2 && len(c.GetOperations()) > 3 {
			rows = append(rows, row("operations", fmt.Sprintf("and %d more: bramblectl operations --running", len(c.GetOperations())-i)))
			break
		}
		rows = append(rows, row("operation", o.GetId()+" "+operationName(o)+": "+standing(o)))
	}
	return rows
}

// Plan is what an operation would do, wave by wave, and what the supply is committed to after each step. now is the
// supply before the first.
func (s Screen) Plan(plan []*coordinatorv1.PlannedStep, now *coordinatorv1.Supply) string {
	if len(plan) == 0 {
		return "nothing to do\n"
	}
	counts := now.GetCommittedAmperes() > 0
	for _, p := range plan {
		counts = counts || p.GetCommittedAmperes() > 0
	}
	line := func(wave, node string, a float64, action string) []cell {
		cells := []cell{{text: wave}, {text: node}, {text: amperes(a), right: true}, {text: action}}
		if !counts {
			cells = append(cells[:2], cells[3])
		}
		return cells
	}
	var rows [][]cell
	if counts {
		rows = [][]cell{header("WAVE", "NODE", "SUPPLY", "WHAT"), line("now", "", now.GetCommittedAmperes(), limit(now))}
		rows[0][2].right = true
	} else {
		rows = [][]cell{header("WAVE", "NODE", "WHAT")}
	}
	for _, p := range plan {
		rows = append(rows, line(fmt.Sprint(p.GetWave()), p.GetNode(), p.GetCommittedAmperes(), p.GetAction()))
	}
	return s.columns(rows)
}

func limit(s *coordinatorv1.Supply) string {
	if s.LimitAmperes == nil {
		return "no limit is configured"
	}
	return "of " + amperes(s.GetLimitAmperes())
}

// Explain says why nodes are as they are, each in a few lines.
func (s Screen) Explain(nodes []*coordinatorv1.Node) string {
	blocks := make([]string, len(nodes))
	for i, n := range nodes {
		said, heard := presence(n.GetPresence())
		rows := [][]cell{{{text: n.GetName(), style: bold}, {text: join(": ", said, n.GetPresenceReason()), style: heard}}}
		rows = append(rows, powerFacts(n)...)
		if n.GetRail() != coordinatorv1.RailState_RAIL_STATE_UNSPECIFIED {
			rows = append(rows, row("rail", rail(n.GetRail())))
		}
		for _, note := range remarks(n) {
			if note != n.GetPresenceReason() {
				rows = append(rows, []cell{{text: "note"}, {text: note, style: yellow}})
			}
		}
		blocks[i] = s.columns(rows)
	}
	return strings.Join(blocks, "\n")
}
