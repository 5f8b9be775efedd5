package power

import "time"

// Event is one thing that happened to a node: one of the types of this file that say so.
type Event interface{ event() }

// Tick says that time has passed; nothing else did.
type Tick struct{}

// RailSeen is the state of the rail, read once a second and after each write.
type RailSeen struct {
	On  bool
	Err error
}

// RailWritten is what became of a SwitchRail.
type RailWritten struct {
	On  bool
	Err error
}

// LineSeen is the level of the done line at the start of its watch and whenever it is read anew.
type LineSeen struct {
	High bool
	Err  error
}

// LineEdge is one edge of the done line with the kernel's time.
type LineEdge struct {
	High bool
	At   time.Time
}

// Heard is one message of the node's agent.
type Heard struct {
	BootID string
	// SampledAt is when the newest sample was taken.
	SampledAt time.Time
	// First says that the message is the first of its stream: the agent answers now, however old its sample is.
	First bool
}

// Silent says that the agent is not heard any more: its stream ended, or its samples are stale.
type Silent struct{}

// Announced is a shutdown that the node announces.
type Announced struct {
	Kind Announcement
	At   time.Time
}

// Announcement is the kind of an announced shutdown. The values are those of bramble.agent.v1.ShutdownKind.
type Announcement uint8

// The kinds of announcements.
const (
	AnnouncedUnspecified Announcement = iota // in a notice: the system did not say which
	AnnouncedPowerOff
	AnnouncedReboot
	AnnouncedCancelled
)

// Reported is how the agent says that the end of a power-off is shown.
type Reported struct{ Signal Signal }

// Persisted says that the Persist of that number is on disk.
type Persisted struct{ Number uint64 }

// Start wants the node up. It waits as queued for a Grant.
type Start struct{ Operation string }

// Grant lets a queued start go: supply, stagger and order allow it.
type Grant struct{}

// Stop wants the node shut down, and cut after the proof. It waits as draining for a Proceed.
type Stop struct{ Operation string }

// Proceed lets a draining stop go: all gates are open.
type Proceed struct{}

// Reboot wants the node's system restarted with its rail on.
type Reboot struct{ Operation string }

// Answered is what the agent said to an AskPowerOff or AskReboot.
type Answered struct {
	Operation string
	// Err is nil when the system accepted.
	Err error
	// Unsure says that the request may have arrived although Err is not nil: the connection broke.
	Unsure bool
}

// Cut wants the rail off without a proof, because a person says so.
type Cut struct{ Operation, Reason string }

// Test wants the wiring tested: a pulse of the done line through the agent.
type Test struct{ Operation string }

// Pulsed is what the agent said to an AskPulse.
type Pulsed struct {
	Operation string
	Err       error
}

// Strayed says that the done line of another node moved. Only a machine with a TaskTest cares.
type Strayed struct {
	// Node is the other node.
	Node string
	At   time.Time
}

// Doubted says that the pulse of another node came on this node's line: whose line it is, is not known any more.
type Doubted struct{}

// Witnessed says that after this node's proof was latched every other node with a done line was heard with a newer sample,
// or is off with proof: the line that showed the proof can be no other's. It is how a first power-off proves the wiring.
type Witnessed struct{}

// Cancel calls the task of an operation off where that is safe.
type Cancel struct {
	Operation string
	// Reason is why, in one line; empty when a person did not say.
	Reason string
}

// Maintain takes the node out, or back.
type Maintain struct{ On bool }

// Clear ends a fault, a stuck stop or a lost node: it is observed anew.
type Clear struct{}

func (Tick) event()        {}
func (RailSeen) event()    {}
func (RailWritten) event() {}
func (LineSeen) event()    {}
func (LineEdge) event()    {}
func (Heard) event()       {}
func (Silent) event()      {}
func (Announced) event()   {}
func (Reported) event()    {}
func (Persisted) event()   {}
func (Start) event()       {}
func (Grant) event()       {}
func (Stop) event()        {}
func (Proceed) event()     {}
func (Reboot) event()      {}
func (Answered) event()    {}
func (Cut) event()         {}
func (Test) event()        {}
func (Pulsed) event()      {}
func (Strayed) event()     {}
func (Doubted) event()     {}
func (Witnessed) event()   {}
func (Cancel) event()      {}
func (Maintain) event()    {}
func (Clear) event()       {}
