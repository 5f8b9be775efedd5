package power

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// phase is where the worker of a trial is; from boot to hung its file systems are mounted.
type phase uint8

const (
	unpowered phase = iota
	boot
	up
	stopsOff
	stopsReboot
	hung
	finished
)

func (p phase) mounted() bool { return p >= boot && p <= hung }

// wire is what the done line's wire does.
type wire uint8

const (
	honest wire = iota
	stuckLow
	stuckHigh
)

// asking is a request that the worker's agent has not answered.
type asking struct {
	operation string
	reboot    bool
}

// written is a Persist on its way to the disk, with the operations that ended in the same step.
type written struct {
	Persist
	ended []string
}

// trial is a machine in a world of its own: a worker with its rail, line and agent, a disk, and a person. Whatever happens
// is a choice. It judges by the promises and by what is true of the worker, not by what the machine believes.
type trial struct {
	cfg  Config
	rows []row
	wire wire
	sig  Signal

	m      *Machine // nil while the coordinator is down
	now    time.Time
	master int // boots of the master

	disk    *Record
	writing []written
	open    []string // operations on disk that have not ended on disk
	over    []string // ended on disk
	said    []string // ended, not on disk yet
	number  int

	phase     phase
	boots     int
	agent     bool // it runs and is connected
	rail      bool
	line      bool
	unwritten bool // a RailWritten is due
	ask       asking
	granted   bool // since the last switching on
	alone     bool // it restarted by itself after its end, and was not heard since
	forced    bool // a person's forced cut was accepted
	late      bool // an edge came later than a proof waits for one: its latch is void, but for a coordinator that dies at once
	excused   bool // and did
	silent    time.Time
	wrong     string // the promise that was broken
	log       []string
	trace     bool
	ahead     *Machine // to look ahead, one for all clones
	badRail   bool     // it does not take what is written
}

var epoch = time.Unix(1e9, 0)

func newTrial(cfg Config, sig Signal, w wire) *trial {
	t := &trial{ahead: new(Machine), cfg: cfg, rows: table[:], sig: sig, wire: w, now: epoch, phase: up, boots: 1, agent: true, rail: true, silent: epoch}
	t.line = t.level()
	return t
}

func (t *trial) clone() *trial {
	c := *t
	if t.m != nil {
		m := *t.m
		m.out = nil
		m.pulse.edges = slices.Clone(m.pulse.edges)
		c.m = &m
	}
	c.writing, c.open, c.over, c.said = slices.Clone(t.writing), slices.Clone(t.open), slices.Clone(t.over), slices.Clone(t.said)
	c.log = slices.Clip(t.log)
	return &c
}

func (t *trial) clock() Instant {
	return Instant{BootID: fmt.Sprint("master-", t.master), Boottime: time.Minute + t.now.Sub(epoch)}
}

func (t *trial) bootID() string { return fmt.Sprint("boot-", t.boots) }

func (t *trial) broken(format string, args ...any) {
	if t.wrong == "" {
		t.wrong = fmt.Sprintf(format, args...)
	}
}

func (t *trial) step(ev Event) {
	if t.m == nil {
		return
	}
	refused := refuses(ev) && t.m.May(ev) != nil
	actions := t.m.Step(t.now, ev)
	if len(actions) > 0 {
		actions = slices.Clone(actions)
	}
	if t.trace {
		t.log = append(t.log, fmt.Sprintf("   %8.3f %T%+v: %v", t.now.Sub(epoch).Seconds(), ev, ev, t.m.Explain()))
	}
	if *t.ahead = *t.m; !refused && t.ahead.advance(always) {
		t.broken("a transition is left after %T in %v", ev, t.m.State())
	}
	for _, a := range actions {
		if t.trace {
			t.log = append(t.log, fmt.Sprintf("            %T%+v", a, a))
		}
		t.act(a)
	}
	for _, a := range actions {
		if p, ok := a.(Persist); ok {
			t.writing = append(t.writing, written{p, t.said})
			t.said = nil
		}
	}
	if len(t.said) > 0 { // it ended at once, with nothing to write
		t.over, t.said = append(t.over, t.said...), nil
	}
	t.judge()
}

// clone is for tests that look ahead.
func (m *Machine) clone() *Machine {
	c := *m
	c.out = nil
	return &c
}

func (t *trial) act(a Action) {
	switch a := a.(type) {
	case SwitchRail:
		t.judgeSwitch(a.On)
		if !t.badRail {
			t.switchRail(a.On)
		}
		t.unwritten = true
	case AskPowerOff:
		t.judgeAsk(a.Operation)
		t.ask = asking{a.Operation, false}
	case AskReboot:
		t.judgeAsk(a.Operation)
		t.ask = asking{a.Operation, true}
	case Ended:
		if slices.Contains(t.over, a.Operation) || slices.Contains(t.said, a.Operation) {
			t.broken("promise 5: %s ended twice", a.Operation)
		}
		t.said = append(t.said, a.Operation)
	}
}

func (t *trial) switchRail(on bool) {
	if t.rail == on {
		return
	}
	t.rail = on
	t.alone = false
	t.agent = false
	if on {
		t.phase = boot
		t.boots++
	} else {
		t.phase = unpowered
	}
}

