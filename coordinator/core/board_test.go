package core_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
)

// boardState is what a board really does, which the core can only guess.
type boardState int

const (
	boardOff boardState = iota
	boardBooting
	boardUp
	boardStopping
	boardHalted
)

// board is the hardware of an agent: what its rail feeds and what raises its done line.
type board struct {
	real          bool // it is simulated, and not only talked about
	state         boardState
	life          int // counts what happened to it: timers of an earlier life do nothing
	boots         int
	bootFor       time.Duration
	stopFor       time.Duration
	signal        *core.DoneSignal
	wire          string // whose input its line leads to
	high          bool   // its own line
	stuck         string // "high", "low"
	hang, noBoot  bool   // in its shutdown; it never comes up
	refuses, deaf bool   // its agent, to be asked; its answer is lost
	unreached     bool   // no question gets to its agent, though its stream goes on
	welded        bool   // its rail feeds it whatever is switched
	asked         []string
	cuts          int
}

// timer is something that happens later.
type timer struct {
	at time.Duration
	do func()
}

// disk is what a store has written.
type disk struct {
	entries map[string]core.Entry
	fails   bool
	takes   time.Duration // for a write
	refused bool          // the last write
	damage  string
	writes  int
}

func (w *world) later(d time.Duration, do func()) {
	w.timers = append(w.timers, timer{w.at + d, do})
}

// alive is later, unless the board's life has changed by then.
func (w *world) alive(a *agent, d time.Duration, do func()) {
	life := a.life
	w.later(d, func() {
		if a.life == life {
			do()
		}
	})
}

// feed is what a rail does to its board.
func (w *world) feed(a *agent, on bool) {
	a.rail = map[bool]string{true: "on", false: "off"}[on]
	switch {
	case !a.real:
	case on && a.state == boardOff:
		w.bootUp(a)
		w.weigh()
	case !on && !a.welded && a.state != boardOff:
		if a.state != boardHalted {
			w.lost++
			w.out(w.at, "LOST a file system: "+a.name+" was cut while it ran")
		}
		a.cuts++
		a.life++
		a.state, a.up = boardOff, false
		a.hung = a.hung || a.open
		w.drive(a, false)
	}
}

// weigh compares what the boards draw at most with what the supply gives.
func (w *world) weigh() {
	sum := w.cfg.Supply.FixedAmperes
	for i, n := range w.cfg.Nodes {
		switch w.agents[i].state {
		case boardOff:
		case boardBooting:
			sum += n.BootPeakAmperes
		default:
			sum += n.MaximumAmperes
		}
	}
	if limit := w.cfg.Supply.LimitAmperes; limit > 0 && sum > limit+1e-9 {
		w.excesses++
		w.out(w.at, fmt.Sprintf("EXCESS: %.2f A of %.2f A", sum, limit))
	}
}

func (w *world) bootUp(a *agent) {
	a.life++
	a.state = boardBooting
	w.drive(a, false)
	if a.noBoot {
		return
	}
	w.alive(a, a.bootFor, func() {
		a.boots++
		a.state, a.up, a.boot, a.announced = boardUp, true, fmt.Sprintf("%s/%d", a.name, a.boots), core.ShutdownUnspecified
	})
}

// shutDown is what a board's system does once it was told to.
func (w *world) shutDown(a *agent, kind core.ShutdownKind) {
	if a.state != boardUp {
		return
	}
	a.life++
	a.state, a.announced = boardStopping, kind
	a.notices = append(a.notices, core.ShutdownNotice{Kind: kind})
	if a.open && !a.dark {
		w.speak(a)
	}
	w.alive(a, a.stopFor/2, func() {
		a.up = false
		w.end(a, "the agent stops")
	})
	if a.hang {
		return
	}
	w.alive(a, a.stopFor, func() {
		if kind == core.ShutdownReboot {
			w.bootUp(a)
			return
		}
		a.state = boardHalted
		w.signalDone(a)
	})
}

func (w *world) signalDone(a *agent) {
	switch {
	case a.signal == nil:
	case a.signal.Mechanism == power.MechanismHelper:
		w.drive(a, true)
	default:
		w.drive(a, true)
		w.alive(a, 100*time.Millisecond, func() { w.drive(a, false) })
		w.alive(a, 200*time.Millisecond, func() { w.drive(a, true) })
		w.alive(a, 3200*time.Millisecond, func() { w.drive(a, false) }) // the driver gives up and the processor is reset
	}
}

