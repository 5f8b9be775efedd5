package power

import (
	"fmt"
	"time"
)

// What transitions do.

const (
	pulseWidth   = 300 * time.Millisecond // shorter than helperHolds, so that it can be no proof
	pulseSettles = time.Second            // an edge may come so long after the agent's answer
	pulseWithin  = 15 * time.Second
)

// end ends the task, whatever it is.
func (m *Machine) end(o Outcome, reason string) {
	if m.rec.Task.Kind == TaskNone {
		return
	}
	m.emit(Ended{Operation: m.rec.Task.Operation, Outcome: o, Reason: reason})
	if m.rec.Task.Kind == TaskCut {
		m.rec.Cut = ""
	}
	m.rec.Task, m.changed = Task{}, true
	m.asked.waiting, m.asked.refused, m.asked.again = false, nil, time.Time{}
}

// fail ends the task, unless it is a forced cut: nothing but a broken rail ends that.
func (m *Machine) fail(reason string) {
	m.why = reason
	if m.rec.Task.Kind != TaskCut {
		m.end(OutcomeFailed, reason)
	}
}

func (m *Machine) milestone(name, detail string) {
	if m.rec.Task.Kind != TaskNone {
		m.emit(Milestone{Operation: m.rec.Task.Operation, Name: name, Detail: detail, At: m.now})
	}
}

func (m *Machine) want(d Desired) {
	if m.rec.Desired != d {
		m.rec.Desired, m.changed = d, true
	}
}

// dropCut forgets a cut that has not been carried out, and a person's only with its task.
func (m *Machine) dropCut() {
	if m.rec.Cut != "" && m.rec.Task.Kind != TaskCut {
		m.rec.Cut, m.changed = "", true
	}
}

func (m *Machine) dropLatch() {
	if m.rec.Latch != nil {
		m.rec.Latch, m.changed = nil, true
	}
	m.proved = proved{}
	m.dropCut()
}

// forgetBoot is for a node whose boot is over, or unknown.
func (m *Machine) forgetBoot() {
	m.dropLatch()
	m.forgetLine()
	if m.rec.BootID != "" || m.rec.Announced != AnnouncedUnspecified {
		m.rec.BootID, m.rec.Announced, m.changed = "", AnnouncedUnspecified, true
	}
}

// Requests.

func (m *Machine) takeTask() {
	switch ev := m.ev.(type) {
	case Start:
		m.rec.Task = Task{Operation: ev.Operation, Kind: TaskStart}
		m.want(DesiredOn)
		m.why = "to be started"
	case Stop:
		m.rec.Task = Task{Operation: ev.Operation, Kind: TaskStop}
		m.want(DesiredOff)
		m.why = "to be stopped"
	case Reboot:
		m.rec.Task = Task{Operation: ev.Operation, Kind: TaskReboot}
		m.why = "to be restarted"
	case Test:
		m.rec.Task = Task{Operation: ev.Operation, Kind: TaskTest}
	}
	m.asked, m.pulse, m.changed = asked{}, pulse{}, true
}

// joinStop makes a shutdown that is under way, or over, the operation's.
func (m *Machine) joinStop() {
	op := m.ev.(Stop).Operation
	m.rec.Task = Task{Operation: op, Kind: TaskStop, Asked: true, Accepted: true, BootID: m.rec.BootID}
	m.changed = true
	m.dropCut()
	m.want(DesiredOff)
	m.why = "to be stopped; it has shut down already"
}

// endAtOnce ends a request that finds its work done.
func (m *Machine) endAtOnce(operation, reason string) {
	m.emit(Ended{Operation: operation, Outcome: OutcomeDone, Reason: reason})
}
func (m *Machine) alreadyUp() {
	m.want(DesiredOn)
	m.endAtOnce(m.ev.(Start).Operation, "it was up already")
}
func (m *Machine) alreadyOff() {
	m.want(DesiredOff)
	m.endAtOnce(m.ev.(Stop).Operation, "it was off already")
}
func (m *Machine) alreadyHalted() {
	m.want(DesiredOff)
	m.endAtOnce(m.ev.(Stop).Operation, "halted, still powered: it has no rail")
}

