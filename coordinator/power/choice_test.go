package power

import (
	"errors"
	"time"
)

// choice is one thing that may happen in a trial.
type choice struct {
	name string
	may  func(*trial) bool
	do   func(*trial)
}

func running(t *trial) bool { return t.m != nil }
func down(t *trial) bool    { return t.m == nil }

// choices are all that may happen; the first ones are tried first.
var choices = []choice{
	{"time passes", running, (*trial).wait},
	{"the disk takes a record", func(t *trial) bool { return len(t.writing) > 0 }, (*trial).toDisk},
	{"a person wants it stopped", running, (*trial).wantStop},
	{"a person wants it started", running, (*trial).wantStart},
	{"a person wants it restarted", running, func(t *trial) { t.wantReboot() }},
	{"its agent accepts", asks, func(t *trial) { t.accept(nil, false) }},
	{"its agent accepts, and the connection breaks", asks, func(t *trial) { t.accept(errBroken, true) }},
	{"its agent is not reached", asks, func(t *trial) { t.answer(errBroken, true) }},
	{"its agent refuses", asks, func(t *trial) { t.answer(errBroken, false) }},
	{"somebody types poweroff", isUp, func(t *trial) { t.announce(AnnouncedPowerOff, stopsOff) }},
	{"somebody types reboot", isUp, func(t *trial) { t.announce(AnnouncedReboot, stopsReboot) }},
	{"its agent falls silent", func(t *trial) bool { return t.agent }, (*trial).hush},
	{"it is heard again", func(t *trial) bool { return !t.agent && t.phase >= up && t.phase < hung }, func(t *trial) { t.agent = true; t.speak() }},
	{"its agent comes up", func(t *trial) bool { return t.phase == boot }, func(t *trial) { t.phase, t.agent = up, true; t.speak() }},
	{"it shuts down to the end", func(t *trial) bool { return t.phase == stopsOff }, (*trial).finish},
	{"it restarts", func(t *trial) bool { return t.phase == stopsReboot || t.phase == stopsOff }, (*trial).restart},
	{"it hangs", func(t *trial) bool { return t.phase == stopsOff }, func(t *trial) { t.hush(); t.phase = hung }},
	{"it starts again by itself", func(t *trial) bool { return t.phase == finished }, func(t *trial) { t.restart(); t.alone = true }},
	{"the line has a glitch", wired, func(t *trial) { t.glitch(100 * time.Millisecond) }},
	{"the rail answers", func(t *trial) bool { return t.unwritten && running(t) }, (*trial).railAnswers},
	{"the coordinator is killed", running, (*trial).kill},
	{"the coordinator starts", down, func(t *trial) { t.start(time.Second) }},
	{"the coordinator starts a minute later", down, func(t *trial) { t.start(time.Minute) }},
	{"the master restarts", down, func(t *trial) { t.master++; t.start(30 * time.Second) }},
}