// judgeSwitch holds every switching against promises 1, 2 and 4.
func (t *trial) judgeSwitch(on bool) {
	d := t.disk
	if d == nil {
		d = &Record{}
	}
	switch {
	case on && d.Task.Kind != TaskStart:
		t.broken("promise 2: its rail goes on, and no start is on disk")
	case on && !t.granted:
		t.broken("promise 4: its rail goes on without a grant")
	case on:
	case d.Cut == "":
		t.broken("promise 1: its rail is cut, and no reason is on disk")
	case d.Task.Kind == TaskCut && d.Task.Reason != "" && t.forced:
	case t.cfg.CutStuckAfter > 0 && strings.HasPrefix(d.Cut, "cut_stuck_after"):
		if t.now.Sub(t.silent) < 0 {
			t.broken("promise 1: time goes back")
		}
	case t.cfg.FenceLostAfter > 0 && strings.HasPrefix(d.Cut, "fence_lost_after"):
		if t.now.Sub(t.silent) < t.cfg.FenceLostAfter {
			t.broken("promise 1: fenced %v after it fell silent", t.now.Sub(t.silent))
		}
	case !t.rail:
	case t.phase.mounted() && !t.alone && !t.excused:
		t.broken("promise 1: its rail is cut while its file systems are mounted (%v)", t.phase)
	case t.phase.mounted() || t.phase == unpowered:
	case d.Latch == nil:
		t.broken("promise 1: its rail is cut, and no latch is on disk")
	}
}

func (t *trial) judgeAsk(operation string) {
	if t.disk == nil || t.disk.Task.Operation != operation || !t.disk.Task.Asked {
		t.broken("promise 5: its agent is asked for %s, which is not on disk", operation)
	}
}

// judge holds what the machine says against what is true.
func (t *trial) judge() {
	if t.m.Committed(1, 1) == 0 && t.rail && t.unmoved() {
		t.broken("promise 4: it counts for nothing with its rail on")
	}
	if next, ok := t.m.Next(); ok && !next.After(t.now) {
		t.broken("it wants to be woken at %v, which is past", next.Sub(epoch))
	}
}

// unmoved says that nobody else has switched the rail.
func (t *trial) unmoved() bool { return !t.m.rail.moved && t.m.rail.contrary == 0 }

// tell brings the level of the line to the machine as edges.
func (t *trial) tell() {
	if high := t.level(); high != t.line {
		t.line = high
		t.step(LineEdge{high, t.now})
	}
}

// level is what the wire shows: high after a finished shutdown.
func (t *trial) level() bool {
	switch t.wire {
	case stuckLow:
		return false
	case stuckHigh:
		return true
	default:
		return t.phase == finished
	}
}

func (t *trial) pass(d time.Duration) { t.now = t.now.Add(d) }

// speak lets the agent send a message, if it runs and is connected.
func (t *trial) speak() {
	if t.agent && t.m != nil {
		t.alone = false
		t.step(Heard{BootID: t.bootID(), SampledAt: t.now})
		t.step(Reported{t.sig})
	}
}

func (t *trial) hush() {
	if t.agent {
		t.agent, t.silent = false, t.now
		t.step(Silent{})
	}
}

// toDisk brings the oldest Persist to the disk.
func (t *trial) toDisk() {
	w := t.writing[0]
	t.writing = t.writing[1:]
	t.disk = &w.Record
	if op := w.Record.Task.Operation; op != "" && !slices.Contains(t.open, op) {
		if slices.Contains(t.over, op) {
			t.broken("promise 5: %s is on disk again after its end", op)
		}
		t.open = append(t.open, op)
	}
	for _, op := range w.ended {
		t.over = append(t.over, op)
		t.open = slices.DeleteFunc(t.open, func(o string) bool { return o == op })
	}
	t.step(Persisted{w.Number})
}

// kill ends the coordinator; what was not on disk is forgotten.
func (t *trial) kill() {
	t.excused = t.excused || t.late
	t.m, t.writing, t.said, t.ask, t.unwritten = nil, nil, nil, asking{}, false
}

// start starts it again after a time.
func (t *trial) start(down time.Duration) {
	t.pass(down)
	t.granted = false
	var kept *Record
	if t.disk != nil {
		copied := *t.disk
		kept = &copied
	}
	for _, op := range t.open {
		if kept.Task.Operation != op {
			t.broken("promise 5: %s is forgotten", op)
		}
	}
	t.m = New(t.cfg, kept, t.now, t.clock())
	t.m.rows = t.rows
	if _, isOff := t.m.Next(); !isOff {
		t.broken("a new machine does not want to be woken")
	}
	t.line = t.level()
	t.step(RailSeen{On: t.rail})
	t.step(LineSeen{High: t.line})
}

// request steps what a person asks, which May has to agree with.
func (t *trial) request(ev Event, operation string) bool {
	refused := t.m.May(ev)
	if r, ok := errors.AsType[*Refusal](refused); refused != nil && (!ok || r.Promise == 0 || r.Node == "" || r.Do == "") {
		t.broken("promise 6: the refusal %q lacks its promise, its node or what to do", refused)
	}
	before, writing := t.m.Record(), len(t.writing)
	if _, ok := ev.(Cut); ok && refused == nil {
		t.forced = true
	}
	t.step(ev)
	if refused != nil && (len(t.writing) != writing || before.Task != t.m.Record().Task) {
		t.broken("promise 6: a refused %T changed something", ev)
	}
	return refused == nil
}

func (t *trial) name() string {
	t.number++
	return fmt.Sprint("op-", t.number)
}
