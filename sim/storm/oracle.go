package storm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/sim"
)

// effect sees what the coordinator wants done, before it is.
func (w *world) effect(e core.Effect) {
	w.counts.Effects++
	switch e := e.(type) {
	case core.Store:
		for _, entry := range e.Entries {
			w.dirty = w.dirty || entry.Bucket == "operations"
		}
		if w.trace != nil {
			w.say("  writes %v", keys(e.Entries))
		}
	case core.Publish, core.Answer, core.Refuse, core.Connect, core.WriteDuty:
	default:
		if w.trace != nil {
			w.say("  wants %T%+v", e, e)
		}
	}
	if w.tamper.effect != nil {
		w.tamper.effect(w, e)
	}
}

func keys(entries []core.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Bucket+"/"+e.Key)
	}
	return all
}

// hear takes what the coordinator tells its subscribers.
func (w *world) hear(r core.Report) {
	if w.trace != nil {
		w.say("  says %s: %s", r.Subject, r.Message)
	}
}

// mayCut is asked before a pin falls: what is then lost is judged by why.
func (w *world) mayCut(b *board) {
	w.drain()
	b.force, b.overdue = w.forced(b), w.overdue(b)
}

// forced is what somebody has asked for that allows one cut without proof, or nil.
func (w *world) forced(b *board) *wish {
	for _, k := range w.wishes {
		if k.request.Force && !k.refused && !k.excused && !k.over && k.covers(b) && k.stops() && !k.forced[b.name] {
			return k
		}
	}
	return nil
}

// overdue says whether the owner's own deadline for a cut without proof has passed.
func (w *world) overdue(b *board) bool {
	p := b.cfg.Power
	if p.FenceLostAfter > 0 && w.c.Now()-b.heard >= p.FenceLostAfter {
		return true
	}
	if p.CutStuckAfter == 0 {
		return false
	}
	if b.down && w.c.Now()-b.downAt >= p.CutStuckAfter {
		return true
	}
	return slices.ContainsFunc(w.wishes, func(k *wish) bool {
		return !k.refused && !k.excused && k.covers(b) && k.stops() && w.c.Now()-k.begun >= p.CutStuckAfter
	})
}

// edge is a rail's pin that moved by the coordinator's doing.
func (w *world) edge(b *board, on bool) {
	w.drain()
	w.say("rail of %s: %v", b.name, on)
	if w.disk.Damage() != "" {
		w.violate("the rail of %s moved although nobody has acknowledged that the memory was damaged", b.name)
	}
	if on {
		w.counts.Rises++
		w.rise(b)
		return
	}
	w.counts.Cuts++
	b.starting = false
	switch {
	case w.mayFall(b), b.overdue:
	case b.force != nil:
		b.force.forced[b.name] = true
	default:
		w.violate("the rail of %s was cut for no reason", b.name)
	}
}

// mayFall says whether a cut with proof has a cause: the board's system shut down, and somebody wanted the power off.
func (w *world) mayFall(b *board) bool {
	if !b.down {
		return false
	}
	if b.cfg.Power.CutWhenHalted {
		return true
	}
	for _, k := range w.wishes {
		if k.covers(b) && k.stops() && !k.refused {
			return true
		}
	}
	return false
}

// rise wants a cause for a pin that rose, and room on the supply.
func (w *world) rise(b *board) {
	b.starting, b.down = true, false
	if w.overdrawn() {
		w.violate("with %s the supply is committed to %.3f A of %.3f", b.name, w.committed(), w.supply)
	}
	for _, k := range w.wishes {
		if k.covers(b) && k.starts() && !k.refused && !k.excused && !k.over && !k.rose[b.name] {
			k.rose[b.name] = true
			return
		}
	}
	if w.boots > b.outage && w.cfg.AfterOutage != "stay" {
		b.outage = w.boots
		return
	}
	w.violate("the rail of %s was switched on for no reason", b.name)
}

// committed is what the boards that have power may draw, in amperes: less than what a coordinator counts, which does not
// know who has halted.
func (w *world) committed() float64 {
	sum := w.fixed
	for i, n := range w.cfg.Nodes {
		board := w.c.Boards()[i]
		switch state := board.State(); {
		case state == sim.StateOff || state == sim.StateHalted:
		case i > 0 && w.boards[i-1].starting:
			sum += n.BootPeakAmperes
		default:
			sum += n.MaximumAmperes
		}
	}
	return sum
}

const rounding = 1e-9 // A

func (w *world) overdrawn() bool { return w.supply > 0 && w.committed() > w.supply+rounding }

// check holds the world against the promises.
func (w *world) check() {
	w.drain()
	for _, b := range w.boards {
		if !b.Silent() {
			b.heard = w.c.Now()
		} else if i := slices.Index(w.forge, b); i >= 0 {
			w.forge = slices.Delete(w.forge, i, i+1)
			w.fault(sim.Fault{Kind: sim.FaultDoneStuckHigh, Board: b.name})
		}
	}
	if n := w.c.LostFileSystems(); n > w.losses {
		for _, loss := range w.c.Losses()[w.losses:] {
			w.lost(loss)
		}
		w.losses = n
	}
	if w.master.State() == sim.StateHalted {
		w.say("the master has halted, and the coordinator with it")
		w.wakeMaster()
	}
	if w.dirty && w.shell.Core() != nil && w.disk.Fails == nil {
		w.dirty = false
		w.follow()
	}
}