// drive sets a board's line, which the core sees where its wire ends.
func (w *world) drive(a *agent, high bool) {
	switch a.stuck {
	case "high":
		high = true
	case "low":
		high = false
	}
	if a.high == high {
		return
	}
	a.high = high
	if to := w.agent(a.wire); w.wired(to) {
		w.step(core.LineObserved{Node: to.name, High: high, At: w.now(), Edge: true})
	}
}

func (w *world) wired(a *agent) bool {
	return slices.ContainsFunc(w.cfg.Nodes, func(n core.NodeConfig) bool { return n.Name == a.name && n.Power.Line })
}

// lines are the levels that a new coordinator reads first.
func (w *world) lines() {
	for _, a := range w.agents {
		if to := w.agent(a.wire); w.wired(to) {
			w.step(core.LineObserved{Node: to.name, High: a.high, At: w.now()})
		}
	}
}

// written says what is wrong where an act is carried out that the disk does not justify.
func (w *world) written(e core.Effect) string {
	if w.disk == nil {
		return ""
	}
	record := func(node string) (r power.Record) {
		if err := json.Unmarshal(w.disk.entries["nodes/"+node].Value, &r); err != nil {
			w.out(w.at, err.Error())
		}
		return r
	}
	ok, node := true, ""
	switch e := e.(type) {
	case core.SwitchRail:
		node = e.Node
		if r := record(node); e.On {
			ok = r.Task.Kind == power.TaskStart
		} else {
			ok = r.Cut != "" || r.Task.Kind == power.TaskCut
		}
	case core.AskPowerOff:
		node = e.Node
		r := record(node)
		ok = r.Task.Kind == power.TaskStop && r.Task.Asked && r.Task.Operation == e.Operation
	case core.AskReboot:
		node = e.Node
		r := record(node)
		ok = r.Task.Kind == power.TaskReboot && r.Task.Asked && r.Task.Operation == e.Operation
	case core.AskPulse:
		node = e.Node
		ok = record(node).Task.Kind == power.TaskTest
	case core.StopMaster:
		node = e.Node
		ok = strings.Contains(string(w.disk.entries["operations/"+e.Operation].Value), fmt.Sprintf(`{"Node":%q,"State":%d`, node, core.StepRunning))
	}
	if ok && (node == "" || !w.disk.refused && w.disk.damage == "") {
		return ""
	}
	return fmt.Sprintf("UNWRITTEN: %s: %T is not on disk", node, e)
}

// carryOut is what the shell does for the power effects.
func (w *world) carryOut(e core.Effect) {
	if wrong := w.written(e); wrong != "" {
		w.unwritten++
		w.out(w.at, wrong)
	}
	switch e := e.(type) {
	case core.Store:
		w.store(e)
	case core.SwitchRail:
		w.out(w.at, fmt.Sprintf("switch %s %s", e.Node, map[bool]string{true: "on", false: "off"}[e.On]))
		if w.reach("before the rail is switched") {
			return
		}
		a := w.agent(e.Node)
		if a.railErr == nil {
			w.feed(a, e.On)
		}
		if !w.reach("after the rail was switched") {
			w.step(core.RailWritten{Node: e.Node, On: e.On, Err: a.railErr})
		}
	case core.AskPowerOff:
		w.ask(e.Node, e.Operation, "power off", core.ShutdownPowerOff)
	case core.StopMaster:
		w.ask(e.Node, e.Operation, "power off, as the last", core.ShutdownPowerOff)
	case core.AskReboot:
		w.ask(e.Node, e.Operation, "reboot", core.ShutdownReboot)
	case core.AskPulse:
		w.out(w.at, fmt.Sprintf("ask %s for a pulse of %s (%s)", e.Node, e.Width, e.Operation))
		a := w.agent(e.Node)
		w.alive(a, 20*time.Millisecond, func() { w.drive(a, true) })
		w.alive(a, 20*time.Millisecond+e.Width, func() { w.drive(a, false) })
		w.later(50*time.Millisecond+e.Width, func() { w.step(core.Pulsed{Node: e.Node, Operation: e.Operation}) })
	case core.AcknowledgeDamage:
		w.disk.damage = ""
	case core.Answer:
		w.answered(e)
	}
}

