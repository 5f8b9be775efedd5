package core

import "time"

// Entry is one thing that is remembered: the bytes under a key of a bucket. A nil Value deletes it. The buckets are
// "nodes", "operations", "events" and "meta"; the values are JSON.
type Entry struct {
	Bucket, Key string
	Value       []byte
}

// Store asks for the entries to be on disk, all of them or none; Stored with the same number follows. There is never
// more than one under way, and whatever depends on it waits for its answer. The entries are not changed afterwards.
type Store struct {
	Number  uint64
	Entries []Entry
}

// SwitchRail asks for a node's rail to be written. RailWritten follows.
type SwitchRail struct {
	Node string
	On   bool
}

// AskPowerOff asks a node's agent to shut its system down. Answered follows.
type AskPowerOff struct {
	Node, Operation string
	// WithoutSignal says that nobody will see the end by a line.
	WithoutSignal bool
}

// AskReboot asks a node's agent to restart its system. Answered follows.
type AskReboot struct{ Node, Operation string }

// AskPulse asks a node's agent to pulse its done line. Pulsed follows.
type AskPulse struct {
	Node, Operation string
	Width           time.Duration
}

// StopMaster asks the master's own agent to shut its system down, as AskPowerOff without a signal does: every worker is
// off. Answered follows, if there is still time.
type StopMaster struct{ Node, Operation string }

// AcknowledgeDamage tells the store that a person has read about the damage. Nothing follows.
type AcknowledgeDamage struct{}

// Answer is what a Request, CancelOperation, Maintain, ClearFault or AcknowledgeStore brought. What it says is on disk.
type Answer struct {
	Ticket uint64
	// Operation is nil for a dry run and where none is concerned.
	Operation *OperationView
	// Plan is what a Request does, in order.
	Plan []PlannedStep
}

func (Store) effect()             {}
func (SwitchRail) effect()        {}
func (AskPowerOff) effect()       {}
func (AskReboot) effect()         {}
func (AskPulse) effect()          {}
func (StopMaster) effect()        {}
func (AcknowledgeDamage) effect() {}
func (Answer) effect()            {}