// drain takes what has happened to the boards.
func (w *world) drain() {
	for e, more := w.events.Next(); more; e, more = w.events.Next() {
		w.happened(e)
	}
}

// wakeMaster has somebody put the master's plug back, who shut it down.
func (w *world) wakeMaster() {
	w.master.Plug(false)
	w.master.Plug(true)
	w.newBoot()
}

// happened takes what happened to a board.
func (w *world) happened(e sim.Event) {
	if w.trace != nil {
		w.say("    %v", e)
	}
	b := w.board(e.Board)
	if b == nil {
		return
	}
	switch e.Kind {
	case sim.EventPowerOff, sim.EventUnannounced:
		b.down, b.downAt = true, e.At
	case sim.EventCancelled, sim.EventReady, sim.EventRailOn, sim.EventBoot:
		b.down = false
	}
	if e.Kind == sim.EventReady && b.starting {
		b.starting = false
		if w.overdrawn() {
			w.violate("with %s up the supply is committed to %.3f A of %.3f", b.name, w.committed(), w.supply)
		}
	}
}

func (w *world) board(name string) *board {
	for _, b := range w.boards {
		if b.name == name {
			return b
		}
	}
	return nil
}

// lost judges a lost file system.
func (w *world) lost(l sim.Loss) {
	b := w.board(l.Board)
	if l.By != sim.CutByRail || b != nil && (b.force != nil || b.overdue) {
		w.counts.Forced++
		return
	}
	w.counts.Lost++
	w.violate("%s lost its file systems", l.Board)
}

// follow asks how the operations are. While the disk is full their ends are not on disk, and may be undone by a crash;
// who cancels is told so.
func (w *world) follow() {
	for _, k := range w.wishes {
		if k.over || k.id == "" || k.excused {
			continue
		}
		o, err := w.shell.Core().Operation(k.id)
		if err != nil {
			w.violate("%v is forgotten: %v", k, err)
			return
		}
		for _, step := range o.Steps {
			if b := w.board(step.Node); step.State == core.StepDone && b != nil && !k.done[step.Node] {
				k.done[step.Node] = true
				w.believe(k, b)
			}
		}
		if o.State != core.OperationRunning {
			k.over = true
			w.counts.Operations[o.State.String()]++
			w.say("%v is %v: %s", k, o.State, o.Message)
		}
	}
}

// believe wants a board to be as an operation says that it left it just now, unless something is broken about it.
func (w *world) believe(k *wish, b *board) {
	switch state := b.State(); k.request.Kind {
	case core.OperationPowerOff, core.OperationStopCase:
		replugged := b.plugged > 0 && b.plugged >= k.begun
		if b.tells() && state != sim.StateOff && state != sim.StateHalted && !replugged && !w.faulty(b) {
			w.violate("%v says that it is done, and %s is %v", k, b.name, state)
		}
	case core.OperationPowerOn, core.OperationStartCase, core.OperationPowerCycle, core.OperationReboot:
		if b.heard < k.begun {
			w.violate("%v says that it is done, and %s has been silent since", k, b.name)
		}
	case core.OperationTestWiring:
		if w.swapped(b) {
			w.violate("%v says that it is done, and the line of %s is another's", k, b.name)
		}
	}
}

// tells says whether the end of the board's shutdown can be seen at all.
func (b *board) tells() bool {
	return b.DoneSignal().By != sim.DoneByNone && b.cfg.Power.Rail != power.RailCommand
}

// faulty says whether something is broken about a board that may have deceived the coordinator.
func (w *world) faulty(b *board) bool {
	return slices.ContainsFunc(w.c.Faults(), func(f sim.Fault) bool { return f.Board == b.name || f.Other == b.name })
}

func (w *world) swapped(b *board) bool {
	return slices.ContainsFunc(w.c.Faults(), func(f sim.Fault) bool {
		return f.Kind == sim.FaultDoneSwapped && (f.Board == b.name || f.Other == b.name)
	})
}

// open returns the operations that have not ended yet, as far as is known.
func (w *world) open() (open []*wish) {
	for _, k := range w.wishes {
		if !k.over && !k.refused && !k.excused && k.id != "" {
			open = append(open, k)
		}
	}
	return open
}

// unended is an operation that has not ended, whether its requester knows of it or not; empty when all have.
func (w *world) unended() string {
	for _, o := range w.shell.Core().Operations() {
		if o.State != core.OperationRunning {
			continue
		}
		parts := []string{fmt.Sprintf("%s, %v", o.ID, o.Kind)}
		for _, step := range o.Steps {
			if step.State == core.StepWaiting || step.State == core.StepRunning {
				parts = append(parts, fmt.Sprintf("%s %v: %s", step.Node, step.State, step.Message))
			}
		}
		return strings.Join(parts, "; ")
	}
	if open := w.open(); len(open) > 0 {
		return open[0].String()
	}
	return ""
}

// began is told of every shutdown that a system begins for an operation.
func (w *world) began(node, operation string) {
	key := node + " " + operation
	if w.shutdown[key] {
		w.violate("%s shut down twice for operation %s", node, operation)
	}
	w.shutdown[key] = true
	if b := w.board(node); b != nil && w.tamper.began != nil {
		w.tamper.began(w, b)
	}
}
