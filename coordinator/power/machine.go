package power

import "time"

// Machine decides one node's power. It is not safe for concurrent use.
type Machine struct {
	cfg   Config
	state State
}

// New returns a machine that knows only what it remembers: kept is the record that was last persisted, nil the first time.
// It begins in StateUnknown and adopts what it observes. clock is the master's boot and its boottime at now.
func New(cfg Config, kept *Record, now time.Time, clock Instant) *Machine {
	return &Machine{cfg: cfg, state: StateUnknown}
}

// Step takes one event. What it returns is valid until the next Step, and is to be done in order.
func (m *Machine) Step(now time.Time, ev Event) []Action { return nil }

// Next is when the machine wants a Tick at the latest; false without such a time.
func (m *Machine) Next() (time.Time, bool) { return time.Time{}, false }

// May says why a Start, Stop, Reboot, Cut, Test, Cancel, Maintain or Clear would be refused now: nil or a *Refusal. Step
// with an event that May refuses changes nothing.
func (m *Machine) May(ev Event) error { return nil }

// State is what the node's power does.
func (m *Machine) State() State { return m.state }

// Fault is what is broken; it says more than FaultNone in StateFault only.
func (m *Machine) Fault() Fault { return FaultNone }

// Since is when the state began.
func (m *Machine) Since() time.Time { return time.Time{} }

// Task is what an operation wants of the node; its Kind is TaskNone without one.
func (m *Machine) Task() Task { return Task{} }

// Line is the level of the done line.
func (m *Machine) Line() Level { return LevelNone }

// Wiring says whether the done line is known to be the node's own.
func (m *Machine) Wiring() Wiring { return WiringNone }

// Explain is why the state is what it is, what comes next and what a person can do, in one line without the node's name.
func (m *Machine) Explain() string { return "" }

// Record is what the machine would persist now.
func (m *Machine) Record() Record { return Record{} }

// Deadline is when the present state ends by itself; false when it does not.
func (m *Machine) Deadline() (time.Time, bool) { return time.Time{}, false }

// Committed is how many amperes the node counts for on the supply: none only in StateOff, bootPeak from the switching on
// of its rail until it is ready, maximum otherwise.
func (m *Machine) Committed(bootPeak, maximum float64) float64 { return 0 }
