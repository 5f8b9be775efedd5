package power

import "fmt"

// refuses says that May has an opinion on this event.
func refuses(ev Event) bool {
	switch ev.(type) {
	case Start, Stop, Reboot, Cut, Test, Cancel, Maintain, Clear:
		return true
	default:
		return false
	}
}

// May says why a Start, Stop, Reboot, Cut, Test, Cancel, Maintain or Clear would be refused now: nil or a *Refusal. Step
// with an event that May refuses changes nothing.
func (m *Machine) May(ev Event) error {
	var r *Refusal
	switch ev := ev.(type) {
	case Start:
		r = m.mayStart()
	case Stop:
		r = m.mayStop()
	case Reboot:
		r = m.mayReboot()
	case Cut:
		r = m.mayForce(ev)
	case Test:
		r = m.mayTest()
	case Cancel:
		r = m.mayCancel(ev)
	case Maintain:
		r = m.mayMaintain(ev)
	case Clear:
		r = m.mayClear()
	}
	if r == nil {
		return nil
	}
	r.Node = m.cfg.Node
	return r
}

func refuse(promise int, do, format string, args ...any) *Refusal {
	return &Refusal{Promise: promise, What: fmt.Sprintf(format, args...), Do: do}
}

// common is what forbids every task.
func (m *Machine) common(what string) *Refusal {
	t := m.rec.Task
	switch {
	case m.state == StateMaintenance:
		return refuse(nonsense, m.command("node maintenance %s --off"), "cannot %s: it is in maintenance and is not switched", what)
	case t.Kind != TaskNone:
		return refuse(once, "wait for it, or `bramblectl operation "+t.Operation+" cancel`", "cannot %s: operation %s (%v) has it", what, t.Operation, t.Kind)
	case m.state == StateUnknown:
		return refuse(adopts, "ask again in 10 s", "cannot %s: the coordinator still observes it", what)
	case m.state == StateFault:
		return refuse(unproved, m.command("power clear %s")+" once you have looked at it", "cannot %s: %v: %s", what, m.rec.Fault, m.why)
	default:
		return nil
	}
}

func (m *Machine) command(format string) string {
	return "`bramblectl " + fmt.Sprintf(format, m.cfg.Node) + "`"
}

func (m *Machine) mayStart() *Refusal {
	if m.cfg.Master {
		return refuse(nonsense, "nothing needs to be done", "cannot start: it is the master, and it is up")
	}
	if r := m.common("start"); r != nil {
		return r
	}
	switch m.state {
	case StateOff, StateStarting, StateBooting, StateReady:
		return nil
	case StateHalted, StateLost:
		if m.noRail() {
			return nil
		}
		if m.state == StateHalted {
			return refuse(unproved, m.command("power cycle %s"), "cannot start: it has shut down and still has power; only a cut starts it again")
		}
		return refuse(unproved, m.command("power cycle %s --force --reason R"), "cannot start: it has power already and is not heard")
	case StateStuck:
		return refuse(unproved, m.command("power cycle %s --force --reason R"), "cannot start: it is stuck in its shutdown and has power already")
	default:
		return refuse(once, "wait until it is off or up", "cannot start: it is %v", m.state)
	}
}

func (m *Machine) mayStop() *Refusal {
	if m.cfg.Master {
		return refuse(adopts, "`bramblectl case stop --master` stops the workers first", "cannot stop: it is the master, whose end may take every rail with it")
	}
	if r := m.common("stop"); r != nil {
		return r
	}
	switch m.state {
	case StateOff:
		return nil
	case StateReady:
		return m.blind()
	case StateStopping:
		return m.untested()
	case StateHalted:
		return m.untested()
	case StateStarting, StateBooting, StateRebooting:
		return refuse(unproved, "wait until it is ready", "cannot stop: it is %v, and its agent cannot be asked yet", m.state)
	default:
		return refuse(unproved, m.command("power off %s --force --reason R")+" cuts it without a proof", "cannot stop: it is %v, %s", m.state, m.why)
	}
}

// blind is why nobody could see the end of its power-off, where its rail would wait for that.
func (m *Machine) blind() *Refusal {
	s := m.rec.Signal
	switch {
	case !m.cfg.Line || m.noRail(), m.cfg.Rail == RailCommand && !m.seesEnd():
		return nil // asked without a signal: nothing waits for the line
	case s.Error != "":
		return refuse(unproved, "`bramble-agent doctor` on it says more", "cannot stop: its done signal would not be given: %s", s.Error)
	case s.Mechanism == MechanismNone:
		return refuse(unproved, "add the gpio-poweroff overlay or install bramble-done on it", "cannot stop: its agent reports no done signal, so nobody could see its end")
	case m.line.level == LevelHigh:
		return refuse(unproved, "look at its wire, pull-down and polarity", "cannot stop: its done line is high although it is up, and proves nothing")
	case m.line.level != LevelLow:
		return refuse(unproved, "see `bramble-coordinator doctor`", "cannot stop: its done line cannot be read: %v", m.lineError())
	case m.rec.Noisy:
		return refuse(unproved, "look at its wire; then "+m.quiets(), "cannot stop: its done line moved while it was up, and proves nothing")
	case s.Mechanism == MechanismHelper && m.rec.HighAtBoot:
		return refuse(unproved, "use a pin that is pulled down at reset (GPIO 9 to 27)", "cannot stop: its done line is high while it boots, and a level proves nothing")
	case !m.rec.SeenLow:
		return refuse(unproved, "ask again in a moment", "cannot stop: its done line was not seen low yet while it is up")
	}
	return m.untested()
}

