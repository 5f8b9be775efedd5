package power

import "fmt"

// Refusal is why a machine or a plan does not do what it was asked.
type Refusal struct {
	// Promise is the number of the promise that forbids it; 0 when none does and it only makes no sense now.
	Promise int
	// Node is the node's name; empty for a refusal about several.
	Node string
	// What was refused and why; Do is what a person can do about it. Both are part of one line.
	What, Do string
}

// Error is the refusal in one line.
func (r *Refusal) Error() string {
	text := r.What
	if r.Node != "" {
		text = r.Node + ": " + text
	}
	if r.Do != "" {
		text += "; " + r.Do
	}
	if r.Promise != 0 {
		text += fmt.Sprintf(" (promise %d)", r.Promise)
	}
	return text
}
