package power

import (
	"fmt"
	"time"
)

// Explain is why the state is what it is, what comes next and what a person can do, in one line without the node's name.
func (m *Machine) Explain() string {
	text := m.state.String()
	if m.why != "" && m.state != StateOff && m.state != StateReady && m.state != StateMaintenance {
		text += ": " + m.why
	}
	if next := m.comes(); next != "" {
		text += "; " + next
	}
	if t := m.rec.Task; t.Kind != TaskNone {
		text += fmt.Sprintf(" (%v, operation %s)", t.Kind, t.Operation)
	}
	return text
}

// comes is what happens next, or what a person can do.
func (m *Machine) comes() string {
	if m.stored != m.number && m.rec.Task.Kind != TaskNone {
		return "waits for the memory on disk"
	}
	switch m.state {
	case StateUnknown:
		return fmt.Sprintf("observes rail, line and agent for up to %v", observeFor)
	case StateOff:
		return m.why
	case StateQueued:
		return "waits for the supply, the stagger, or those that come first"
	case StateStarting, StateBooting:
		return m.startComes()
	case StateReady:
		return m.readyComes()
	case StateRebooting:
		return fmt.Sprintf("is never cut; lost when not up %v after that began", m.cfg.BootDeadline)
	case StateDraining:
		return m.drainingComes()
	case StateStopping:
		return fmt.Sprintf("waits for its done line; stuck, with the rail on, %v after that began", m.cfg.StopDeadline)
	case StateProven:
		return "cut when its stream was quiet and the grace is over"
	case StateCutting:
		return "waits for rail, line and stream to show that it is off"
	case StateHalted:
		return m.haltedComes()
	case StateStuck:
		return m.unprovedComes(m.cfg.CutStuckAfter, "cut_stuck_after")
	case StateLost:
		return m.unprovedComes(m.cfg.FenceLostAfter, "fence_lost_after")
	case StateMaintenance:
		return "shown and never switched; " + m.command("node maintenance %s --off") + " takes it back"
	default:
		return m.faultComes()
	}
}

func (m *Machine) startComes() string {
	if m.unswitched() {
		return fmt.Sprintf("its rail goes on when it was off for %v", minimumOff)
	}
	if m.doing(TaskStart) && m.hasRail() {
		return fmt.Sprintf("a fault when not up within %v", m.cfg.BootDeadline)
	}
	return fmt.Sprintf("lost when not up within %v", m.cfg.BootDeadline)
}

func (m *Machine) readyComes() string {
	if m.cfg.Master {
		return ""
	}
	if r := m.blind(); r != nil {
		return r.Error()
	}
	return ""
}

func (m *Machine) drainingComes() string {
	switch {
	case m.asked.proceed.IsZero() && !m.rec.Task.Asked:
		return "waits for gates"
	case !m.agent.alive:
		return "waits for its agent to be heard"
	default:
		return "waits for its agent to accept"
	}
}

func (m *Machine) haltedComes() string {
	switch {
	case m.noRail():
		return "it has no rail: unplug it, or press its button to start it"
	case m.rec.Latch == nil:
		return "nothing proves that it is done"
	case m.wiringUnknown():
		return "left on, for nobody has tested that its done line is its own"
	case m.cfg.CutWhenHalted:
		return "its rail is cut when its stream was quiet and the grace is over"
	default:
		return m.command("power off %s") + " cuts its rail, " + m.command("power cycle %s") + " starts it again"
	}
}

func (m *Machine) unprovedComes(after time.Duration, name string) string {
	if m.noRail() {
		return "look at its screen; it has no rail to cut"
	}
	if after > 0 {
		return fmt.Sprintf("its rail is cut %v after that began (%s)", after, name)
	}
	return "its rail stays on; look at its screen, or " + m.command("power off %s --force --reason R")
}

func (m *Machine) faultComes() string {
	clears := m.command("power clear %s") + " when you have looked at it"
	switch {
	case m.rec.Fault == FaultNoBoot && m.agent.alive:
		return "it came up late; " + clears
	case m.rec.Fault == FaultNoBoot:
		return "its rail stays on; look at its card and its screen, or " + m.command("power cycle %s --force --reason R") + "; " + clears
	case m.rec.Fault == FaultRailWelded:
		return "the switch may be shorted, or it is fed another way: measure before you touch; " + clears
	default:
		return "look at the switch and its wire; " + clears
	}
}

// judgeAlarms raises and ends alarms.
func (m *Machine) judgeAlarms() {
	l := &m.line
	up := m.agent.alive && m.agent.spoke.Sub(l.since) > highFor && m.state != StateOff && m.state != StateCutting
	high := m.rec.Noisy || l.level == LevelHigh && (up || m.alarms[AlarmLineHigh])
	m.alarm(AlarmStuck, m.state == StateStuck)
	m.alarm(AlarmFault, m.state == StateFault)
	m.alarm(AlarmLineHigh, high)
	m.alarm(AlarmWireUnreadable, l.err != nil || m.rail.err != nil)
	m.alarm(AlarmRailMoved, m.rail.moved)
}

func (m *Machine) alarm(kind AlarmKind, active bool) {
	if m.alarms[kind] == active {
		return
	}
	m.alarms[kind] = active
	m.emit(Alarm{Kind: kind, Active: active, Message: m.cfg.Node + ": " + m.alarmText(kind)})
}

func (m *Machine) alarmText(kind AlarmKind) string {
	switch kind {
	case AlarmLineHigh:
		if m.rec.Noisy {
			return "its done line was high, or moved, while it was up; it proves nothing and a stop is refused: look at its wire, then " + m.quiets()
		}
		return "its done line is high although it is up; it proves nothing and a stop is refused: look at its wire, pull-down and polarity"
	case AlarmWireUnreadable:
		if m.rail.err != nil {
			return fmt.Sprintf("its rail cannot be read: %v; see `bramble-coordinator doctor`", m.rail.err)
		}
		return fmt.Sprintf("its done line cannot be read: %v; see `bramble-coordinator doctor`", m.lineError())
	case AlarmRailMoved:
		return fmt.Sprintf("its rail went %s and bramble did not do it; look for another program on that line, then %s",
			map[bool]string{true: "on", false: "off"}[m.rail.want == feedOn], m.command("power clear %s"))
	default:
		return m.Explain()
	}
}
