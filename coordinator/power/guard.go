package power

import "time"

// The guards of the table: what must hold for a transition. They change nothing, but that looking at a finished proof
// starts its settling.

func (m *Machine) hasRail() bool { return m.cfg.Rail != RailNone }
func (m *Machine) noRail() bool  { return m.cfg.Rail == RailNone }
func (m *Machine) unfed() bool   { return m.rail.seen == feedOff }
func (m *Machine) doing(k TaskKind) bool {
	return m.rec.Task.Kind == k
}

// seesEnd says that the done line would show the end of a power-off.
func (m *Machine) seesEnd() bool {
	return m.cfg.Line && m.rec.Signal.Mechanism != MechanismNone && m.rec.Signal.Error == ""
}

// foreign says that the present stage began in another boot of the master.
func (m *Machine) foreign() bool {
	_, ok := m.when(m.rec.Since)
	return !ok
}

func (m *Machine) maintainOn() bool  { ev, ok := m.ev.(Maintain); return ok && ev.On }
func (m *Machine) maintainOff() bool { ev, ok := m.ev.(Maintain); return ok && !ev.On }

func (m *Machine) inMaintenance() bool {
	if m.rec.Maintenance != nil {
		return *m.rec.Maintenance
	}
	return m.cfg.Maintenance
}

// The observation of a new coordinator.

func (m *Machine) faultKept() bool { return m.rec.Fault != FaultNone }
func (m *Machine) waited() bool    { return m.over(m.observed, observeFor) }

// fed says that the node has power, as far as can be known yet.
func (m *Machine) fed() bool {
	return !m.unfed() && (m.rail.seen == feedOn || m.agent.alive || m.waited())
}

func (m *Machine) taskVoid() bool {
	return m.doing(TaskTest) || m.doing(TaskCut) && (m.foreign() || m.noRail()) && m.fed()
}
func (m *Machine) resumesForce() bool { return m.forceOnDisk() && m.fed() }
func (m *Machine) cutFound() bool     { return m.rec.Cut != "" && m.unfed() }

func (m *Machine) heardUnfed() bool {
	return m.unfed() && m.agent.alive && m.agent.spoke.After(m.rail.fall.Add(streamMargin))
}

func (m *Machine) offFound() bool {
	return m.unfed() && !m.agent.alive && m.over(m.observed, offAfter) && m.over(m.rail.fall, offAfter) &&
		m.lineAllowsOff(m.over(m.observed, blindFor))
}

// lineAllowsOff says that the line does not speak against a node without power; one that cannot be read does, until blind.
func (m *Machine) lineAllowsOff(blind bool) bool {
	return m.line.level == LevelLow || m.line.level == LevelNone || m.line.level == LevelUnknown && blind
}

func (m *Machine) offWithStart() bool { return m.doing(TaskStart) && m.offFound() }
func (m *Machine) highUnfed() bool    { return m.unfed() && m.line.level == LevelHigh && m.waited() }

func (m *Machine) isHeard() bool  { return m.agent.alive && !m.unfed() }
func (m *Machine) isSilent() bool { return !m.agent.alive }

func (m *Machine) fresh() bool {
	return m.isHeard() && !m.agent.sampled.IsZero() && !m.agent.sampled.Before(m.rail.rise)
}

func (m *Machine) heardAfterLatch() bool {
	l := m.rec.Latch
	return l != nil && m.isHeard() && (m.agent.spoke.After(m.proved.at) || m.rec.BootID != l.BootID)
}

// newBoot says that the node runs in another boot than the one that was asked.
func (m *Machine) newBoot() bool {
	t := m.rec.Task
	return (t.Kind == TaskStop || t.Kind == TaskReboot) && t.Asked && m.isHeard() && m.rec.BootID != t.BootID
}

