package core

import (
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// PowerView is a node's power as it is known now.
type PowerView struct {
	State power.State
	// Explanation is why it is in this state and what it waits for, in one line without the node's name.
	Explanation string
	// Since is when the state began, by the clock of Step.
	Since time.Time
	Fault power.Fault
	// Operation is the one that moves it now; empty when none does.
	Operation string
	Line      power.Level
	Wiring    power.Wiring
	// CommittedAmperes is what it counts for on the supply now.
	CommittedAmperes float64
	// Deadline is when the state ends by itself; zero when it does not.
	Deadline time.Time
}

// SupplyView is the converter that feeds the nodes.
type SupplyView struct {
	// LimitAmperes is what it gives; 0 when nobody said, and then nothing is limited.
	LimitAmperes float64
	// FixedAmperes is always on, and part of CommittedAmperes.
	FixedAmperes, CommittedAmperes float64
	// Waiting is why the next start waits; empty when none does.
	Waiting string
}

// StoreHealth says how well the memory on disk is. The values are those of bramble.coordinator.v1.
type StoreHealth uint8

// The healths.
const (
	StoreNone    StoreHealth = iota // there is none
	StoreGood                       // all is well
	StoreFailed                     // it cannot be written: nothing is switched
	StoreDamaged                    // it was damaged: nothing is switched until a person acknowledges
)

// String is the health in a word.
func (h StoreHealth) String() string { return word(int(h), "none", "good", "failed", "damaged") }

// StoreView is the memory on disk.
type StoreView struct {
	Health StoreHealth
	// Message is what is wrong and what to do, in one line; empty when all is well.
	Message string
}

// OperationKind says what an operation does. The values are those of bramble.coordinator.v1.
type OperationKind uint8

// The kinds of operations.
const (
	OperationUnspecified OperationKind = iota
	OperationPowerOn
	OperationPowerOff
	OperationPowerCycle
	OperationReboot
	OperationStartCase
	OperationStopCase
	OperationTestWiring
	operationKinds
)

// String is the kind in a few words.
func (k OperationKind) String() string {
	return word(int(k), "unspecified", "power on", "power off", "power cycle", "reboot", "case start", "case stop", "power test")
}

// OperationState says how far an operation is. The values are those of bramble.coordinator.v1.
type OperationState uint8

// The states of an operation.
const (
	OperationStateUnspecified OperationState = iota
	OperationRunning
	OperationDone
	OperationFailed
	OperationCancelled
)

// String is the state in a word.
func (s OperationState) String() string {
	return word(int(s), "unspecified", "running", "done", "failed", "cancelled")
}

// StepState says how far one node of an operation is. The values are those of bramble.coordinator.v1.
type StepState uint8

// The states of a step.
const (
	StepUnspecified StepState = iota
	StepWaiting
	StepRunning
	StepDone
	StepFailed
	StepSkipped
	StepCancelled
)

// String is the state in a word.
func (s StepState) String() string {
	return word(int(s), "unspecified", "waiting", "running", "done", "failed", "skipped", "cancelled")
}

// OperationView is a request that takes time. It is a copy.
type OperationView struct {
	// ID is never used twice.
	ID    string
	Kind  OperationKind
	State OperationState
	// Steps has one for each node, in the order of the plan.
	Steps []StepView
	// RequestedBy is who asked, and Reason why.
	RequestedBy, Reason string
	// Forced says that rails may be cut without a proof.
	Forced    bool
	RequestID string
	// Begun and Ended are by the clock of Step; Ended is zero while it runs. Of an operation that an earlier boot of the
	// master began, the times are moved so that the last one that is known is when this coordinator started.
	Begun, Ended time.Time
	// Message is how it stands or ended, in one line.
	Message string
	// Revision is that of its last change: see Core.Revision.
	Revision uint64
}

// StepView is what an operation does to one node.
type StepView struct {
	Node  string
	State StepState
	// Message is what it waits for, or how it ended, in one line.
	Message    string
	Milestones []MilestoneView
}

// MilestoneView is one thing that happened in a step.
type MilestoneView struct {
	// Name is a word or two, such as asked, accepted, announced, done signal, latched, cut, off.
	Name   string
	Detail string
	At     time.Time
}

// PlannedStep is what an operation would do to one node.
type PlannedStep struct {
	Node string
	// Action is in one line, as in "shut down, then cut".
	Action string
	// Steps of the same Wave may go together, from 1 up.
	Wave int
	// CommittedAmperes is what the supply is committed to after the step.
	CommittedAmperes float64
}
