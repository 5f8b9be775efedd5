package storm

import (
	"errors"
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
)

// breakSomething sets a random fault that could happen there and then.
func (w *world) breakSomething() {
	kinds := []sim.FaultKind{
		sim.FaultSupplySag, sim.FaultSilentAgent, sim.FaultHungShutdown, sim.FaultDoneStuckHigh, sim.FaultDoneStuckLow,
		sim.FaultDoneInverted, sim.FaultDoneGlitches, sim.FaultDoneBouncing, sim.FaultDoneFloating, sim.FaultDoneReleased,
		sim.FaultNoBoot, sim.FaultSlowShutdown, sim.FaultWatchdogReset, sim.FaultRebootsInstead, sim.FaultDeadAgent,
		sim.FaultAgentDiesAnnounced, sim.FaultAgentDiesBefore, sim.FaultRefusedPowerOff, sim.FaultRailWelded,
		sim.FaultRailDead, sim.FaultRailStuck, sim.FaultFailedRail, sim.FaultUnreadableRail,
	}
	f := sim.Fault{Kind: kinds[w.random.IntN(len(kinds))]}
	switch f.Kind {
	case sim.FaultDoneGlitches:
		f.Value = 2 + 10*w.random.Float64()
	case sim.FaultSlowShutdown:
		f.Value = 5 + 200*w.random.Float64()
	case sim.FaultWatchdogReset:
		f.Value = 10 + 110*w.random.Float64()
	}
	if f.Kind.OfBoard() {
		b := w.anyBoard()
		if !visible(f.Kind, b) {
			return
		}
		f.Board = b.name
	}
	w.fault(f)
}

// visible says whether a coordinator could see a fault of a line. What raises a line while its board shuts down looks
// like a helper's signal, and there is nothing in the world that could tell.
func visible(k sim.FaultKind, b *board) bool {
	switch k {
	case sim.FaultDoneStuckHigh, sim.FaultDoneInverted, sim.FaultDoneFloating:
		return b.State() == sim.StateRunning && !b.Silent()
	}
	return true
}

func (w *world) fault(f sim.Fault) {
	if err := w.c.Fault(f); err == nil { // what the board has
		w.counts.Faults[f.Kind.String()]++
		w.say("fault %v (%.1f)", f, f.Value)
	}
}

func (w *world) mendSomething() {
	if all := w.c.Faults(); len(all) > 0 {
		w.mend(all[w.random.IntN(len(all))])
	}
}

func (w *world) mend(f sim.Fault) {
	w.say("mended: %v", f)
	if err := w.c.Clear(f); err != nil {
		panic(fmt.Sprintf("storm: %v", err)) // it was listed
	}
}

// kill ends the coordinator between two events.
func (w *world) kill() {
	if w.shell.Core() == nil {
		return
	}
	w.shell.Crash()
	w.died("it is killed")
}

// armDeath has the coordinator die in the middle of what it does, some boundaries from now.
func (w *world) armDeath() { w.dieIn = 1 + w.random.IntN(60) }

// dies is asked at every boundary.
func (w *world) dies() bool {
	w.boundaries++
	if w.dieIn == 0 {
		return false
	}
	if w.dieIn--; w.dieIn > 0 {
		return false
	}
	w.counts.MidAct++
	w.died("it is killed in the middle")
	return true
}

func (w *world) died(how string) {
	w.counts.Deaths++
	w.returnAt = w.c.Now() + w.span(0, 3*time.Second)
	if !w.calm && w.chance(0.3) {
		w.returnAt = w.c.Now() + w.span(0, time.Minute)
	}
	w.say("the coordinator: %s", how)
}

// revive begins the next coordinator when its time has come.
func (w *world) revive() {
	if w.shell.Core() != nil || w.c.Now() < w.returnAt || w.dark || !w.master.Running() {
		return
	}
	if !w.calm && w.chance(0.04) {
		w.say("the memory is damaged")
		w.disk.Hurt("the file was torn")
		for _, k := range w.wishes {
			k.excused = true
		}
	}
	w.say("the coordinator starts again")
	if err := w.shell.Restart(); err != nil {
		w.violate("the coordinator does not start again: %v", err)
	}
	w.dirty = true
	w.recall()
}

// recall finds out what became of requests that a dead coordinator did not answer.
func (w *world) recall() {
	core := w.shell.Core()
	if core == nil {
		return // it died at once
	}
	for _, k := range w.wishes {
		if k.id != "" || k.refused || k.excused {
			continue
		}
		k.refused = true
		for _, o := range core.Operations() {
			if o.RequestID == k.request.RequestID {
				k.id, k.refused = o.ID, false
			}
		}
	}
}

var errFull = errors.New("no space left on device")

// fillDisk fills the disk, or makes room.
func (w *world) fillDisk() {
	if w.disk.Fails == nil {
		w.disk.Fails = errFull
	} else {
		w.disk.Fails = nil
	}
	w.dirty = true
	w.say("the disk: %v", w.disk.Fails)
}

// rebootMaster restarts the master under rails that hold, after a case stop or without.
func (w *world) rebootMaster() {
	if w.shell.Core() != nil && w.chance(0.5) {
		w.request(core.Request{
			Kind: core.OperationStopCase, Shutdown: true, RequestID: fmt.Sprintf("r%d", w.counts.Requests+1),
			By: "systemd", Reason: "the master reboots",
		})
		for range 200 {
			if k := w.wishes[len(w.wishes)-1]; k.over || k.refused || w.broken != "" {
				break
			}
			w.pass(time.Second)
		}
	}
	w.say("the master reboots")
	w.newBoot()
}

func (w *world) newBoot() {
	w.boots++
	w.counts.Boots++
	w.bootedAt = w.c.Now()
	w.shell.NewBoot(fmt.Sprintf("boot-%d", w.boots))
	w.dieIn = 0
	w.returnAt = w.c.Now() + w.span(5*time.Second, 20*time.Second)
}

// outage takes the mains, or brings them back.
func (w *world) outage() {
	if !w.dark && !w.chance(0.4) {
		return
	}
	w.mains(w.dark)
}

func (w *world) mains(on bool) {
	w.say("mains: %v", on)
	w.dark = !on
	w.c.Mains(on)
	if !on {
		w.shell.Crash()
		w.dieIn = 0
		for _, k := range w.wishes {
			clear(k.rose) // what the mains took may be switched on once more
		}
		return
	}
	w.newBoot()
}

// hang freezes a board that runs.
func (w *world) hang() {
	if b := w.anyBoard(); b.State() == sim.StateRunning {
		w.say("%s freezes", b.name)
		_ = b.Hang() // it runs
	}
}

// busy changes what a board does.
func (w *world) busy() {
	_ = w.anyBoard().SetLoad(w.random.Float64()) // in range
}