func (m *Machine) restartedInstead() bool { return m.doing(TaskStop) && m.newBoot() }
func (m *Machine) rebooted() bool         { return m.doing(TaskReboot) && m.newBoot() }
func (m *Machine) heardRebooting() bool {
	return m.isHeard() && (m.announcedReboot() || m.doing(TaskReboot) && m.rec.Task.Accepted)
}
func (m *Machine) heardStopping() bool {
	return m.isHeard() && (m.announcedOff() || m.doing(TaskStop) && m.rec.Task.Accepted)
}
func (m *Machine) heardDraining() bool {
	return m.isHeard() && (m.doing(TaskStop) || m.doing(TaskReboot))
}

func (m *Machine) onlySilent() bool { return m.onlyHeard() && m.silentFound() }

func (m *Machine) silentFound() bool { return m.waited() && !m.agent.alive && !m.unfed() }
func (m *Machine) latchForeign() bool {
	if m.rec.Latch == nil || !m.silentFound() {
		return false
	}
	_, ok := m.when(m.rec.Latch.At)
	return !ok
}
func (m *Machine) resumesProven() bool {
	return m.rec.Latch != nil && m.doing(TaskStop) && m.hasRail() && m.silentFound()
}
func (m *Machine) resumesHalted() bool { return m.rec.Latch != nil && m.silentFound() }
func (m *Machine) resumesQueued() bool {
	return m.resumesHalted() && m.noRail() && m.doing(TaskStart)
}
func (m *Machine) resumesStart() bool { return m.doing(TaskStart) && m.silentFound() }
func (m *Machine) resumesStuck() bool { return m.rec.Was == StateStuck && m.silentFound() }
func (m *Machine) resumesLost() bool  { return m.rec.Was == StateLost && m.silentFound() }
func (m *Machine) resumesReboot() bool {
	return (m.doing(TaskReboot) && m.rec.Task.Asked || m.announcedReboot()) && m.silentFound()
}
func (m *Machine) resumesStop() bool {
	return (m.doing(TaskStop) && m.rec.Task.Asked || m.announcedOff()) && m.silentFound()
}

// The rail.

func (m *Machine) railFell() bool {
	r := &m.rail
	ours := m.state == StateStarting && r.granted && !r.took // then railAgain and railGaveUp decide
	return m.hasRail() && r.want == feedOn && r.seen == feedOff && r.contrary >= 2 && !ours
}

func (m *Machine) railRose() bool {
	r := &m.rail
	return m.hasRail() && r.want == feedOff && r.seen == feedOn && r.contrary >= 2
}

func (m *Machine) railMoved() bool { return m.rail.moved }
func (m *Machine) cameBack() bool  { return m.rec.Cut == "" && m.railRose() }

func (m *Machine) unswitched() bool { return m.hasRail() && m.rail.granted && m.rail.tries == 0 }

func (m *Machine) maySwitchOn() bool {
	return m.unswitched() && m.doing(TaskStart) && m.onDisk() && !m.rail.writing && m.over(m.rail.fall, minimumOff)
}

// railRefuses says that no write brought what was wanted. What took it once and is something else now was moved by others.
func (m *Machine) railRefuses() bool {
	r := &m.rail
	return r.tries > 0 && !r.writing && !r.took && (r.failed != nil || r.contrary > 0) && m.over(r.written, railAgain)
}

func (m *Machine) railAgain() bool {
	mine := m.state != StateCutting || m.rec.Cut != "" && m.onDisk()
	return m.railRefuses() && m.rail.tries < railTries && mine && !m.spokeUncut()
}

// spokeUncut says that a node is heard after a cut that its rail did not take: only a person's cut is tried again then.
func (m *Machine) spokeUncut() bool {
	other := m.rec.Latch != nil && m.rec.Latch.BootID != m.rec.BootID
	return m.state == StateCutting && !m.doing(TaskCut) && (other || !m.agent.spoke.Before(m.rail.fall))
}

func (m *Machine) railGaveUp() bool {
	r := &m.rail
	blind := m.state == StateCutting && r.err != nil && !r.writing && m.over(r.fall, blindFor)
	return m.railRefuses() && (r.tries >= railTries || m.spokeUncut()) || blind
}

// Starting and restarting.

