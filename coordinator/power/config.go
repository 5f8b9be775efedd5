package power

import "time"

// Config is how one node's power is treated. The zero value is a node without rail and done line.
type Config struct {
	// Node is its name, for what people read.
	Node string
	// Rail says what switches its feed.
	Rail RailKind
	// Line says that a done line leads from it to the coordinator.
	Line bool
	// Grace is between the latched proof and the cut. Default 2 s with the overlay and 10 s with the helper, whose signal
	// comes before the last sync.
	Grace time.Duration
	// StopDeadline is from the accepted power-off to the proof. Default 180 s.
	StopDeadline time.Duration
	// BootDeadline is from the rail's rise, or an announced reboot, to the first sample. Default 120 s.
	BootDeadline time.Duration
	// CutStuckAfter cuts a stuck node without a proof so long after it became stuck; 0 is never.
	CutStuckAfter time.Duration
	// FenceLostAfter cuts a lost node without a proof so long after it was lost; 0 is never.
	FenceLostAfter time.Duration
	// CutWhenHalted cuts a node that was shut down by hand, after the same proof and grace.
	CutWhenHalted bool
	// TrustWiring allows a cut although the wiring was never tested.
	TrustWiring bool
	// Maintenance is how the node begins: shown, never switched.
	Maintenance bool
	// Master is the machine that the coordinator runs on: it has no rail, and only a StopCase stops it.
	Master bool
}

// RailKind says what switches a feed.
type RailKind uint8

// The kinds of rails.
const (
	RailNone    RailKind = iota // always on: a stop ends halted, still powered
	RailLine                    // a GPIO line
	RailCommand                 // a program that switches a hub, a PoE port or a plug
)

// Signal is how a node shows the end of a power-off, as its agent reports it.
type Signal struct {
	Mechanism Mechanism
	// ActiveDelay and InactiveDelay are the overlay's, as the device tree has them; 0 is 100 ms.
	ActiveDelay, InactiveDelay time.Duration
	// Error is why the signal would not be given; empty when it is usable.
	Error string
}

// Mechanism says who raises a done line. The values are those of bramble.agent.v1.DoneMechanism.
type Mechanism uint8

// The mechanisms.
const (
	MechanismNone    Mechanism = iota
	MechanismOverlay           // the kernel's gpio-poweroff: high, low, high, each for its delay
	MechanismHelper            // bramble-done: high to the end
)

// Instant is a time that survives the coordinator: CLOCK_BOOTTIME within one boot of its machine.
type Instant struct {
	BootID   string
	Boottime time.Duration
}

// Latch is a proof of done.
type Latch struct {
	Mechanism Mechanism
	// BootID is the boot of the node that ended with it.
	BootID string
	// Edges are the kernel's times of the edges that made the proof, the first one first.
	Edges []Instant
	// At is when the proof was complete.
	At Instant
}

// Record is what a machine must remember across a crash. It is plain data that encoding/json can carry.
type Record struct {
	// Task is what the machine was told to do and has not ended; its zero value is nothing.
	Task Task
	// Desired is what was last wanted of the rail, by a person or by the node itself; it answers `after_outage: last`.
	Desired Desired
	// Latch is the proof that counts until the next start of the node; nil without one.
	Latch *Latch
	// Cut is written before the rail is cut: why it may be. Empty when no cut is under way.
	Cut string
	// SeenLow says that the line was seen low while the node of boot BootID was up.
	SeenLow bool
	BootID  string
	// HighAtBoot says that the line was high for long while that boot began, before its agent was heard: a pin that is
	// pulled up. A level then proves nothing.
	HighAtBoot bool
	// Noisy says that the line was held high, or moved too often, while the node of that boot was heard. Nothing that it
	// shows is a proof until the next boot, or until its wiring is tested.
	Noisy bool
	// LowBefore says that the line was low when the end of that boot was asked for or announced: a level that a new watch
	// finds high has risen since.
	LowBefore bool
	// Announced is the shutdown that the node announced in boot BootID.
	Announced Announcement
	// Signal is what its agent last reported.
	Signal Signal
	// Doubted says that a test has shown that the line may be another node's; not even Config.TrustWiring counts then.
	Doubted bool
	// Wiring is WiringTested once a test or an observed power-off has shown whose line it is.
	Wiring Wiring
	// Fault is latched until a person clears it.
	Fault Fault
	// Maintenance was set by a person, who said on or off; nil: as configured.
	Maintenance *bool
	// Was is StateStuck or StateLost while the node is that, and StateUnspecified otherwise.
	Was State
	// Since is when the present stage of the task, or Was, began; deadlines count from it within the same boot of the master.
	Since Instant
}

// Task is what an operation wants of one node.
type Task struct {
	Operation string
	Kind      TaskKind
	// Asked says that the node's agent was asked for the power-off or reboot, or may have been: it is written before.
	Asked bool
	// BootID is the boot of the node that was asked.
	BootID string
	// Accepted says that the node's system accepted it.
	Accepted bool
	// Reason is a person's, of a forced cut.
	Reason string
}

// TaskKind says what a task is.
type TaskKind uint8

// The kinds of tasks.
const (
	TaskNone TaskKind = iota
	TaskStart
	TaskStop
	TaskReboot
	TaskCut // without a proof
	TaskTest
)

// Desired is what was last wanted of a rail.
type Desired uint8

// The wishes.
const (
	DesiredUnknown Desired = iota
	DesiredOn
	DesiredOff
)
