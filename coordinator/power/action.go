package power

import "time"

// Action is one thing for the owner of a machine to do: one of the types of this file that say so.
type Action interface{ action() }

// Persist asks for the record to be on disk; Persisted with the same number follows. Until then the machine does nothing
// that depends on it. A later Persist holds all that an earlier one did.
type Persist struct {
	Number uint64
	Record Record
}

// SwitchRail asks for the rail to be written; RailWritten follows. Everything that allows it is on disk.
type SwitchRail struct{ On bool }

// AskPowerOff asks the node's agent to shut its system down; Answered follows.
type AskPowerOff struct {
	Operation string
	// WithoutSignal says that nobody will see the end by a line: the node has no line, or a rail that is a command.
	WithoutSignal bool
}

// AskReboot asks the node's agent to restart its system; Answered follows.
type AskReboot struct{ Operation string }

// AskPulse asks the node's agent to pulse its done line; Pulsed follows.
type AskPulse struct {
	Operation string
	Width     time.Duration
}

// Changed says that the state changed.
type Changed struct {
	From, To State
	// Reason is why, in one line without the node's name.
	Reason string
}

// Milestone is one thing that an operation reached on this node.
type Milestone struct {
	Operation string
	// Name is a word or two: asked, accepted, announced, done signal, latched, cut, off, rail on, ready.
	Name   string
	Detail string
	At     time.Time
}

// Ended says that the task of an operation is over.
type Ended struct {
	Operation string
	Outcome   Outcome
	// Reason is how it ended, in one line without the node's name.
	Reason string
}

// Outcome is how a task ended.
type Outcome uint8

// The outcomes.
const (
	OutcomeDone Outcome = iota
	OutcomeFailed
	OutcomeCancelled
)

// AlarmKind is something wrong about a node's power that a person should know.
type AlarmKind uint8

// The alarms.
const (
	AlarmStuck          AlarmKind = iota // told to stop, no proof in time
	AlarmFault                           // see Fault
	AlarmLineHigh                        // the line is high although the node is up
	AlarmWireUnreadable                  // rail or line cannot be read
	AlarmRailMoved                       // the rail changed and bramble did not do it
	Alarms
)

// Swapped says that the pulse of this node came on the line of another, and not on its own: Doubted is to be stepped there.
type Swapped struct{ Node string }

// Alarm is raised or ended.
type Alarm struct {
	Kind   AlarmKind
	Active bool
	// Message is what, why and what to do, in one line that names the node.
	Message string
}

func (Persist) action()     {}
func (SwitchRail) action()  {}
func (AskPowerOff) action() {}
func (AskReboot) action()   {}
func (AskPulse) action()    {}
func (Changed) action()     {}
func (Milestone) action()   {}
func (Ended) action()       {}
func (Swapped) action()     {}
func (Alarm) action()       {}