func (m *Machine) bootOver() bool {
	return !m.unswitched() && m.over(m.stage, m.cfg.BootDeadline)
}
func (m *Machine) noBoot() bool          { return m.doing(TaskStart) && m.hasRail() && m.bootOver() }
func (m *Machine) announcedReboot() bool { return m.rec.Announced == AnnouncedReboot }
func (m *Machine) announcedOff() bool {
	return m.rec.Announced == AnnouncedPowerOff || m.rec.Announced == announcedUnclear
}
func (m *Machine) silentHigh() bool {
	return m.isSilent() && (m.line.level == LevelHigh || m.onlyHeard())
}

// onlyHeard says that nothing but its agent tells of the node.
func (m *Machine) onlyHeard() bool     { return m.noRail() && !m.cfg.Line }
func (m *Machine) heardUnproved() bool { return m.rec.Latch == nil && m.isHeard() }
func (m *Machine) shutdownCancelled() bool {
	ev, ok := m.ev.(Announced)
	return ok && ev.Kind == AnnouncedCancelled
}
func (m *Machine) heardNoReboot() bool {
	return m.isHeard() && !m.announcedReboot() && !m.doing(TaskReboot)
}
func (m *Machine) rebootNever() bool { return m.isHeard() && m.bootOver() }

// The wiring test.

func (m *Machine) mayPulse() bool {
	return m.doing(TaskTest) && m.onDisk() && m.pulse.asked.IsZero() && m.agent.alive
}
func (m *Machine) pulseOver() bool {
	p := &m.pulse
	if !m.doing(TaskTest) || p.asked.IsZero() {
		return false
	}
	return !p.replied.IsZero() && (p.err != nil || m.over(p.replied, pulseSettles)) || m.over(p.asked, pulseWithin)
}

// Asked.

func (m *Machine) readyToAsk() bool {
	return !m.asked.proceed.IsZero() && !m.rec.Task.Asked && (m.doing(TaskStop) || m.doing(TaskReboot))
}
func (m *Machine) mayNotAsk() bool {
	return m.readyToAsk() && m.agent.alive && m.doing(TaskStop) && m.blind() != nil
}
func (m *Machine) mayAsk() bool    { return m.readyToAsk() && m.agent.alive }
func (m *Machine) cannotAsk() bool { return m.readyToAsk() && m.over(m.asked.proceed, askWithin) }
func (m *Machine) askDue() bool {
	t, a := m.rec.Task, &m.asked
	return t.Asked && !t.Accepted && !a.waiting && a.refused == nil && m.agent.alive && m.onDisk() && !m.now.Before(a.again)
}
func (m *Machine) isRefused() bool      { return m.asked.refused != nil }
func (m *Machine) acceptedStop() bool   { return m.doing(TaskStop) && m.rec.Task.Accepted }
func (m *Machine) acceptedReboot() bool { return m.doing(TaskReboot) && m.rec.Task.Accepted }
func (m *Machine) silentReboot() bool {
	return m.doing(TaskReboot) && m.rec.Task.Asked && m.isSilent()
}
func (m *Machine) rebootUnanswered() bool {
	return m.doing(TaskReboot) && m.rec.Task.Asked && m.over(m.stage, m.cfg.StopDeadline)
}

// Shutting down.

func (m *Machine) isRestarted() bool {
	return m.isHeard() && (m.newBoot() || m.rec.Announced == AnnouncedUnspecified && !m.doing(TaskStop))
}

// proofCounts says that the end of this boot was asked for or announced, and that its line can show it.
func (m *Machine) proofCounts() bool {
	t, s := m.rec.Task, m.rec.Signal
	wanted := t.Kind == TaskStop && t.Asked && t.BootID == m.rec.BootID || m.announcedOff()
	believed := m.rec.SeenLow && !m.rec.Noisy && !m.unfed() && !(s.Mechanism == MechanismHelper && m.rec.HighAtBoot)
	return m.rec.Latch == nil && m.seesEnd() && wanted && believed && !m.announcedReboot() && t.Kind != TaskReboot && t.Kind != TaskCut
}

