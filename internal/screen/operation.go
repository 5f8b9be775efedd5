package screen

import (
	"fmt"
	"strings"
	"time"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// operationStyle says how an operation, or a step, went.
func operationStyle(s coordinatorv1.OperationState) style {
	switch s {
	case coordinatorv1.OperationState_OPERATION_STATE_FAILED:
		return red
	case coordinatorv1.OperationState_OPERATION_STATE_CANCELLED:
		return yellow
	}
	return plain
}

func stepStyle(s coordinatorv1.StepState) style {
	switch s {
	case coordinatorv1.StepState_STEP_STATE_FAILED:
		return red
	case coordinatorv1.StepState_STEP_STATE_SKIPPED, coordinatorv1.StepState_STEP_STATE_CANCELLED:
		return yellow
	}
	return plain
}

// operationName is what an operation does, to whom.
func operationName(o *coordinatorv1.Operation) string {
	kind := word(o.GetKind(), "OPERATION_KIND_")
	switch o.GetKind() {
	case coordinatorv1.OperationKind_OPERATION_KIND_START_CASE, coordinatorv1.OperationKind_OPERATION_KIND_STOP_CASE:
		return kind
	}
	nodes := make([]string, len(o.GetSteps()))
	for i, s := range o.GetSteps() {
		nodes[i] = s.GetNode()
	}
	return kind + " " + few(nodes)
}

// operationLine is an operation in one line, without its identifier.
func operationLine(o *coordinatorv1.Operation) string {
	return join(": ", operationName(o)+", "+word(o.GetState(), "OPERATION_STATE_"), o.GetMessage())
}

// Operations is a line for each, newest first.
func (s Screen) Operations(all []*coordinatorv1.Operation) string {
	if len(all) == 0 {
		return "no operation is remembered\n"
	}
	rows := [][]cell{header("ID", "AGO", "TOOK", "STATE", "BY", "WHAT")}
	rows[0][1].right, rows[0][2].right = true, true
	for _, o := range all {
		took := none
		if o.TookMilliseconds != nil {
			took = brief(milliseconds(o.GetTookMilliseconds()))
		}
		rows = append(rows, []cell{
			{text: o.GetId()}, {text: brief(milliseconds(o.GetAgeMilliseconds())), right: true}, {text: took, right: true},
			{text: word(o.GetState(), "OPERATION_STATE_"), style: operationStyle(o.GetState())},
			{text: clip(orNone(o.GetRequestedBy()), 24)}, {text: join(": ", operationName(o), o.GetMessage())},
		})
	}
	return s.columns(rows)
}

// Operation is everything about one: who asked, each node's way, with the time of each milestone since it was accepted.
func (s Screen) Operation(o *coordinatorv1.Operation) string {
	rows := [][]cell{
		{{text: o.GetId(), style: bold}, {text: operationName(o)}},
		{{text: "state"}, {text: join(": ", word(o.GetState(), "OPERATION_STATE_"), o.GetMessage()), style: operationStyle(o.GetState())}},
		row("begun", Duration(milliseconds(o.GetAgeMilliseconds()))+" ago, by "+orNone(o.GetRequestedBy())),
	}
	if o.TookMilliseconds != nil {
		rows = append(rows, row("took", Duration(milliseconds(o.GetTookMilliseconds()))))
	}
	if o.GetReason() != "" {
		rows = append(rows, row("reason", o.GetReason()))
	}
	if o.GetForced() {
		rows = append(rows, []cell{{text: "forced"}, {text: "a rail may be cut without proof that its node has shut down", style: red}})
	}
	var b strings.Builder
	b.WriteString(s.columns(rows))
	for _, step := range o.GetSteps() {
		b.WriteByte('\n')
		rows := [][]cell{{{text: step.GetNode(), style: bold}, {text: ""}, {text: join(": ", word(step.GetState(), "STEP_STATE_"), step.GetMessage()), style: stepStyle(step.GetState())}}}
		for _, m := range step.GetMilestones() {
			rows = append(rows, []cell{{text: "  " + m.GetName()}, {text: Duration(milliseconds(m.GetAfterMilliseconds())), right: true}, {text: m.GetDetail()}})
		}
		b.WriteString(s.columns(rows))
	}
	return b.String()
}

// Progress turns what an operation is, again and again, into notices: each milestone once, each change of what a node
// waits for, and how each node ended. The zero value is ready. Not for use by several goroutines.
type Progress struct {
	told  map[string]int    // milestones, by node
	state map[string]string // of each node, in words
	width int
}

// SubjectWidth is how many characters the longest node's name has.
func (p *Progress) SubjectWidth() int { return p.width }

// Take is what is new in an operation. now is the wall clock at its arrival.
func (p *Progress) Take(o *coordinatorv1.Operation, now time.Time) []Notice {
	if p.told == nil {
		p.told, p.state = map[string]int{}, map[string]string{}
	}
	begun := now.Add(-milliseconds(o.GetAgeMilliseconds()))
	var all []Notice
	for _, step := range o.GetSteps() {
		node := step.GetNode()
		p.width = max(p.width, len([]rune(Printable(node))))
		for _, m := range step.GetMilestones()[min(p.told[node], len(step.GetMilestones())):] {
			all = append(all, Notice{At: begun.Add(milliseconds(m.GetAfterMilliseconds())), Subject: node, What: join(": ", m.GetName(), m.GetDetail())})
		}
		p.told[node] = len(step.GetMilestones())
		is := join(": ", word(step.GetState(), "STEP_STATE_"), step.GetMessage())
		if is != p.state[node] && (step.GetMessage() != "" || step.GetState() >= coordinatorv1.StepState_STEP_STATE_DONE) {
			all = append(all, Notice{At: now, Subject: node, What: is, style: stepStyle(step.GetState())})
		}
		p.state[node] = is
	}
	return all
}

// Ended is the last line about an operation that was followed.
func (s Screen) Ended(o *coordinatorv1.Operation) string {
	text := fmt.Sprintf("%s %s", o.GetId(), operationLine(o))
	if o.TookMilliseconds != nil {
		text += ", after " + Duration(milliseconds(o.GetTookMilliseconds()))
	}
	return s.columns([][]cell{{{text: text, style: operationStyle(o.GetState())}}})
}

// Begun says what was begun and how to follow it.
func (s Screen) Begun(o *coordinatorv1.Operation) string {
	if o.GetState() != coordinatorv1.OperationState_OPERATION_STATE_RUNNING {
		return s.Ended(o)
	}
	return s.columns([][]cell{row(fmt.Sprintf("%s: %s has begun; follow it with: bramblectl operation %s --wait", o.GetId(), operationName(o), o.GetId()))})
}

// Events is a line for each, oldest first.
func (s Screen) Events(all []*coordinatorv1.Event) string {
	if len(all) == 0 {
		return "nothing is remembered\n"
	}
	rows := make([][]cell, len(all))
	for i, e := range all {
		at := s.Now.Add(-milliseconds(e.GetAgeMilliseconds()))
		rows[i] = []cell{{text: s.clock(at), style: dim}, {text: orNone(e.GetSubject())}, {text: eventLine(e), style: eventStyle(e)}}
	}
	return s.columns(rows)
}
