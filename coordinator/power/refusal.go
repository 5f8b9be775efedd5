package power

import "fmt"

// The promises that refuse something.
const (
	unproved = 1 // a rail is cut only on proof of done
	adopts   = 2 // no rail changes because the coordinator or the master starts or stops
	supplied = 4 // the supply's limit is never exceeded
	once     = 5 // no operation is forgotten, none runs twice
	nonsense = 6 // bad input changes nothing
)

// Refusal is why a machine or a plan does not do what it was asked.
type Refusal struct {
	// Promise is the number of the promise that forbids it.
	Promise int
	// Node is the node's name; empty for a refusal about several.
	Node string
	// What was refused and why; Do is what a person can do about it. Both are part of one line.
	What, Do string
}

// Error is the refusal in one line: the node, what and why, the promise, and what to do.
func (r *Refusal) Error() string {
	text := r.What
	if r.Node != "" {
		text = r.Node + ": " + text
	}
	text += fmt.Sprintf(" (promise %d: %s)", r.Promise, r.promise())
	if r.Do != "" {
		text += "; " + r.Do
	}
	return text
}

func (r *Refusal) promise() string {
	switch r.Promise {
	case unproved:
		return "a rail is cut only on proof of done"
	case adopts:
		return "no rail changes because the master or its coordinator starts or stops"
	case supplied:
		return "the supply's limit is never exceeded"
	case once:
		return "no operation runs twice"
	default:
		return "what makes no sense changes nothing"
	}
}
