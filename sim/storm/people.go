package storm

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// wish is an operation that a person asked for.
type wish struct {
	request core.Request
	id      string // of the operation; "" while it is not known whether it was accepted
	nodes   []string
	refused bool
	excused bool // the memory was damaged since
	over    bool
	rose    map[string]bool // nodes that were switched on for it
	forced  map[string]bool // nodes that were cut for it without a proof
	done    map[string]bool // nodes that it says it has done
	begun   time.Duration
}

func (k *wish) String() string {
	return fmt.Sprintf("%v of %v (%s, request %s)", k.request.Kind, k.nodes, k.id, k.request.RequestID)
}

func (k *wish) covers(b *board) bool { return slices.Contains(k.nodes, b.name) }

func (k *wish) stops() bool {
	switch k.request.Kind {
	case core.OperationPowerOff, core.OperationPowerCycle, core.OperationStopCase:
		return true
	}
	return false
}

func (k *wish) starts() bool {
	switch k.request.Kind {
	case core.OperationPowerOn, core.OperationPowerCycle, core.OperationStartCase:
		return true
	}
	return false
}

// act does one thing that people, boards or fate do.
func (w *world) act() {
	deeds := []struct {
		weight int
		do     func()
	}{
		{22, w.ask}, {2, w.retry}, {3, w.cancel}, {2, w.maintain}, {3, w.clearFaults}, {2, w.typed},
		{8, w.breakSomething}, {4, w.mendSomething}, {2, w.kill}, {5, w.armDeath}, {1, w.fillDisk},
		{1, w.rebootMaster}, {1, w.outage}, {1, w.plug}, {1, w.hang}, {1, w.busy}, {2, w.acknowledge}, {1, w.callOff},
	}
	sum := 0
	for _, d := range deeds {
		sum += d.weight
	}
	n := w.random.IntN(sum)
	for _, d := range deeds {
		if n -= d.weight; n < 0 {
			d.do()
			return
		}
	}
}

// ask asks for a random operation.
func (w *world) ask() {
	if w.shell.Core() == nil && w.chance(0.8) {
		return // nobody answers
	}
	kinds := []core.OperationKind{
		core.OperationPowerOn, core.OperationPowerOn, core.OperationPowerOn, core.OperationPowerOff, core.OperationPowerOff,
		core.OperationPowerOff, core.OperationPowerOff, core.OperationPowerCycle, core.OperationPowerCycle,
		core.OperationReboot, core.OperationReboot, core.OperationStartCase, core.OperationStopCase, core.OperationTestWiring,
		core.OperationTestWiring,
	}
	r := core.Request{
		Kind: kinds[w.random.IntN(len(kinds))], RequestID: fmt.Sprintf("r%d", w.counts.Requests+1),
		By: "somebody", Reason: "a storm", DryRun: w.chance(0.03),
	}
	switch r.Kind {
	case core.OperationStartCase, core.OperationStopCase:
		r.Master = r.Kind == core.OperationStopCase && w.chance(0.2)
	default:
		if r.Nodes = w.some(r.Kind); len(r.Nodes) == 0 {
			return
		}
	}
	switch r.Kind {
	case core.OperationPowerOff:
		r.Force = w.chance(0.08)
	case core.OperationPowerCycle:
		r.Force, r.Rolling = w.chance(0.08), w.chance(0.3)
	case core.OperationReboot:
		r.Rolling = w.chance(0.3)
	}
	w.request(r)
}

// some draws workers to ask something of, mostly such as it makes sense for.
func (w *world) some(kind core.OperationKind) (names []string) {
	sensible := w.chance(0.8)
	for _, i := range w.random.Perm(len(w.boards)) {
		b := w.boards[i]
		fits := b.State() == sim.StateRunning
		switch kind {
		case core.OperationPowerOn:
			fits = b.State() == sim.StateOff
		case core.OperationTestWiring:
			fits = fits && b.DoneSignal().By == sim.DoneByHelper
		case core.OperationPowerCycle:
			fits = fits && b.pin != nil
		}
		if fits || !sensible {
			names = append(names, b.name)
		}
	}
	if len(names) > 1 && w.chance(0.7) {
		names = names[:1+w.random.IntN(len(names)-1)]
	}
	return names
}

// request asks, and remembers what may come of it.
func (w *world) request(r core.Request) *wish {
	w.counts.Requests++
	k := &wish{request: r, nodes: r.Nodes, rose: make(map[string]bool), forced: make(map[string]bool), done: make(map[string]bool), begun: w.c.Now()}
	if len(r.Nodes) == 0 {
		for _, b := range w.boards {
			k.nodes = append(k.nodes, b.name)
		}
	}
	if !r.DryRun {
		w.wishes = append(w.wishes, k)
	}
	w.put(k)
	return k
}

