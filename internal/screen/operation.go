package screen

import (
	"fmt"
	"slices"
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
	case coordinatorv1.OperationKind_OPERATION_KIND_START_CASE:
		return "case start"
	case coordinatorv1.OperationKind_OPERATION_KIND_STOP_CASE:
		return "case stop"
	case coordinatorv1.OperationKind_OPERATION_KIND_TEST_WIRING:
		kind = "power test"
	}
	return kind + " " + few(names(o))
}

// standing is how far an operation is, or how it ended, in one line.
func standing(o *coordinatorv1.Operation) string {
	if o.GetState() != coordinatorv1.OperationState_OPERATION_STATE_RUNNING {
		message := o.GetMessage()
		if message == strings.Join(names(o), ", ") {
			message = "" // who it was about has been said
		}
		return join(": ", word(o.GetState(), "OPERATION_STATE_"), message)
	}
	over := 0
	var busy []string
	for _, step := range o.GetSteps() {
		switch {
		case step.GetState() >= coordinatorv1.StepState_STEP_STATE_DONE:
			over++
		case step.GetState() == coordinatorv1.StepState_STEP_STATE_RUNNING:
			busy = append(busy, step.GetNode())
		}
	}
	text := o.GetMessage()
	if n := len(o.GetSteps()); text == "" && n > 1 {
		text = fmt.Sprintf("%d of %d steps are over", over, n)
	}
	text = join(": ", "running", text)
	if len(busy) > 0 && len(o.GetSteps()) > 1 {
		text += ", now " + few(busy)
	}
	return text
}

func names(o *coordinatorv1.Operation) []string {
	nodes := make([]string, len(o.GetSteps()))
	for i, s := range o.GetSteps() {
		nodes[i] = s.GetNode()
	}
	return nodes
}

// Operations is a line for each, newest first.
func (s Screen) Operations(all []*coordinatorv1.Operation) string {
	if len(all) == 0 {
		return "no operation is remembered\n"
	}
	line := func(id, ago, took, by, what cell) []cell {
		ago.right, took.right = true, true
		if s.narrow() {
			return []cell{id, ago, took, what}
		}
		return []cell{id, ago, took, by, what}
	}
	h := header("ID", "AGO", "TOOK", "BY", "WHAT")
	rows := [][]cell{line(h[0], h[1], h[2], h[3], h[4])}
	for _, o := range all {
		took := none
		if o.TookMilliseconds != nil {
			took = brief(milliseconds(o.GetTookMilliseconds()))
		}
		rows = append(rows, line(cell{text: o.GetId()}, cell{text: brief(milliseconds(o.GetAgeMilliseconds()))}, cell{text: took},
			cell{text: clip(orNone(o.GetRequestedBy()), 24)},
			cell{text: operationName(o) + ": " + standing(o), style: operationStyle(o.GetState())}))
	}
	return s.columns(rows)
}

// Operation is everything about one: who asked, each node's way, with the time of each milestone since it was accepted.
func (s Screen) Operation(o *coordinatorv1.Operation) string {
	rows := [][]cell{
		{{text: o.GetId(), style: bold}, {text: operationName(o)}},
		{{text: "state"}, {text: standing(o), style: operationStyle(o.GetState())}},
		row("begun", Duration(milliseconds(o.GetAgeMilliseconds()))+" ago, by "+orNone(o.GetRequestedBy())),
	}
	if o.TookMilliseconds != nil {
		rows = append(rows, row("took", Duration(milliseconds(o.GetTookMilliseconds()))))
	}
	if o.GetReason() != "" {
		rows = append(rows, row("reason", o.GetReason()))
	}
	if o.GetForced() {
		rows = append(rows, []cell{{text: "forced"}, {text: "its rails are cut without proof that the nodes have shut down", style: red}})
	}
	var b strings.Builder
	b.WriteString(s.columns(rows))
	for _, step := range o.GetSteps() {
		b.WriteByte('\n')
		b.WriteString(s.columns([][]cell{{{text: step.GetNode(), style: bold},
			{text: join(": ", word(step.GetState(), "STEP_STATE_"), step.GetMessage()), style: stepStyle(step.GetState())}}}))
		for _, m := range step.GetMilestones() {
			b.WriteString(s.milestone(m, ""))
		}
	}
	return b.String()
}

// milestone is a line: when, of whom, what.
func (s Screen) milestone(m *coordinatorv1.Milestone, node string) string {
	cells := []cell{after(m.GetAfterMilliseconds()), {text: node}, {text: join(": ", m.GetName(), m.GetDetail())}}
	if node == "" {
		cells = slices.Delete(cells, 1, 2)
	}
	return s.columns([][]cell{cells})
}

// after is how long after the beginning of an operation, in a column of its own.
func after(n uint64) cell {
	d := milliseconds(n)
	text := Duration(d)
	if d < 100*time.Second {
		text = fmt.Sprintf("%.1f s", d.Seconds()) // a grace of two seconds is to be seen
	}
	return cell{text: fmt.Sprintf("%9s", "+"+text), style: dim}
}

// Begun says what was begun and how to follow it; of what has ended already, how.
func (s Screen) Begun(o *coordinatorv1.Operation) string {
	if o.GetState() != coordinatorv1.OperationState_OPERATION_STATE_RUNNING {
		return s.columns([][]cell{{{text: fmt.Sprintf("%s: %s: %s", o.GetId(), operationName(o), standing(o)), style: operationStyle(o.GetState())}}})
	}
	return s.columns([][]cell{row(fmt.Sprintf("%s: %s has begun; bramblectl operation %s --wait follows it", o.GetId(), operationName(o), o.GetId()))})
}

// Ended is the last line about an operation whose steps have been told.
func (s Screen) Ended(o *coordinatorv1.Operation) string {
	text := fmt.Sprintf("%s: %s %s", o.GetId(), operationName(o), word(o.GetState(), "OPERATION_STATE_"))
	if o.TookMilliseconds != nil {
		text += " after " + Duration(milliseconds(o.GetTookMilliseconds()))
	}
	return s.columns([][]cell{{{text: text, style: operationStyle(o.GetState())}}})
}