// more are for the long walks only.
var more = []choice{
	{"a person cuts it", running, func(t *trial) { t.request(Cut{t.name(), "it burns"}, "") }},
	{"a person cancels", running, func(t *trial) { t.request(Cancel{Operation: t.m.Task().Operation}, "") }},
	{"a person clears it", running, func(t *trial) { t.request(Clear{}, "") }},
	{"maintenance begins", running, func(t *trial) { t.request(Maintain{true}, "") }},
	{"maintenance ends", running, func(t *trial) { t.request(Maintain{false}, "") }},
	{"a glitch of 1 ms", wired, func(t *trial) { t.glitch(time.Millisecond) }},
	{"a glitch of 50 ms", wired, func(t *trial) { t.glitch(50 * time.Millisecond) }},
	{"the line bounces", wired, func(t *trial) {
		for range 7 {
			t.glitch(30 * time.Millisecond)
			t.pass(70 * time.Millisecond)
		}
	}},
	{"the coordinator stands still in a glitch", wired, func(t *trial) { t.stall(2*time.Second, settles/20) }},
	{"an edge comes a second late", wired, func(t *trial) { t.late = true; t.stall(600*time.Millisecond, 600*time.Millisecond) }},
	{"nobody comes for a minute", func(t *trial) bool { return running(t) && t.m.State() == StateHalted }, func(t *trial) {
		for range 60 {
			t.look(t.now.Add(time.Second))
		}
	}},
	{"its line rises again before a coordinator that starts", func(t *trial) bool { return down(t) && t.disk != nil && t.disk.Latch != nil }, func(t *trial) {
		t.start(time.Second)
		t.glitch(time.Millisecond)
	}},
	{"the rail cannot be written", func(t *trial) bool { return t.unwritten && running(t) }, func(t *trial) {
		t.unwritten = false
		t.step(RailWritten{Err: errBroken})
	}},
	{"the rail cannot be read", running, func(t *trial) { t.step(RailSeen{Err: errBroken}) }},
	{"the rail is read", running, func(t *trial) { t.step(RailSeen{On: t.rail}) }},
	{"the line cannot be read", running, func(t *trial) { t.step(LineSeen{Err: errBroken}) }},
	{"the line is read", running, func(t *trial) { t.step(LineSeen{High: t.level()}); t.line = t.level() }},
	{"somebody cuts its rail", func(t *trial) bool { return t.rail && !t.unwritten }, func(t *trial) { t.byHand(false) }},
	{"somebody switches its rail on", func(t *trial) bool { return !t.rail && !t.unwritten }, func(t *trial) { t.byHand(true) }},
	{"its shutdown is called off", func(t *trial) bool { return t.agent && (t.phase == stopsOff || t.phase == stopsReboot) }, func(t *trial) {
		t.phase = up
		t.step(Announced{AnnouncedCancelled, t.now})
	}},
	{"the wiring is tested", running, (*trial).test},
	{"the supply does not carry a start", running, func(t *trial) { t.request(Start{t.name()}, "") }},
	{"the supply carries it", func(t *trial) bool { return running(t) && t.m.State() == StateQueued }, (*trial).grant},
	{"a stop has to wait", running, func(t *trial) { t.request(Stop{t.name()}, "") }},
	{"the gates open", running, func(t *trial) { t.step(Proceed{}) }},
	{"the others are heard", func(t *trial) bool { return running(t) && t.phase == finished }, func(t *trial) { t.step(Witnessed{}) }},
	{"its agent has no sample yet", func(t *trial) bool { return t.phase == boot }, func(t *trial) { t.step(Heard{BootID: t.bootID()}) }},
	{"it is fed another way", func(t *trial) bool { return !t.rail }, func(t *trial) { t.phase, t.agent = up, true; t.boots++; t.speak() }},
	{"somebody types poweroff after a reboot", func(t *trial) bool { return t.phase == stopsReboot && t.agent }, func(t *trial) { t.announce(AnnouncedPowerOff, stopsOff) }},
	{"somebody types reboot after a power-off", func(t *trial) bool { return t.phase == stopsOff && t.agent }, func(t *trial) { t.announce(AnnouncedReboot, stopsReboot) }},
	{"an old system announces a power-off", isUp, func(t *trial) { t.announce(AnnouncedUnspecified, stopsOff) }},
	{"an old system announces a reboot", isUp, func(t *trial) { t.announce(AnnouncedUnspecified, stopsReboot) }},
	{"the rail breaks", func(t *trial) bool { return !t.unwritten }, func(t *trial) { t.badRail = true }},
	{"the rail is mended", func(t *trial) bool { return !t.unwritten }, func(t *trial) { t.badRail = false }},
	{"it restarts, and nobody notices the break", func(t *trial) bool { return t.agent && t.phase == stopsReboot }, func(t *trial) { t.boots++; t.phase = up; t.speak() }},
	{"it is not heard when the gates open", func(t *trial) bool { return running(t) && t.m.State() == StateReady }, func(t *trial) {
		t.request(Stop{t.name()}, "")
		t.hush()
		t.step(Proceed{})
		t.wait()
	}},
	{"its line cannot be read when the gates open", func(t *trial) bool { return running(t) && t.m.State() == StateReady }, func(t *trial) {
		t.request(Stop{t.name()}, "")
		t.step(LineSeen{Err: errBroken})
		t.step(Proceed{})
	}},
	{"the wiring is not trusted any more", down, func(t *trial) { t.cfg.TrustWiring = false; t.start(time.Second) }},
}

var errBroken = errors.New("connection reset by peer")

func asks(t *trial) bool  { return t.ask.operation != "" && t.m != nil }
func isUp(t *trial) bool  { return t.phase == up }
func wired(t *trial) bool { return t.m != nil && t.wire == honest && t.phase != finished }