// put asks for what is wished, perhaps not for the first time.
func (w *world) put(k *wish) {
	k.refused = false // as far as anyone knows, from here on
	a, err := w.shell.Ask(func(ticket uint64) core.Event {
		r := k.request
		r.Ticket = ticket
		return r
	})
	w.say("somebody asks for %v of %v (force %v, rolling %v, %s): %s", k.request.Kind, k.request.Nodes, k.request.Force,
		k.request.Rolling, k.request.RequestID, outcome(a, err))
	switch {
	case errors.Is(err, virtual.ErrDown):
		if w.shell.Core() != nil {
			w.violate("%v is not answered", k)
		}
	case k.request.DryRun:
	case err != nil:
		w.counts.Refused++
		k.refused = k.id == ""
		if k.id != "" && errors.Is(err, core.ErrNotFound) {
			w.violate("%v was accepted, and is unknown when it is asked for again", k)
		}
	case a.Operation == nil:
		w.violate("%v was answered without an operation", k)
	case k.id != "" && k.id != a.Operation.ID:
		w.violate("%v is operation %s when it is asked for again", k, a.Operation.ID)
	default:
		k.id, k.refused = a.Operation.ID, false
		w.dirty = true
	}
}

func outcome(a core.Answer, err error) string {
	switch {
	case err != nil:
		return "refused: " + err.Error()
	case a.Operation != nil:
		return fmt.Sprintf("operation %s, %v", a.Operation.ID, a.Operation.State)
	default:
		return fmt.Sprintf("accepted, a plan of %d steps", len(a.Plan))
	}
}

// retry asks once more for something, under the same name.
func (w *world) retry() {
	if len(w.wishes) > 0 {
		if k := w.wishes[w.random.IntN(len(w.wishes))]; !k.excused {
			w.put(k)
		}
	}
}

func (w *world) cancel() {
	open := w.open()
	if len(open) == 0 {
		return
	}
	k := open[w.random.IntN(len(open))]
	_, err := w.shell.Ask(func(ticket uint64) core.Event { return core.CancelOperation{Ticket: ticket, ID: k.id, By: "somebody"} })
	w.say("somebody cancels %v: %v", k, err)
}

func (w *world) maintain() {
	b, on := w.anyBoard(), w.chance(0.5)
	_, err := w.shell.Ask(func(ticket uint64) core.Event {
		return core.Maintain{Ticket: ticket, Nodes: []string{b.name}, On: on, By: "somebody", Reason: "a screwdriver"}
	})
	w.say("somebody sets maintenance of %s to %v: %v", b.name, on, err)
}

func (w *world) clearFaults() {
	b := w.anyBoard()
	_, err := w.shell.Ask(func(ticket uint64) core.Event {
		return core.ClearFault{Ticket: ticket, Nodes: []string{b.name}, By: "somebody", Reason: "looked at it"}
	})
	w.say("somebody clears %s: %v", b.name, err)
}

func (w *world) acknowledge() {
	if w.disk.Damage() == "" {
		return
	}
	_, err := w.shell.Ask(func(ticket uint64) core.Event { return core.AcknowledgeStore{Ticket: ticket, By: "somebody"} })
	w.say("somebody acknowledges the damage: %v", err)
}

// typed shuts a worker down, or restarts it, at its keyboard.
func (w *world) typed() {
	b := w.anyBoard()
	do, what := b.Board.PowerOff, "poweroff"
	if w.chance(0.4) {
		do, what = b.Board.Reboot, "reboot"
	}
	if err := do(); err == nil {
		w.say("somebody types %s on %s", what, b.name)
		if w.chance(0.15) {
			w.pass(w.span(0, time.Second))
			w.callOff()
		}
	}
}

// callOff takes back what was typed, or asked, in the last moment.
func (w *world) callOff() {
	for _, b := range w.boards {
		if b.CancelShutdown() == nil {
			w.say("somebody types shutdown -c on %s", b.name)
		}
	}
}

// plug starts a worker again that has halted and has no rail.
func (w *world) plug() {
	for _, b := range w.boards {
		if b.pin == nil && b.State() == sim.StateHalted {
			w.say("somebody pulls the plug of %s and puts it back", b.name)
			b.plugged = w.c.Now()
			b.Plug(false)
			b.Plug(true)
		}
	}
}

func (w *world) anyBoard() *board { return w.boards[w.random.IntN(len(w.boards))] }
