package power

import (
	"fmt"
	"time"
)

// What transitions do to the task of a node that is up, restarts or shuts down.

func (m *Machine) up() {
	m.dropCut()
	m.rail.tries, m.rail.granted = 0, false
	switch m.rec.Task.Kind {
	case TaskStart:
		m.milestone("ready", "")
		m.end(OutcomeDone, "up")
		m.want(DesiredOn)
	case TaskNone:
		m.want(DesiredOn)
	}
}

func (m *Machine) failNotHeard() {
	m.restage()
	m.why = fmt.Sprintf("it has power and was not heard within %v", m.cfg.BootDeadline)
	if m.noRail() {
		m.why = fmt.Sprintf("it was not heard within %v; it has no rail, so a person must plug it in or press its button", m.cfg.BootDeadline)
	}
	if m.rec.Task.Kind != TaskCut {
		m.end(OutcomeFailed, m.why)
	}
}

// The wiring test.

func (m *Machine) askPulse() {
	m.pulse = pulse{asked: m.now}
	m.milestone("asked", "a pulse of its done line")
	m.emit(AskPulse{Operation: m.rec.Task.Operation, Width: pulseWidth})
}

func (m *Machine) judgePulse() {
	if wrong := m.pulse.wrong(); wrong != "" {
		if m.pulse.stray != "" && len(m.pulse.edges) == 0 {
			m.rec.Doubted = true // both lines are in doubt
			m.emit(Swapped{Node: m.pulse.stray})
		}
		m.end(OutcomeFailed, wrong)
		return
	}
	m.milestone("done signal", fmt.Sprintf("high for %v", m.pulse.edges[1].Sub(m.pulse.edges[0]).Round(time.Millisecond)))
	m.rec.Wiring, m.rec.Doubted, m.rec.Noisy, m.changed = WiringTested, false, false, true
	m.line.counted = noise{}
	m.end(OutcomeDone, "its done line is connected, the right way round, and its own")
}

// wrong is why the pulse proves nothing; empty when it proves the wiring.
func (p *pulse) wrong() string {
	switch {
	case p.err != nil:
		return "its agent gave no pulse: " + p.err.Error() +
			"; where the kernel owns the line, type `poweroff` on it while all the others are up: that tests it too"
	case p.replied.IsZero():
		return fmt.Sprintf("its agent did not answer within %v; nothing is known of its wiring", pulseWithin)
	case p.stray != "" && len(p.edges) == 0:
		return "its pulse came on the line of " + p.stray + ": the wires are swapped; swap them, or the lines in the configuration, and test both again"
	case p.stray != "":
		return "the line of " + p.stray + " moved as well: the wires touch, or both were tested at once; test again, one at a time"
	case len(p.edges) == 0:
		return "its pulse was not seen: the wire is loose, on another pin, or broken"
	case len(p.edges) != 2:
		return fmt.Sprintf("one pulse was sent and %d edges were seen: the wire is loose or picks up another signal", len(p.edges))
	}
	// The agent's sleep never ends early, and late when its board is busy.
	if width := p.edges[1].Sub(p.edges[0]); width < pulseWidth*7/10 || width > 3*pulseWidth {
		return fmt.Sprintf("a pulse of %v was sent and one of %v was seen: the wire picks up another signal", pulseWidth, width.Round(time.Millisecond))
	}
	return ""
}

// Restarting.

func (m *Machine) doneReboot() {
	m.milestone("ready", "")
	m.end(OutcomeDone, "it restarted and is up")
	m.up()
}

func (m *Machine) offInstead() {
	m.restage()
	m.fail("it announced a power-off instead")
}

func (m *Machine) failReboot() {
	m.fail("it was to restart and is still up in the same boot")
	m.forgetAnnounced()
}

func (m *Machine) forgetAnnounced() {
	m.rec.Announced, m.changed = AnnouncedUnspecified, true
	m.up()
}

func (m *Machine) rebootInstead() {
	m.restage()
	if m.doing(TaskReboot) {
		m.markAccepted()
		return
	}
	m.fail("it announced a reboot instead")
}

func (m *Machine) markAccepted() {
	if m.doing(TaskCut) {
		return
	}
	if !m.rec.Task.Accepted {
		m.milestone("accepted", "")
	}
	m.rec.Task.Asked, m.rec.Task.Accepted, m.rec.Task.BootID, m.changed = true, true, m.rec.BootID, true
}

// Asking.