// ask is the agent's answer to a request, which it does once for each operation.
func (w *world) ask(name, operation, what string, kind core.ShutdownKind) {
	w.out(w.at, fmt.Sprintf("ask %s to %s (%s)", name, what, operation))
	if w.reach("before the agent is asked") {
		return
	}
	a, asker := w.agent(name), w.core
	w.later(50*time.Millisecond, func() {
		answer := core.Answered{Node: name, Operation: operation}
		key := operation + what
		switch {
		case !a.up || a.dark || a.unreached:
			answer.Err, answer.Unsure = errors.New("connection refused"), true
		case a.refuses:
			answer.Err = errors.New("interactive authentication required")
		case !slices.Contains(a.asked, key):
			a.asked = append(a.asked, key)
			w.shutDown(a, kind)
			fallthrough
		case a.deaf:
			if a.deaf {
				answer.Err, answer.Unsure = errors.New("the connection broke"), true
			}
		}
		if w.core == asker && !w.reach("before the agent's answer") {
			w.step(answer)
		}
	})
}

// store writes at once, or a while later.
func (w *world) store(e core.Store) {
	if w.disk.takes == 0 {
		w.save(e)
		return
	}
	asker := w.core
	w.later(w.disk.takes, func() {
		if w.core == asker && !w.dead {
			w.save(e)
		}
	})
}

func (w *world) save(e core.Store) {
	if w.reach("before the write") {
		return
	}
	var err error
	if w.disk.fails {
		err = errors.New("no space left on device")
	} else {
		w.disk.writes++
		var keys []string
		for _, entry := range e.Entries {
			key := entry.Bucket + "/" + entry.Key
			if w.disk.entries[key] = entry; entry.Value == nil {
				delete(w.disk.entries, key)
				key = "-" + key
			}
			if entry.Bucket != "events" {
				keys = append(keys, key)
			}
		}
		if w.verbose {
			w.out(w.at, "store "+strings.Join(keys, " "))
		}
	}
	w.disk.refused = err != nil
	if !w.reach("after the write") {
		w.step(core.Stored{Number: e.Number, Err: err})
	}
}

// reach is a place where the coordinator may be killed, and reports whether it was. It is back after three seconds.
func (w *world) reach(place string) bool {
	if w.dead || w.kill == nil || !w.kill(place) {
		return w.dead
	}
	w.dead = true
	w.out(w.at, "KILLED "+place)
	w.later(3*time.Second, func() {
		if err := w.open("master/1"); err != nil {
			panic(err)
		}
	})
	return true
}

func (w *world) answered(e core.Answer) {
	if w.reach("before the answer") {
		return
	}
	w.answers[e.Ticket] = e
	if e.Operation != nil {
		w.out(w.at, fmt.Sprintf("answer %d: %s %s", e.Ticket, e.Operation.ID, e.Operation.State))
	}
	for _, p := range e.Plan {
		w.out(w.at, fmt.Sprintf("  plan %d: %s: %s; %.2f A after it", p.Wave, p.Node, p.Action, p.CommittedAmperes))
	}
	if e.Operation == nil && e.Plan == nil {
		w.out(w.at, fmt.Sprintf("answer %d: done", e.Ticket))
	}
}

// open starts a coordinator that remembers, or does so again after it was killed. The master's boot has the given name.
func (w *world) open(boot string) error {
	if w.disk == nil {
		w.disk = &disk{entries: map[string]core.Entry{}}
	}
	var kept []core.Entry
	for _, e := range w.disk.entries {
		kept = append(kept, e)
	}
	slices.SortFunc(kept, func(a, b core.Entry) int { return strings.Compare(a.Bucket+"/"+a.Key, b.Bucket+"/"+b.Key) })
	var err error
	w.core, err = core.Open(w.cfg, w.now(), power.Instant{BootID: boot, Boottime: w.at}, kept, w.disk.damage)
	if err != nil {
		return err
	}
	for _, a := range w.agents {
		a.open, a.hung, a.dial = false, false, 0
	}
	w.dead, w.disk.refused = false, false // a new coordinator knows nothing of the last one's writes
	w.step(core.Wake{})
	w.lines()
	return nil
}
