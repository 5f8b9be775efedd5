package core

import "time"

// LineObserved is a done line: its level at the start of its watch (Edge is false), one edge of it, or why it cannot be
// read.
type LineObserved struct {
	Node string
	High bool
	// At is the kernel's time of an edge, on the clock of Step.
	At   time.Time
	Edge bool
	Err  error
}

// RailWritten is what became of a SwitchRail.
type RailWritten struct {
	Node string
	On   bool
	Err  error
}

// Answered is what a node's agent said to an AskPowerOff, AskReboot or StopMaster.
type Answered struct {
	Node, Operation string
	// Err is nil when the system accepted.
	Err error
	// Unsure says that the request may have arrived although Err is not nil: the connection broke.
	Unsure bool
}

// Pulsed is what a node's agent said to an AskPulse.
type Pulsed struct {
	Node, Operation string
	Err             error
}

// Stored is what became of the Store of that number.
type Stored struct {
	Number uint64
	Err    error
}

// Request asks for an operation. Answer or Refuse follows with the same Ticket, in this Step or a later one.
type Request struct {
	// Ticket is the caller's own number for the answer, not 0.
	Ticket uint64
	Kind   OperationKind
	// Nodes are those it is about, each once; none for StartCase and StopCase, which are about all workers.
	Nodes []string
	// RequestID is the requester's name for it, at most 64 characters: asked again with it, the same operation is the
	// answer. Empty: none.
	RequestID string
	// By is who asks, as in "uid 1000 (alice) on the socket"; Reason is why, at most 200 characters.
	By, Reason string
	// Force cuts without a proof. Only with a Reason, and with PowerOff and PowerCycle.
	Force bool
	// Rolling goes node by node: the next begins when the one before is up again, or off.
	Rolling bool
	// Master has StopCase shut down the master too, after all workers are off.
	Master bool
	// Shutdown says that StopCase is asked because the master itself goes down. Other operations are called off for it,
	// and the nodes that were up start again with `after_outage: last`.
	Shutdown bool
	// DryRun only says what would be done.
	DryRun bool
}

// CancelOperation calls an operation off where that is safe. Answer or Refuse follows.
type CancelOperation struct {
	Ticket uint64
	ID, By string
}

// Maintain takes nodes out, or back. Answer or Refuse follows.
type Maintain struct {
	Ticket     uint64
	Nodes      []string
	On         bool
	By, Reason string
}

// ClearFault ends the fault, the stuck stop or the loss of nodes: they are observed anew. Answer or Refuse follows.
type ClearFault struct {
	Ticket     uint64
	Nodes      []string
	By, Reason string
}

// AcknowledgeStore says that a person has read that the memory was damaged. Answer or Refuse follows.
type AcknowledgeStore struct {
	Ticket uint64
	By     string
}

func (LineObserved) event()     {}
func (RailWritten) event()      {}
func (Answered) event()         {}
func (Pulsed) event()           {}
func (Stored) event()           {}
func (Request) event()          {}
func (CancelOperation) event()  {}
func (Maintain) event()         {}
func (ClearFault) event()       {}
func (AcknowledgeStore) event() {}
