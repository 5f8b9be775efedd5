package power

import "time"

// Machine decides one node's power. It is not safe for concurrent use.
type Machine struct {
	cfg  Config
	rows []row // the table

	rec            Record
	changed        bool   // rec is not what the last Persist carried
	number, stored uint64 // of the last Persist, of the newest Persisted

	clock Instant // the master's at base
	base  time.Time

	now time.Time
	ev  Event // of those that a transition reads
	out []Action

	stood time.Time     // until when the owner last stood still
	still time.Duration // how long it did in this stage

	state    State
	since    time.Time // when the state began
	why      string    // why it is in this state
	stage    time.Time // deadlines count from here
	observed time.Time // when StateUnknown began

	rail   rail
	line   line
	agent  agent
	asked  asked
	pulse  pulse
	proved proved
	alarms [Alarms]bool
}

// New returns a machine that knows only what it remembers: kept is the record that was last persisted, nil the first time.
// It begins in StateUnknown and adopts what it observes. clock is the master's boot and its boottime at now.
func New(cfg Config, kept *Record, now time.Time, clock Instant) *Machine {
	m := &Machine{cfg: cfg.withDefaults(), rows: table[:], clock: clock, base: now, now: now, state: StateUnknown, since: now, observed: now, stage: now}
	m.why = "the coordinator has just started"
	if kept != nil {
		m.rec = *kept
	}
	if at, ok := m.when(m.rec.Since); ok {
		m.stage = at
	}
	m.line.level = LevelUnknown
	if !cfg.Line {
		m.line.level = LevelNone
	}
	if l := m.rec.Latch; l != nil {
		m.proved = proved{quiet: now.Add(m.cfg.BootDeadline), doubted: true}
		if at, ok := m.when(l.At); ok {
			m.proved.at = at
			if now.Sub(at) <= resumeWithin {
				m.proved.quiet = now.Add(observeFor)
			}
		}
		m.proved.due = m.proved.at
	}
	return m
}

// Step takes one event. What it returns is valid until the next Step, and is to be done in order. now must not go back.
func (m *Machine) Step(now time.Time, ev Event) []Action {
	m.wake(now)
	m.now, m.ev = now, keep(ev)
	clear(m.out)
	m.out = m.out[:0]
	if refuses(ev) && m.May(ev) != nil {
		return m.out
	}
	m.observe(ev)
	on := kindOf(ev)
	for range longestChain {
		if !m.advance(on) {
			break
		}
		on = always
	}
	m.seeLow()
	m.judgeAlarms()
	m.persist()
	return m.out
}

// wake notes that the owner stood still: in that time nobody looked, and it is no silence.
func (m *Machine) wake(now time.Time) {
	d := now.Sub(m.now)
	if d <= awake {
		return
	}
	m.stood, m.still = now, m.still+d
	if m.proved.quiet.After(m.now) {
		m.proved.quiet = m.proved.quiet.Add(d)
	}
}

// keep is the event where a transition reads it, and else nil: one that is not kept stays on its sender's stack.
func keep(ev Event) Event {
	switch ev := ev.(type) {
	case Start:
		return ev
	case Stop:
		return ev
	case Reboot:
		return ev
	case Cut:
		return ev
	case Test:
		return ev
	case Cancel:
		return ev
	case Maintain:
		return ev
	case Announced:
		return ev
	}
	return nil
}

// advance takes the first transition that the state, the event and the facts allow.
func (m *Machine) advance(on kind) bool {
	for i := range m.rows {
		r := &m.rows[i]
		if !r.from.has(m.state) || r.on != always && r.on != on || r.holds != nil && !r.holds(m) {
			continue
		}
		m.take(r)
		return true
	}
	return false
}

func (m *Machine) take(r *row) {
	from := m.state
	if r.to != same && r.to != from {
		m.state, m.since, m.why = r.to, m.now, r.when
	}
	if r.do != nil {
		r.do(m)
	}
	if m.state == from {
		return
	}
	was := StateUnspecified
	if (m.state == StateStuck || m.state == StateLost) && !m.onlyHeard() {
		was = m.state
	}
	if m.rec.Was != was {
		m.rec.Was, m.changed = was, true
	}
	if m.rec.Task.Kind == TaskTest && m.state != StateReady {
		m.end(OutcomeFailed, "the test was not finished: "+m.why)
	}
	m.emit(Changed{From: from, To: m.state, Reason: m.why})
}

func (m *Machine) emit(a Action) { m.out = append(m.out, a) }

func (m *Machine) persist() {
	if !m.changed {
		return
	}
	m.changed = false
	m.number++
	m.emit(Persist{Number: m.number, Record: m.rec})
}

// onDisk says that all the machine knows is on disk: only then it acts.
func (m *Machine) onDisk() bool { return !m.changed && m.stored == m.number }

// State is what the node's power does.
func (m *Machine) State() State { return m.state }

// Fault is what is broken; it says more than FaultNone in StateFault only.
func (m *Machine) Fault() Fault {
	if m.state != StateFault {
		return FaultNone
	}
	return m.rec.Fault
}

// Since is when the state began.
func (m *Machine) Since() time.Time { return m.since }

// Task is what an operation wants of the node; its Kind is TaskNone without one.
func (m *Machine) Task() Task { return m.rec.Task }

// Line is the level of the done line.
func (m *Machine) Line() Level { return m.line.level }

// Wiring says whether the done line is known to be the node's own.
func (m *Machine) Wiring() Wiring {
	switch {
	case !m.cfg.Line:
		return WiringNone
	case m.rec.Doubted:
		return WiringUntested
	case m.rec.Wiring == WiringTested:
		return WiringTested
	case m.cfg.TrustWiring:
		return WiringTrusted
	default:
		return WiringUntested
	}
}

// Record is what the machine would persist now.
func (m *Machine) Record() Record { return m.rec }

// Committed is how many amperes the node counts for on the supply: see [Amperes]. One without a rail is never off with proof.
func (m *Machine) Committed(bootPeak, maximum float64) float64 {
	if m.noRail() && m.state == StateQueued {
		return max(bootPeak, maximum)
	}
	return Amperes(m.state, bootPeak, maximum)
}

// instant is t by the master's clock.
func (m *Machine) instant(t time.Time) Instant {
	return Instant{BootID: m.clock.BootID, Boottime: m.clock.Boottime + t.Sub(m.base)}
}

// when is the time of an instant of this boot of the master; false for another boot's.
func (m *Machine) when(i Instant) (time.Time, bool) {
	if i.BootID == "" || i.BootID != m.clock.BootID {
		return time.Time{}, false
	}
	return m.base.Add(i.Boottime - m.clock.Boottime), true
}

// restage begins a new stage: deadlines count from now, also for a coordinator after this one.
func (m *Machine) restage() {
	m.markStage()
	m.rec.Since, m.changed = m.instant(m.now), true
}

func (m *Machine) over(from time.Time, d time.Duration) bool { return !m.now.Before(from.Add(d)) }

func (c Config) withDefaults() Config {
	if c.StopDeadline <= 0 {
		c.StopDeadline = 180 * time.Second
	}
	if c.BootDeadline <= 0 {
		c.BootDeadline = 120 * time.Second
	}
	if c.Master {
		c.Rail = RailNone
	}
	return c
}
