package screen

import (
	"fmt"
	"strings"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// Progress turns what an operation is, again and again, into lines: each milestone of each node once, with the time since
// the operation was accepted, and how a node ended where that was not as it should. The zero value is ready. Not for use
// by several goroutines.
type Progress struct {
	told  map[string]int // milestones, by node
	ended map[string]bool
}

// Opening is the first line: what is followed, and that only the following can be interrupted.
func (s Screen) Opening(o *coordinatorv1.Operation) string {
	text := fmt.Sprintf("%s: %s; Ctrl-C ends the following, not the operation", o.GetId(), operationName(o))
	return s.columns([][]cell{row(text)})
}

// Take is the lines about what is new in an operation.
func (p *Progress) Take(s Screen, o *coordinatorv1.Operation) string {
	if p.told == nil {
		p.told, p.ended = map[string]int{}, map[string]bool{}
	}
	width := 0
	for _, step := range o.GetSteps() {
		width = max(width, len([]rune(Printable(step.GetNode()))))
	}
	var b strings.Builder
	for _, step := range o.GetSteps() {
		node := fmt.Sprintf("%-*s", width, Printable(step.GetNode()))
		milestones := step.GetMilestones()
		for _, m := range milestones[min(p.told[step.GetNode()], len(milestones)):] {
			b.WriteString(s.milestone(m, node))
		}
		p.told[step.GetNode()] = len(milestones)
		if step.GetState() < coordinatorv1.StepState_STEP_STATE_DONE || p.ended[step.GetNode()] {
			continue
		}
		p.ended[step.GetNode()] = true
		if text := end(step); text != "" {
			b.WriteString(s.columns([][]cell{{after(o.GetAgeMilliseconds()), {text: node}, {text: text, style: stepStyle(step.GetState())}}}))
		}
	}
	return b.String()
}

// end is how a step ended; empty where its last milestone has said so.
func end(step *coordinatorv1.Step) string {
	if m := step.GetMilestones(); step.GetState() == coordinatorv1.StepState_STEP_STATE_DONE && len(m) > 0 {
		switch m[len(m)-1].GetName() {
		case "off", "ready":
			return ""
		}
	}
	return join(": ", word(step.GetState(), "STEP_STATE_"), step.GetMessage())
}

// Waiting is what an operation waits for now, in a line that fits on the screen; empty where there is no telling.
func (s Screen) Waiting(o *coordinatorv1.Operation) string {
	var busy []string
	for _, step := range o.GetSteps() {
		if step.GetState() == coordinatorv1.StepState_STEP_STATE_RUNNING && step.GetMessage() != "" {
			_, next, ok := strings.Cut(step.GetMessage(), "; ") // what comes before has been told
			if !ok {
				next = step.GetMessage()
			}
			busy = append(busy, Printable(step.GetNode()+gap+next))
		}
	}
	if len(busy) == 0 {
		return ""
	}
	text := "      ..." + gap + busy[0]
	if more := len(busy) - 1; more > 0 {
		text = fmt.Sprintf("%9s%s%s", fmt.Sprintf("1 of %d", len(busy)), gap, busy[0])
	}
	return clip(text, s.Width-1)
}