func (m *Machine) force() {
	ev := m.ev.(Cut)
	m.end(OutcomeFailed, "overruled: "+ev.Operation+" cuts its rail by force")
	m.rec.Task = Task{Operation: ev.Operation, Kind: TaskCut, Reason: ev.Reason}
	m.rec.Cut = "forced: " + ev.Reason
	m.want(DesiredOff)
	m.restage()
}

func (m *Machine) calledOff() {
	switch m.rec.Task.Kind {
	case TaskStart:
		m.want(DesiredOff)
	case TaskStop:
		m.want(DesiredOn)
	}
	m.why = "called off"
	if reason := m.ev.(Cancel).Reason; reason != "" {
		m.why += ": " + reason
	}
	m.end(OutcomeCancelled, m.why)
}

func (m *Machine) takeOut() {
	m.why = "taken out by a person"
	m.dropLatch()
	m.rec.Maintenance, m.changed = new(true), true
}

func (m *Machine) takeBack() {
	m.why = "taken back by a person"
	m.rec.Maintenance, m.changed = new(false), true
	m.distrust()
	m.observed = m.now
}

// distrust forgets what could make a later level a proof: the node may be in another boot, or in another's hands.
func (m *Machine) distrust() {
	if m.rec.SeenLow || m.rec.LowBefore || m.rec.Announced != AnnouncedUnspecified {
		m.rec.SeenLow, m.rec.LowBefore, m.rec.Announced, m.changed = false, false, AnnouncedUnspecified, true
	}
}

func (m *Machine) clearFault() {
	m.why = "cleared by a person"
	m.fail("cleared by a person")
	m.dropLatch()
	m.distrust()
	m.rec.Fault, m.changed = FaultNone, true
	m.rail.moved, m.rail.tries, m.rail.failed, m.rail.granted = false, 0, nil, false
	m.observed, m.stage = m.now, m.now
}

func (m *Machine) begin() {
	m.why = "the supply carries it"
	m.forgetBoot()
	m.rail.granted, m.rail.tries, m.rail.moved, m.rail.failed = true, 0, false, nil
	m.line.wasHigh, m.agent.alive = false, false
	m.restage()
}

func (m *Machine) proceed() { m.asked.proceed = m.now }

func (m *Machine) wiringSeen() {
	if m.Wiring() != WiringTested && m.cfg.Line {
		m.rec.Wiring, m.rec.Doubted, m.changed = WiringTested, false, true
	}
}

// Adoption.

func (m *Machine) dropTask() {
	if m.doing(TaskCut) {
		m.end(OutcomeFailed, "the master restarted before the forced cut; nothing was cut, ask again if it is still wanted")
		m.dropCut()
		return
	}
	m.end(OutcomeFailed, "the coordinator was interrupted in the middle; run it again")
}

func (m *Machine) endForMaintenance() {
	m.end(OutcomeFailed, "it is in maintenance")
	m.dropLatch()
}

func (m *Machine) keepStage() {
	m.dropCut()
	if m.foreign() {
		m.restage()
		m.rec.SeenLow, m.rec.LowBefore = false, false // it may have lost its power with the master, and be booting
	}
}

func (m *Machine) forgetCut() { m.dropCut() }

func (m *Machine) forgetMove() { m.rail.moved = false }

func (m *Machine) railFellEarlier() { m.rail.fall = m.now }

func (m *Machine) adoptOff() {
	m.fail("its rail was found off, and bramble had not cut it")
	m.why = "its rail was found off"
	m.forgetBoot()
}

func (m *Machine) forgetLatch() { m.dropLatch() }