func (m *Machine) isProved() bool {
	return m.proofCounts() && m.line.level == LevelHigh && m.line.proof.finished(m.now, m.rec.Signal, m.lived(), m.lowBefore())
}

// lowBefore says that the line was low when this end began, and that it is not one that rises by itself at a reset.
func (m *Machine) lowBefore() bool { return m.rec.LowBefore && !m.rec.HighAtBoot }

// lived is until when the node was up for certain: until it was asked, or announced its end, and until its last sample.
func (m *Machine) lived() time.Time {
	if m.agent.spoke.After(m.asked.at) {
		return m.agent.spoke
	}
	return m.asked.at
}
func (m *Machine) latchTorn() bool   { return m.rec.Latch != nil && m.proved.torn }
func (m *Machine) latchOnDisk() bool { return m.rec.Latch != nil && m.onDisk() }
func (m *Machine) latchForStop() bool {
	return m.latchOnDisk() && m.doing(TaskStop) && m.hasRail()
}
func (m *Machine) silentEnough() bool {
	from := m.stage
	if m.agent.silent.After(from) {
		from = m.agent.silent
	}
	return m.noRail() && !m.seesEnd() && m.isSilent() && m.over(from, silentFor)
}
func (m *Machine) stopOver() bool {
	return m.rec.Latch == nil && m.over(m.stage, m.cfg.StopDeadline) &&
		(m.state == StateStopping || m.doing(TaskStop) && m.rec.Task.Asked)
}
func (m *Machine) stopUnclear() bool {
	return m.rec.Announced == announcedUnclear && !m.doing(TaskStop) && m.stopOver()
}
func (m *Machine) stopNever() bool { return m.stopUnclear() && m.isHeard() }

// The cut.

func (m *Machine) wiringUnknown() bool { return m.Wiring() == WiringUntested }

// cutWanted says that a proved node is to be cut, and that nothing but time is in the way.
func (m *Machine) cutWanted() bool {
	wanted := m.state == StateProven || m.cfg.CutWhenHalted
	return wanted && m.latchOnDisk() && m.hasRail() && !m.wiringUnknown() && !m.now.Before(m.cutAt())
}

// proofIsOld says that what kept the cut back (the disk, a person) took so long that the node may have been started since,
// and that its line does not show the contrary.
func (m *Machine) proofIsOld() bool {
	return m.cutWanted() && !m.proved.doubted && m.line.level != LevelHigh && m.over(m.proved.at, max(m.grace(), quietFor)+resumeWithin)
}

func (m *Machine) mayCutProven() bool { return m.cutWanted() && m.rec.Cut == "" }
func (m *Machine) mayCutStuck() bool {
	at, ok := m.unprovedCutAt()
	return ok && m.rec.Latch == nil && m.rec.Cut == "" && !m.now.Before(at)
}
func (m *Machine) mayFence() bool { return m.mayCutStuck() }

// cutOnDisk says that the reason of a cut is on disk and still holds.
func (m *Machine) cutOnDisk() bool {
	unproved := m.state == StateStuck || m.state == StateLost
	return m.rec.Cut != "" && m.onDisk() && m.hasRail() && (unproved || m.rec.Latch != nil && !m.wiringUnknown())
}
func (m *Machine) forceOnDisk() bool {
	return m.doing(TaskCut) && m.rec.Cut != "" && m.onDisk() && m.hasRail()
}
func (m *Machine) isWelded() bool {
	r := &m.rail
	if r.seen != feedOff || r.writing || r.failed != nil && !r.took {
		return false
	}
	return m.agent.spoke.After(r.fall.Add(streamMargin)) || m.line.level == LevelHigh && m.over(r.fall, lineFallsIn)
}
func (m *Machine) offProved() bool {
	r := &m.rail
	return r.seen == feedOff && !r.writing && (r.failed == nil || r.took) && m.over(r.fall, offAfter) && m.lineAllowsOff(m.over(r.fall, blindFor))
}
