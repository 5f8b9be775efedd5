package power

import (
	"errors"
	"time"
)

// The times that no configuration changes.
const (
	observeFor   = 10 * time.Second        // how long a new machine waits for an agent before it believes that there is none
	resumeWithin = 30 * time.Second        // a latch older than this at the start of a coordinator needs a boot deadline of silence
	minimumOff   = 5 * time.Second         // a rail stays off so long: converters and capacitors empty
	quietFor     = 2 * time.Second         // twice the agent's heartbeat
	streamMargin = time.Second             // a sample may seem younger by what the network took
	lineFallsIn  = 2 * time.Second         // an unpowered pin against the pull-down
	offAfter     = 3 * time.Second         // proof of off takes quietFor and streamMargin
	blindFor     = 10 * time.Second        // how long a line that cannot be read holds a proof of off back
	askAgain     = 5 * time.Second         // after an answer that broke off
	askWithin    = 30 * time.Second        // a node that is not heard so long after Proceed cannot be asked
	railAgain    = time.Second             // between two writes of a rail
	railTries    = 3                       // writes before the rail has failed
	highFor      = 500 * time.Millisecond  // a level that is held is one that lasts so long
	samplesFresh = 3 * time.Second         // an agent heard within this time is up
	silentFor    = 10 * time.Second        // how long a node without a usable line and without a rail must be silent to count as halted
	awake        = 2500 * time.Millisecond // an owner that steps more seldom stood still
	glitch       = 150 * time.Millisecond  // what is high for longer while its node is heard is no glitch
	mostRises    = 8                       // of a line, within risesWithin, while its node is heard
	risesWithin  = 10 * time.Second
	longestChain = 16 // transitions that one event can cause
)

type feed uint8

const (
	feedUnknown feed = iota
	feedOn
	feedOff
)

func feedOf(on bool) feed {
	if on {
		return feedOn
	}
	return feedOff
}

// rail is what is known of the feed.
type rail struct {
	seen, want feed
	contrary   int // readings in a row that are not what is wanted
	err        error
	writing    bool // RailWritten is awaited
	took       bool // it was read as wanted since the first write
	failed     error
	granted    bool      // the supply carries the start
	tries      int       // writes of what is wanted
	written    time.Time // the newest RailWritten
	rise, fall time.Time // when it was switched, or seen to be
	moved      bool      // it changed and bramble did not do it
}

// line is what is known of the done line.
type line struct {
	level   Level
	since   time.Time // when the level began
	err     error
	proof   proof
	wasHigh bool // it was held high while the node began its boot
	unheard noise
	counted noise
}

// noise is what a line did that nobody's end explains if the node is heard with a later sample.
type noise struct {
	from  time.Time // of the first rise
	rises int
	long  bool // it was high for longer than a glitch
}

// agent is what is known of the node's agent.
type agent struct {
	alive   bool
	since   time.Time // when it was heard again
	spoke   time.Time // of the newest message
	sampled time.Time // of the newest sample
	silent  time.Time // when it fell silent
}

// asked is what is under way with the agent about a power-off or reboot.
type asked struct {
	proceed time.Time // when the gates opened; zero: they have not
	at      time.Time // when it was asked or announced; zero: before this coordinator
	waiting bool      // for an answer
	again   time.Time
	refused error
}

// pulse is a wiring test under way.
type pulse struct {
	asked, replied time.Time
	err            error
	edges          []time.Time // of the own line
	stray          string      // another node whose line moved
}

// proved is what goes with Record.Latch.
type proved struct {
	at      time.Time // when it was latched
	due     time.Time // the level was held until here
	quiet   time.Time // nothing is cut before
	doubted bool      // quiet was chosen for a proof that is not fresh
	torn    bool      // an edge came late and contradicts it
}