func (m *Machine) writeAsk() {
	m.asked.at = m.now
	m.rec.Task.Asked, m.rec.Task.BootID = true, m.rec.BootID
	m.rec.LowBefore = m.line.level == LevelLow
	m.restage()
}

func (m *Machine) ask() {
	m.asked.waiting = true
	operation := m.rec.Task.Operation
	m.milestone("asked", "")
	if m.doing(TaskReboot) {
		m.emit(AskReboot{Operation: operation})
		return
	}
	m.emit(AskPowerOff{Operation: operation, WithoutSignal: !m.seesEnd()})
}

func (m *Machine) failRefused() {
	m.fail("its agent refused: " + m.asked.refused.Error())
	m.up()
}

func (m *Machine) failBlind() {
	m.fail("nothing was asked of it: " + m.blind().Error())
	m.up()
}

func (m *Machine) failUnasked() {
	m.markStage()
	m.fail(fmt.Sprintf("its agent was not heard for %v, so nothing was asked of it", askWithin))
}

func (m *Machine) offAnnounced() {
	m.restage()
	if m.doing(TaskReboot) {
		m.fail("it announced a power-off instead")
		return
	}
	m.markAccepted()
}

// Shutting down.

func (m *Machine) failRestarted() {
	m.fail("it restarted instead of staying off")
	m.up()
}

func (m *Machine) failCancelled() {
	m.fail("its system called the shutdown off")
	m.up()
}

func (m *Machine) latch() {
	p, s := &m.line.proof, m.rec.Signal
	due, _ := p.due(s, m.lived(), m.lowBefore())
	l := &Latch{Mechanism: s.Mechanism, BootID: m.rec.BootID, At: m.instant(m.now)}
	for _, at := range p.kernelTimes(s) {
		l.Edges = append(l.Edges, m.instant(at))
	}
	m.milestone("done signal", s.Mechanism.String())
	m.dropCut()
	m.rec.Latch, m.changed = l, true
	m.proved = proved{at: m.now, due: due}
}

func (m *Machine) proven() { m.milestone("latched", "") }

func (m *Machine) voidProof() {
	restarted := m.rec.Latch.BootID != m.rec.BootID
	m.dropLatch()
	if restarted {
		m.fail("it restarted instead of staying off")
	} else {
		m.fail("its agent is heard after the proof: its done line lies, nothing is cut")
		m.distrust()
		m.line.proof = proof{}
	}
	m.up()
}

func (m *Machine) tearLatch() {
	m.dropLatch()
	m.why = "its line moved while its proof was taken: it was none"
}

func (m *Machine) halt() {
	m.dropCut()
	m.want(DesiredOff)
	m.why = "it has shut down and still has power"
	if !m.doing(TaskStop) {
		if !m.doing(TaskCut) {
			m.end(OutcomeFailed, m.why)
		}
		return
	}
	if m.hasRail() {
		m.end(OutcomeFailed, "halted, still powered: nobody has tested that its done line is its own (promise 1); "+
			"power it up and run `bramblectl power test "+m.cfg.Node+"`, or set trust_wiring")
		return
	}
	m.end(OutcomeDone, "halted, still powered: it has no rail")
}

func (m *Machine) stick() {
	m.restage()
	m.why = fmt.Sprintf("no proof within %v of its shutdown", m.cfg.StopDeadline)
	if m.rec.Announced == AnnouncedUnspecified {
		m.rec.Announced = AnnouncedPowerOff
	}
	if !m.seesEnd() && m.hasRail() && m.cfg.CutStuckAfter > 0 {
		return // the operation ends with the cut that the configuration sets
	}
	m.fail(m.why + "; its rail stays on")
	m.why = fmt.Sprintf("no proof within %v of its shutdown", m.cfg.StopDeadline)
}

// Cuts.

// doubt waits for a boot deadline of silence: somebody may have pressed its button since its line let go.
func (m *Machine) doubt() {
	m.dropCut()
	m.proved.quiet, m.proved.doubted = m.now.Add(m.cfg.BootDeadline), true
}

func (m *Machine) writeCut() {
	m.rec.Cut, m.changed = "proof of done by the "+m.rec.Latch.Mechanism.String(), true
}

func (m *Machine) writeCutStuck() {
	m.rec.Cut, m.changed = fmt.Sprintf("cut_stuck_after: no proof for %v", m.cfg.CutStuckAfter), true
}

func (m *Machine) writeFence() {
	m.rec.Cut, m.changed = fmt.Sprintf("fence_lost_after: lost for %v", m.cfg.FenceLostAfter), true
}
