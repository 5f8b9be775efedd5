package storm

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// Result is what became of one schedule.
type Result struct {
	Seed uint64
	Counts
	// Violation is the first promise that did not hold, with its time; empty when all did.
	Violation string
}

// Counts sum up schedules.
type Counts struct {
	Schedules int `json:"schedules"`
	// Virtual is the time that passed in them.
	Virtual time.Duration `json:"virtual_nanoseconds"`
	// Effects are all that the coordinator had done, Writes those to its memory.
	Effects int `json:"effects"`
	Writes  int `json:"writes"`
	// Cuts and Rises are edges of the rails.
	Cuts  int `json:"cuts"`
	Rises int `json:"rises"`
	// Deaths is how often a coordinator was killed, MidAct of them between two things that one event led to.
	Deaths int `json:"deaths"`
	MidAct int `json:"deaths_mid_act"`
	Boots  int `json:"master_boots"`
	// Requests are people's, Refused of them refused.
	Requests int `json:"requests"`
	Refused  int `json:"refused"`
	// Operations counts accepted ones by how they ended, Faults those set by kind.
	Operations map[string]int `json:"operations"`
	Faults     map[string]int `json:"faults"`
	// Forced are file systems lost by force, Lost those lost otherwise: each a violation.
	Forced int `json:"lost_by_force"`
	Lost   int `json:"lost"`
}

// Add adds another sum.
func (c *Counts) Add(o Counts) {
	c.Schedules += o.Schedules
	c.Virtual += o.Virtual
	c.Effects += o.Effects
	c.Writes += o.Writes
	c.Cuts += o.Cuts
	c.Rises += o.Rises
	c.Deaths += o.Deaths
	c.MidAct += o.MidAct
	c.Boots += o.Boots
	c.Requests += o.Requests
	c.Refused += o.Refused
	c.Forced += o.Forced
	c.Lost += o.Lost
	addTo(&c.Operations, o.Operations)
	addTo(&c.Faults, o.Faults)
}

func addTo(sum *map[string]int, more map[string]int) {
	if *sum == nil {
		*sum = make(map[string]int)
	}
	for name, n := range more {
		(*sum)[name] += n
	}
}

// String is the sum in a few lines.
func (c Counts) String() string {
	list := func(counts map[string]int) string {
		names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
			return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
		})
		for i, name := range names {
			names[i] = fmt.Sprintf("%d %s", counts[name], name)
		}
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf(`%d schedules, %s of virtual time
coordinator: %d effects, %d writes to disk, killed %d times, %d of them in the middle of an act; %d boots of the master
rails: %d cut, %d switched on
people: %d requests, %d refused; operations: %s
faults: %s
file systems lost: %d by force, %d otherwise
`, c.Schedules, c.Virtual.Round(time.Second), c.Effects, c.Writes, c.Deaths, c.MidAct, c.Boots, c.Cuts, c.Rises,
		c.Requests, c.Refused, list(c.Operations), list(c.Faults), c.Forced, c.Lost)
}

// world is everything outside the coordinator, and what is known of it.
type world struct {
	random *rand.Rand
	seed   uint64
	trace  func(line string) // nil for nobody
	counts Counts
	broken string // the first violation

	c      *sim.Case
	cfg    core.Config
	disk   *virtual.Memory
	shell  *virtual.Shell
	events *sim.Feed
	boards []*board // the workers
	master *sim.Board

	wishes   []*wish
	shutdown map[string]bool // "node operation" that a system has begun
	supply   float64         // A, the limit; 0 for none
	fixed    float64
	losses   int // of the case, that were looked at

	dieIn      int           // boundaries until the coordinator dies; 0 for not
	boundaries int           // that were passed
	returnAt   time.Duration // of a dead coordinator
	dark       bool          // no mains
	bootedAt   time.Duration // of the master
	boots      int
	dirty      bool // operations may have changed
	calm       bool // no more trouble

	tamper tamper
	forge  []*board // whose proof is forged when their agent has gone
}

// tamper breaks a guard on purpose, so that it can be shown that this is found.
type tamper struct {
	// effect sees each effect before it is carried out.
	effect func(w *world, e core.Effect)
	// began is told of each shutdown that a board begins for an operation.
	began func(w *world, b *board)
}

// Run runs the schedule of a seed. trace, which may be nil, is called with every line of its story.
func Run(seed uint64, trace func(line string)) (Result, error) { return run(seed, trace, tamper{}) }

func run(seed uint64, trace func(string), t tamper) (Result, error) {
	w := newWorld(seed, trace, t)
	if err := w.build(); err != nil {
		return Result{}, fmt.Errorf("schedule %d: %w", seed, err)
	}
	for range 10 + w.random.IntN(30) {
		w.act()
		w.pass(w.pause())
		if w.broken != "" {
			break
		}
	}
	w.settle()
	w.counts.Virtual = w.c.Now()
	w.counts.Writes = w.disk.Writes
	return Result{Seed: seed, Counts: w.counts, Violation: w.broken}, nil
}

func newWorld(seed uint64, trace func(string), t tamper) *world {
	return &world{
		random: rand.New(rand.NewPCG(seed, 4)), seed: seed, trace: trace, tamper: t, shutdown: make(map[string]bool),
		counts: Counts{Schedules: 1, Operations: make(map[string]int), Faults: make(map[string]int)},
	}
}

// pause draws how long people leave the case alone.
func (w *world) pause() time.Duration {
	seconds := w.random.Float64()
	switch n := w.random.IntN(10); {
	case n < 4:
		seconds *= 2
	case n < 9:
		seconds *= 15
	default:
		seconds *= 90
	}
	return time.Duration(seconds * float64(time.Second))
}

// look is how often the world is held against the promises.
const look = 500 * time.Millisecond

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	for end := w.c.Now() + d; w.c.Now() < end && w.broken == ""; {
		next := min(look, end-w.c.Now())
		if w.shell.Core() == nil && w.returnAt > w.c.Now() {
			next = min(next, w.returnAt-w.c.Now())
		}
		w.shell.Step(next)
		w.check()
		w.revive()
	}
}

// settle ends all trouble and waits for every operation to end.
func (w *world) settle() {
	w.calm, w.dieIn, w.disk.Fails = true, 0, nil
	if w.dark {
		w.mains(true)
	}
	if w.chance(0.5) {
		for _, f := range w.c.Faults() {
			w.mend(f)
		}
	}
	const patience = time.Hour
	for end := w.c.Now() + patience; w.broken == ""; {
		w.pass(2 * time.Second)
		unended := "the coordinator's rest"
		if w.shell.Core() != nil {
			w.acknowledge()
			unended = w.unended()
		}
		if unended == "" {
			break
		}
		if w.c.Now() >= end {
			w.violate("an hour after all trouble ended, %s has not ended", unended)
		}
	}
}

// violate remembers the first promise that does not hold.
func (w *world) violate(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf("%.3f ", w.c.Now().Seconds()) + fmt.Sprintf(format, args...)
		w.say("VIOLATION: %s", w.broken)
	}
}

func (w *world) say(format string, args ...any) {
	if w.trace != nil {
		w.trace(fmt.Sprintf("%9.3f  ", w.c.Now().Seconds()) + fmt.Sprintf(format, args...))
	}
}

func (w *world) chance(p float64) bool { return w.random.Float64() < p }

// span draws a time.
func (w *world) span(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Float64()*float64(most-least))
}