func (m *Machine) adoptSilent() {
	m.dropCut()
	m.fail("it is not heard since the coordinator started; nothing was asked of it")
	m.why = "it has power and is not heard; it may be booting"
	m.markStage()
}

// Stages.

func (m *Machine) beginStage() { m.restage() }

// loseSight begins a stage that is worth a write only where something can come of it.
func (m *Machine) loseSight() {
	if m.onlyHeard() {
		m.markStage()
		return
	}
	m.restage()
}
func (m *Machine) markStage() { m.stage, m.still = m.now, 0 }

// The rail.

func (m *Machine) write(on bool) {
	r := &m.rail
	r.want, r.seen, r.writing, r.contrary, r.failed = feedOf(on), feedUnknown, true, 0, nil
	if r.tries == 0 {
		r.took = false
	}
	r.tries++
	m.emit(SwitchRail{On: on})
}

func (m *Machine) switchOn() {
	m.rail.rise, m.stage = m.now, m.now
	m.milestone("rail on", "")
	m.write(true)
}

func (m *Machine) switchAgain() { m.write(m.rail.want == feedOn) }

func (m *Machine) cut() {
	m.rail.fall, m.rail.tries, m.rail.moved, m.rail.granted = m.now, 0, false, false
	m.why = m.rec.Cut
	m.milestone("cut", m.rec.Cut)
	m.write(false)
}

func (m *Machine) adoptFall() {
	m.rail.want, m.rail.fall, m.rail.contrary, m.rail.moved, m.rail.tries, m.rail.granted = feedOff, m.now, 0, true, 0, false
}

func (m *Machine) losePower() {
	m.adoptFall()
	m.fail("its rail went off, and bramble did not do it: it lost its power")
	m.dropLatch()
}

func (m *Machine) adoptRise() {
	m.rail.want, m.rail.rise, m.rail.contrary, m.rail.moved, m.rail.tries, m.rail.granted = feedOn, m.now, 0, true, 0, false
	if m.state == StateStarting && m.rec.Task.Kind != TaskStart {
		m.end(OutcomeFailed, "its rail went on again, and bramble did not do it")
	}
	m.forgetBoot()
	m.markStage()
}

func (m *Machine) off() {
	m.why = "its rail is off, its line is low and its stream is gone"
	switch {
	case !m.cfg.Line:
		m.why = "its rail is off and its stream is gone"
	case m.line.level == LevelUnknown:
		m.why = "its rail is off and its stream is gone; its line cannot be read"
	}
	m.milestone("off", m.why)
	if m.rec.Cut != "" || m.doing(TaskStop) {
		m.want(DesiredOff)
	}
	m.end(OutcomeDone, "off")
	m.forgetBoot()
	m.rec.Cut, m.rec.Fault, m.changed = "", FaultNone, true
	m.rail.tries = 0
}

// Faults.

func (m *Machine) fault(f Fault, why string) {
	m.why = why
	m.end(OutcomeFailed, f.String()+": "+why)
	m.dropLatch()
	m.rec.Fault, m.changed = f, true
}

func (m *Machine) welded() {
	why := "its rail reads off, but its done line is high"
	if m.agent.spoke.After(m.rail.fall.Add(streamMargin)) {
		why = "its rail reads off, but its agent is heard"
	}
	m.fault(FaultRailWelded, why)
}

func (m *Machine) railFailed() {
	why := fmt.Sprintf("the rail does not read as it was written, %d times", m.rail.tries)
	switch {
	case m.rail.failed != nil:
		why = fmt.Sprintf("the rail could not be written, %d times: %v", m.rail.tries, m.rail.failed)
	case m.rail.err != nil:
		why = fmt.Sprintf("the rail was written and cannot be read: %v", m.rail.err)
	}
	m.fault(FaultRailFailed, why)
}

func (m *Machine) faultNoBoot() {
	m.fault(FaultNoBoot, fmt.Sprintf("its rail is on and its agent was not heard within %v", m.cfg.BootDeadline))
}