// wait lets time pass to what the machine waits for; an agent that runs is heard, rail and line are read.
func (t *trial) wait() {
	next, ok := t.m.Next()
	if !ok {
		next = t.now.Add(time.Second)
	}
	if t.trace || next.Sub(t.now) > 50*time.Millisecond {
		// Before that time nothing may happen.
		ahead := t.m.clone()
		state := ahead.State()
		if got := ahead.Step(next.Add(-time.Millisecond), Tick{}); ok && len(got) > 0 {
			t.broken("in %v a Tick before %v does %T", state, next.Sub(epoch), got[0])
		}
	}
	looked := t.now
	t.look(next)
	// A machine that only wants to be looked after is, until more than that is due.
	for state := t.m.State(); next.Sub(looked) == time.Second && in(StateProven, StateHalted, StateStuck, StateLost).has(state); {
		deadline, ok := t.m.Deadline()
		if !ok || !deadline.After(t.now) || t.wrong != "" || t.m.State() != state || len(t.writing) > 0 {
			return
		}
		looked = t.now
		next, _ = t.m.Next()
		t.look(next)
	}
}

func (t *trial) look(at time.Time) {
	t.now = at
	if !t.unwritten {
		t.step(RailSeen{On: t.rail})
	}
	t.speak()
	t.step(Tick{})
}

func (t *trial) wantStop() {
	if t.request(Stop{t.name()}, "") {
		t.step(Proceed{})
	}
}

func (t *trial) wantStart() {
	if t.request(Start{t.name()}, "") && t.m.State() == StateQueued {
		t.grant()
	}
}

func (t *trial) grant() {
	t.granted = true
	t.step(Grant{})
}

func (t *trial) wantReboot() {
	if t.request(Reboot{t.name()}, "") {
		t.step(Proceed{})
	}
}

func (t *trial) answer(err error, unsure bool) {
	op := t.ask.operation
	t.ask = asking{}
	t.step(Answered{Operation: op, Err: err, Unsure: unsure})
}

// accept carries the request out, and answers as told.
func (t *trial) accept(err error, unsure bool) {
	a := t.ask
	if !t.agent || t.phase != up && t.phase != stopsOff && t.phase != stopsReboot {
		t.answer(errBroken, true)
		return
	}
	if t.phase == up {
		t.phase = stopsOff
		if a.reboot {
			t.phase = stopsReboot
		}
	}
	t.answer(err, unsure)
}

func (t *trial) announce(kind Announcement, next phase) {
	t.phase = next
	if t.agent {
		t.step(Announced{kind, t.now})
	}
}

// finish ends a shutdown: the agent is gone, nothing is mounted, and the line says so if it can.
func (t *trial) finish() {
	t.hush()
	t.phase = finished
	if t.wire == honest && t.m != nil && t.sig.Mechanism == MechanismOverlay {
		for _, high := range []bool{true, false} {
			t.line = high
			t.step(LineEdge{high, t.now})
			t.pass(overlayDelay)
		}
	}
	t.tell()
}

func (t *trial) restart() {
	t.hush()
	t.phase = boot
	t.boots++
	t.tell()
}

func (t *trial) glitch(width time.Duration) {
	t.step(LineEdge{true, t.now})
	t.pass(width)
	t.step(LineEdge{false, t.now})
}

// stall is a process that does not run while the line has a glitch: when it runs again, timers come before edges.
func (t *trial) stall(first, then time.Duration) {
	rise := t.now
	t.step(LineEdge{true, rise})
	t.pass(first)
	for range 3 {
		t.step(Tick{})
		t.pass(then)
	}
	t.step(LineEdge{false, rise.Add(100 * time.Millisecond)})
}

func (t *trial) railAnswers() {
	t.unwritten = false
	t.step(RailWritten{On: t.m.rail.want == feedOn})
	t.step(RailSeen{On: t.rail})
	t.tell()
}

func (t *trial) byHand(on bool) {
	t.switchRail(on)
	t.step(RailSeen{On: t.rail})
	t.pass(time.Second)
	t.step(RailSeen{On: t.rail})
	t.tell()
}

func (t *trial) test() {
	op := t.name()
	if !t.request(Test{op}, "") {
		return
	}
	for len(t.writing) > 0 {
		t.toDisk()
	}
	if t.m.Task().Kind == TaskTest && t.wire == honest {
		t.glitch(pulseWidth)
		t.step(Pulsed{Operation: op})
	}
}