func (m *Machine) observe(ev Event) {
	switch ev := ev.(type) {
	case RailSeen:
		m.railSeen(ev)
	case RailWritten:
		m.rail.writing, m.rail.failed, m.rail.written, m.rail.contrary = false, ev.Err, m.now, 0
	case LineSeen:
		m.lineSeen(ev)
	case LineEdge:
		m.lineEdge(ev)
	case Heard:
		m.heard(ev)
	case Silent:
		if m.agent.alive {
			m.agent.silent, m.line.wasHigh = m.now, false
		}
		m.agent.alive = false
	case Announced:
		m.announced(ev)
	case Reported:
		if ev.Signal != m.rec.Signal {
			m.rec.Signal, m.changed = ev.Signal, true
		}
	case Answered:
		m.answered(ev)
	case Pulsed:
		if m.rec.Task.Kind == TaskTest && ev.Operation == m.rec.Task.Operation && m.pulse.replied.IsZero() {
			m.pulse.replied, m.pulse.err = m.now, ev.Err
		}
	case Strayed:
		if m.rec.Task.Kind == TaskTest && !m.pulse.asked.IsZero() && !ev.At.Before(m.pulse.asked) {
			m.pulse.stray = ev.Node
		}
	case Doubted:
		if !m.rec.Doubted {
			m.rec.Doubted, m.changed = true, true
		}
	case Persisted:
		m.stored = max(m.stored, min(ev.Number, m.number))
	}
	if l := &m.line; l.level == LevelHigh && !m.agent.alive && m.over(l.since, highFor) {
		l.wasHigh = true
	}
}

func (m *Machine) railSeen(ev RailSeen) {
	r := &m.rail
	if m.cfg.Rail == RailNone || r.writing {
		return
	}
	switch {
	case errors.Is(ev.Err, errors.ErrUnsupported):
		if r.want == feedUnknown {
			r.want, r.fall = m.remembered(), m.now
		}
		r.err, r.seen, r.took = nil, r.want, r.failed == nil // a switch that cannot be read is what was written last
		return
	case ev.Err != nil:
		r.err, r.seen, r.contrary = ev.Err, feedUnknown, 0
		return
	}
	r.err, r.seen = nil, feedOf(ev.On)
	if r.want == feedUnknown || m.watches() && r.want != r.seen {
		r.want = r.seen
		if !ev.On {
			r.fall = m.now
		}
	}
	if r.seen == r.want {
		r.contrary, r.took = 0, true
	} else {
		r.contrary++
	}
}

// remembered is what was written last to a rail that cannot be read, by the record: off when nothing was wanted after an
// end that was proved.
func (m *Machine) remembered() feed {
	return feedOf(m.rec.Desired != DesiredOff || m.rec.BootID != "" || m.rec.Task.Kind != TaskNone)
}

// watches says that the machine takes the rail for what it reads.
func (m *Machine) watches() bool {
	return in(StateUnknown, StateMaintenance, StateFault).has(m.state)
}

func (m *Machine) lineSeen(ev LineSeen) {
	l := &m.line
	switch {
	case !m.cfg.Line:
		return
	case ev.Err != nil:
		l.level, l.since, l.err, l.proof = LevelUnknown, m.now, ev.Err, proof{}
		return
	}
	l.err = nil
	if level := levelOf(ev.High); level != l.level {
		l.level, l.since = level, m.now
	}
	l.proof.seen(ev.High, m.now)
}

func (m *Machine) lineEdge(ev LineEdge) {
	l := &m.line
	if !m.cfg.Line {
		return
	}
	if l.level == LevelHigh && !ev.High && !m.agent.alive && ev.At.Sub(l.since) >= highFor {
		l.wasHigh = true
	}
	if m.doing(TaskTest) && !m.pulse.asked.IsZero() {
		if len(m.pulse.edges) < 8 {
			m.pulse.edges = append(m.pulse.edges, ev.At)
		}
	} else if m.agent.alive {
		l.unheard.edge(ev, l.since)
	}
	l.level, l.since, l.err = levelOf(ev.High), ev.At, nil
	l.proof.edge(ev.High, ev.At)
	if m.rec.Latch != nil && (ev.At.Before(m.proved.due) || ev.High && m.riseTears()) {
		m.proved.torn = true
	}
}

// edge counts an edge; since is when the level before it began.
func (n *noise) edge(ev LineEdge, since time.Time) {
	switch {
	case !ev.High:
		n.long = n.long || !n.from.IsZero() && ev.At.Sub(since) > glitch
		return
	case n.from.IsZero():
		n.from = ev.At
	case ev.At.Sub(n.from) > risesWithin:
		n.from, n.rises = ev.At, 0
	}
	n.rises++
}

// riseTears says that a rise after the latch shows a line that is not held: a helper's line rises once. A board that has
// been halted for long may pick something up.
func (m *Machine) riseTears() bool {
	return m.rec.Latch.Mechanism == MechanismHelper && (m.state != StateHalted || !m.over(m.proved.at, resumeWithin))
}