// quiets is what makes a line count again that moved while its node was up.
func (m *Machine) quiets() string {
	if m.rec.Signal.Mechanism == MechanismOverlay {
		return m.command("reboot %s")
	}
	return m.command("power test %s")
}

func (m *Machine) lineError() string {
	if m.line.err != nil {
		return m.line.err.Error()
	}
	return "not read yet"
}

func (m *Machine) untested() *Refusal {
	if m.noRail() || !m.cfg.Line || !m.wiringUnknown() {
		return nil
	}
	do := m.command("power test %s")
	if m.rec.Signal.Mechanism == MechanismOverlay || m.state != StateReady {
		do = "type `poweroff` on it while all the others are up: that tests it"
	}
	return refuse(unproved, do+"; or set trust_wiring for it", "cannot stop: nobody has tested that its done line is its own")
}

func (m *Machine) mayReboot() *Refusal {
	if m.cfg.Master {
		return refuse(adopts, "`bramblectl case stop --master` stops the workers first", "cannot reboot: it is the master, whose end may take every rail with it")
	}
	if r := m.common("reboot"); r != nil {
		return r
	}
	if m.state != StateReady {
		return refuse(nonsense, "wait until it is ready", "cannot reboot: it is %v", m.state)
	}
	return nil
}

func (m *Machine) mayForce(ev Cut) *Refusal {
	switch {
	case m.noRail():
		return refuse(nonsense, "pull its plug", "cannot cut: it has no rail")
	case m.state == StateMaintenance:
		return m.common("cut")
	case ev.Reason == "":
		return refuse(unproved, "say why with --reason", "cannot cut: a cut without a proof needs a reason")
	case m.state == StateUnknown:
		return refuse(adopts, "ask again in 10 s", "cannot cut: the coordinator still observes it")
	case m.doing(TaskCut):
		return refuse(once, "wait for it", "cannot cut: operation %s is cutting it", m.rec.Task.Operation)
	case m.state == StateOff, m.state == StateQueued, m.state == StateCutting:
		return refuse(nonsense, "nothing needs to be cut", "cannot cut: it is %v", m.state)
	default:
		return nil
	}
}

func (m *Machine) mayTest() *Refusal {
	if r := m.common("test"); r != nil {
		return r
	}
	switch {
	case !m.cfg.Line:
		return refuse(nonsense, "configure one, or leave it", "cannot test: it has no done line")
	case m.state != StateReady:
		return refuse(nonsense, "test it while it is ready", "cannot test: it is %v", m.state)
	case m.rec.Signal.Mechanism == MechanismOverlay:
		return refuse(unproved, "type `poweroff` on it while all the others are up: that tests it; or set trust_wiring for it",
			"cannot test: the kernel owns its end of the line (gpio-poweroff overlay) and gives no pulse")
	case m.line.level == LevelHigh:
		return refuse(unproved, "look at its wire, pull-down and polarity", "cannot test: its done line is high although it is up")
	case m.line.level != LevelLow:
		return refuse(unproved, "see `bramble-coordinator doctor`", "cannot test: its done line cannot be read: %v", m.lineError())
	default:
		return nil
	}
}

func (m *Machine) mayCancel(ev Cancel) *Refusal {
	t := m.rec.Task
	switch {
	case t.Kind == TaskNone || t.Operation != ev.Operation:
		return refuse(nonsense, "`bramblectl operations` lists them", "cannot cancel: operation %s does not hold it", ev.Operation)
	case m.state == StateQueued, m.state == StateReady && t.Kind == TaskTest, m.state == StateDraining && t.Kind != TaskCut && !t.Asked:
		return nil
	default:
		return refuse(once, "wait for its end", "cannot cancel: its %v is under way (%v)", t.Kind, m.state)
	}
}

func (m *Machine) mayMaintain(ev Maintain) *Refusal {
	switch {
	case ev.On == (m.state == StateMaintenance):
		return refuse(nonsense, "nothing needs to be done", "maintenance is that already")
	case !ev.On:
		return nil
	case m.rec.Task.Kind != TaskNone:
		return m.common("go into maintenance")
	case !quiet.has(m.state):
		return refuse(once, "wait until it is off", "cannot go into maintenance: it is %v", m.state)
	default:
		return nil
	}
}

func (m *Machine) mayClear() *Refusal {
	broken := in(StateFault, StateStuck, StateLost).has(m.state)
	switch {
	case (broken || m.rail.moved) && m.rec.Task.Kind != TaskNone:
		return m.common("clear")
	case broken, m.rail.moved && m.state != StateUnknown && m.state != StateMaintenance:
		return nil
	}
	return refuse(nonsense, "nothing needs to be done", "cannot clear: it is %v, which is no fault", m.state)
}
