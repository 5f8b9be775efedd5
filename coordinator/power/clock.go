package power

import "time"

// Deadline is when the present state ends by itself; false when it does not.
func (m *Machine) Deadline() (time.Time, bool) {
	switch m.state {
	case StateUnknown:
		return m.observed.Add(observeFor), true
	case StateStarting, StateBooting:
		return m.stage.Add(m.cfg.BootDeadline), !m.unswitched()
	case StateRebooting:
		return m.stage.Add(m.cfg.BootDeadline), true
	case StateDraining:
		if m.rec.Task.Asked {
			return m.stage.Add(m.cfg.StopDeadline), true
		}
		return m.asked.proceed.Add(askWithin), !m.asked.proceed.IsZero()
	case StateStopping:
		return m.stage.Add(m.cfg.StopDeadline), true
	case StateProven:
		return m.cutAt(), true
	case StateHalted:
		return m.cutAt(), m.cfg.CutWhenHalted && m.rec.Latch != nil && m.hasRail() && !m.wiringUnknown()
	case StateCutting:
		return m.rail.fall.Add(offAfter), true
	case StateStuck, StateLost:
		return m.unprovedCutAt()
	default:
		return time.Time{}, false
	}
}

// Next is when the machine wants a Tick at the latest; false without such a time.
func (m *Machine) Next() (time.Time, bool) {
	var next time.Time
	consider := func(t time.Time) {
		if t.After(m.now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if t, ok := m.Deadline(); ok {
		consider(t)
	}
	m.railTimes(consider)
	m.lineTimes(consider)
	switch m.state {
	case StateUnknown:
		consider(m.observed.Add(offAfter))
		consider(m.rail.fall.Add(offAfter))
	case StateProven, StateHalted, StateStuck, StateLost:
		if t, ok := m.Deadline(); ok && t.After(m.now) {
			consider(m.now.Add(time.Second)) // or the machine counts as not looking
		}
	case StateReady, StateDraining:
		consider(m.asked.again)
		if m.doing(TaskTest) && !m.pulse.asked.IsZero() {
			consider(m.pulse.replied.Add(pulseSettles))
			consider(m.pulse.asked.Add(pulseWithin))
		}
	case StateStopping:
		if m.noRail() {
			consider(m.stage.Add(silentFor))
			consider(m.agent.silent.Add(silentFor))
		}
	}
	return next, !next.IsZero()
}

func (m *Machine) railTimes(consider func(time.Time)) {
	switch m.state {
	case StateStarting:
		if m.unswitched() {
			consider(m.rail.fall.Add(minimumOff))
		}
	case StateCutting:
		consider(m.rail.fall.Add(lineFallsIn))
		consider(m.rail.fall.Add(blindFor))
	default:
		return
	}
	if m.rail.failed != nil || m.rail.contrary > 0 {
		consider(m.rail.written.Add(railAgain))
	}
}

func (m *Machine) lineTimes(consider func(time.Time)) {
	if !m.proofCounts() {
		return
	}
	if due, ok := m.line.proof.due(m.rec.Signal, m.lived(), m.lowBefore()); ok {
		consider(due)
		if ripe := m.line.proof.ripe; !ripe.IsZero() {
			consider(ripe.Add(settles))
		}
	}
}

// cutAt is when a proved node may be cut.
func (m *Machine) cutAt() time.Time {
	at := m.proved.at
	if m.stood.After(at) {
		at = m.stood // what waited to be read then may say that it lives
	}
	at = at.Add(max(m.grace(), quietFor))
	if m.proved.quiet.After(at) {
		return m.proved.quiet
	}
	return at
}

func (m *Machine) grace() time.Duration {
	switch {
	case m.cfg.Grace > 0:
		return m.cfg.Grace
	case m.rec.Latch != nil && m.rec.Latch.Mechanism == MechanismOverlay:
		return 2 * time.Second
	default:
		return 10 * time.Second
	}
}

// unprovedCutAt is when the configuration cuts a stuck or lost node without a proof; false when it never does. A machine
// that has just begun to observe waits for the agent first.
func (m *Machine) unprovedCutAt() (time.Time, bool) {
	after := m.cfg.CutStuckAfter
	if m.state == StateLost {
		after = m.cfg.FenceLostAfter
	}
	if after <= 0 || m.noRail() {
		return time.Time{}, false
	}
	at := m.stage.Add(after + m.still)
	if least := m.observed.Add(min(after, m.cfg.BootDeadline)); least.After(at) {
		at = least
	}
	if least := m.stood.Add(min(after, observeFor)); !m.stood.IsZero() && least.After(at) {
		at = least
	}
	return at, true
}