// hearNoise takes a sample that shows that the node was up while its line moved. What is on disk then is that it proves
// nothing; a line that was never seen low proves nothing as it is.
func (m *Machine) hearNoise(sampled time.Time) {
	l := &m.line
	from := l.since
	if m.agent.since.After(from) {
		from = m.agent.since
	}
	held := l.level == LevelHigh && sampled.Sub(from) > glitch && !m.doing(TaskTest)
	n, all := &l.unheard, &l.counted
	if !n.from.IsZero() && sampled.After(n.from) {
		if n.from.Sub(all.from) > risesWithin {
			*all = noise{from: n.from}
		}
		all.rises, all.long = all.rises+n.rises, all.long || n.long
		*n = noise{}
	}
	if (held || all.long || all.rises > mostRises) && m.rec.SeenLow && !m.rec.Noisy {
		m.rec.Noisy, m.changed = true, true
	}
}

func levelOf(high bool) Level {
	if high {
		return LevelHigh
	}
	return LevelLow
}

// seeLow notes that the line is low while the agent is heard.
func (m *Machine) seeLow() {
	up := m.agent.alive && m.rec.BootID != "" && m.now.Sub(m.agent.spoke) < samplesFresh
	if up && m.line.level == LevelLow && !m.rec.SeenLow && m.rec.Latch == nil {
		m.rec.SeenLow, m.changed = true, true
	}
}

func (m *Machine) heard(ev Heard) {
	at := ev.SampledAt
	if at.IsZero() || ev.First {
		at = m.now
	}
	if at.Before(m.rail.rise) || ev.BootID != m.rec.BootID && at.Before(m.agent.spoke) {
		return // of the life before
	}
	a := &m.agent
	if at.After(a.spoke) {
		a.spoke = at
	}
	if ev.SampledAt.After(a.sampled) {
		a.sampled = ev.SampledAt
	}
	if ev.BootID != m.rec.BootID {
		if m.rec.BootID != "" || m.state == StateStarting {
			m.rec.HighAtBoot = m.line.wasHigh && m.rec.Latch == nil
		}
		m.forgetLine()
		m.rec.BootID, m.rec.Announced, m.changed = ev.BootID, AnnouncedUnspecified, true
		a.alive = false
	}
	if !a.alive {
		a.since, m.line.unheard, m.line.counted = at, noise{}, noise{}
	}
	a.alive, m.line.wasHigh = true, false
	m.hearNoise(ev.SampledAt)
}

// forgetLine forgets what the line showed in a boot that is over.
func (m *Machine) forgetLine() {
	if m.rec.SeenLow || m.rec.Noisy || m.rec.LowBefore {
		m.rec.SeenLow, m.rec.Noisy, m.rec.LowBefore, m.changed = false, false, false, true
	}
}

// announcedUnclear is a shutdown of which the system did not say whether the node comes back.
const announcedUnclear Announcement = 4

func (m *Machine) announced(ev Announced) {
	kind := ev.Kind
	switch kind {
	case AnnouncedUnspecified:
		kind = announcedUnclear
	case AnnouncedCancelled:
		kind = AnnouncedUnspecified
	}
	if kind == m.rec.Announced || kind == announcedUnclear && m.rec.Announced != AnnouncedUnspecified {
		return
	}
	if m.rec.Announced == AnnouncedUnspecified && !m.rec.Task.Asked {
		m.asked.at = m.now
		if !ev.At.IsZero() && ev.At.Before(m.now) {
			m.asked.at = ev.At
		}
		m.rec.LowBefore = m.line.level == LevelLow
	}
	m.rec.Announced, m.changed = kind, true
	if kind != AnnouncedUnspecified {
		m.milestone("announced", "")
	}
}

func (m *Machine) answered(ev Answered) {
	t, a := m.rec.Task, &m.asked
	if !t.Asked || t.Accepted || ev.Operation != t.Operation || t.Kind != TaskStop && t.Kind != TaskReboot {
		return
	}
	a.waiting = false
	switch {
	case ev.Err == nil:
		m.rec.Task.Accepted, m.changed = true, true
		m.milestone("accepted", "")
	case ev.Unsure:
		a.again = m.now.Add(askAgain)
	default:
		a.refused = ev.Err
	}
}
