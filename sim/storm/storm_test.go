package storm

import (
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/sim"
)

// A thousand schedules run in every test, and a tenth of them under the race detector, which has nothing to find in what
// one thread does and takes ten times as long; 'bramble-sim storm' runs more.
func TestStorm(t *testing.T) {
	schedules := 1000
	if raceDetector {
		schedules /= 10
	}
	var sum Counts
	err := Range(t.Context(), 1, uint64(schedules), func(r Result) bool {
		sum.Add(r.Counts)
		if r.Violation != "" {
			t.Errorf("schedule %d: at %s", r.Seed, r.Violation)
			story(t, r.Seed)
		}
		return r.Violation == ""
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", sum)
	if sum.Lost != 0 || sum.Schedules < schedules && !t.Failed() {
		t.Errorf("%d schedules, %d file systems lost", sum.Schedules, sum.Lost)
	}
	for what, n := range map[string]int{
		"cuts": sum.Cuts, "rises": sum.Rises, "deaths in the middle of an act": sum.MidAct, "master boots": sum.Boots,
		"lost by force": sum.Forced, "operations done": sum.Operations["done"],
	} {
		if n < schedules/20 && !t.Failed() {
			t.Errorf("%d %s in %d schedules: nothing happens", n, what, schedules)
		}
	}
}

// story logs the end of a schedule's story.
func story(t *testing.T, seed uint64) {
	t.Helper()
	var lines []string
	if _, err := Run(seed, func(line string) { lines = append(lines, line) }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
}

func TestASeedTellsTheSameStory(t *testing.T) {
	for seed := range uint64(20) {
		var stories [2]strings.Builder
		for i := range stories {
			if _, err := Run(seed, func(line string) { stories[i].WriteString(line + "\n") }); err != nil {
				t.Fatal(err)
			}
		}
		if stories[0].String() != stories[1].String() {
			t.Errorf("schedule %d is another one the second time", seed)
		}
	}
}

// What breaks a guard is found within a hundred schedules.
func TestBrokenGuardsAreFound(t *testing.T) {
	for name, broken := range map[string]struct {
		tamper tamper
		says   string
	}{
		"the rail is cut when the power-off is asked for": {
			tamper{effect: func(w *world, e core.Effect) {
				if ask, ok := e.(core.AskPowerOff); ok {
					if b := w.board(ask.Node); b != nil && b.pin != nil {
						_ = b.pin.Set(false)
					}
				}
			}}, "cut for no reason",
		},
		"the proof is forged": {
			// The line goes high as the helper would raise it, when the agent has gone.
			tamper{began: func(w *world, b *board) {
				if b.DoneSignal().By == sim.DoneByHelper {
					w.forge = append(w.forge, b)
				}
			}}, "lost its file systems",
		},
		"a coordinator that starts switches what is off": {
			tamper{effect: func(w *world, e core.Effect) {
				if w.counts.Deaths == 0 {
					return
				}
				for _, b := range w.boards {
					if b.pin != nil {
						_ = b.pin.Set(true)
					}
				}
			}}, "switched on for no reason",
		},
		"operations are not written down": {
			tamper{effect: func(w *world, e core.Effect) {
				if store, ok := e.(core.Store); ok {
					for i := range store.Entries {
						if store.Entries[i].Bucket == "operations" {
							store.Entries[i].Value = nil
						}
					}
				}
			}}, "forgotten",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(100) {
				r, err := run(seed, nil, broken.tamper)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(r.Violation, broken.says) {
					t.Logf("found by schedule %d: %s", seed, r.Violation)
					return
				}
				if r.Violation != "" {
					t.Logf("schedule %d: %s", seed, r.Violation)
				}
			}
			t.Error("a hundred schedules found nothing")
		})
	}
}

// A case of four workers stops and starts, and the coordinator dies once, at every boundary of what it does there.
func TestDeathAtEveryStep(t *testing.T) {
	steps, _ := stopAndStart(t, 0)
	if steps < 100 {
		t.Errorf("a stop and a start have only %d boundaries", steps)
	}
	lost := 0
	for at := range steps {
		if _, unproven := stopAndStart(t, at+1); unproven {
			lost++
		}
	}
	t.Logf("%d boundaries; at %d of them a proof died with who had heard it", steps, lost)
	if lost > 8*overlayWorkers {
		t.Errorf("at %d boundaries a worker ended stuck: more than there are between the pulses of %d overlays and their latches", lost, overlayWorkers)
	}
}

// overlayWorkers is how many workers of stopAndStart have the overlay: their pulses come once and do not last.
const overlayWorkers = 3

// stopAndStart runs a case down and up and returns how many boundaries there were; the coordinator dies at the one that
// dieAt says. One that dies between an overlay's pulse and the latch on disk takes the proof with it: that worker ends
// stuck, with its rail on, and the operation says so. Nothing more may be lost.
func stopAndStart(t *testing.T, dieAt int) (boundaries int, unproven bool) {
	t.Helper()
	var lines []string
	w := newWorld(0, func(line string) { lines = append(lines, line) }, tamper{})
	cfg := sim.Pico5()
	cfg.Boards[2].DoneBy = sim.DoneByHelper
	w.calm = true // nothing else happens, and the kernel keeps the edges that nobody hears
	if err := w.assemble(cfg, func() {}); err != nil {
		t.Fatal(err)
	}
	w.pass(5 * time.Second)
	w.boundaries, w.dieIn = 0, dieAt
	for _, kind := range []core.OperationKind{core.OperationStopCase, core.OperationStartCase} {
		k := w.request(core.Request{Kind: kind, RequestID: kind.String(), By: "a test", Reason: "a test"})
		for range 600 {
			w.pass(time.Second)
			if k.refused && w.shell.Core() != nil {
				w.put(k) // it died before it wrote down what was asked
			}
			if k.over {
				break
			}
		}
		for i, b := range w.boards {
			if k.over && cfg.Boards[i].DoneBy != sim.DoneByHelper && b.State() == sim.StateHalted && stuck(w, b.name) {
				return w.boundaries, true
			}
			if up := b.State() == sim.StateRunning; w.broken == "" && (!k.over || up != (kind == core.OperationStartCase)) {
				w.violate("after the %v, %s is %v", kind, b.name, b.State())
			}
		}
	}
	if w.broken != "" || w.counts.Forced > 0 || w.counts.Cuts != 4 || w.counts.Rises != 4 {
		t.Fatalf("killed at boundary %d: %s (%d cuts, %d rises)\n%s", dieAt, w.broken, w.counts.Cuts, w.counts.Rises, strings.Join(lines, "\n"))
	}
	return w.boundaries, false
}

// stuck reports whether the coordinator says that a worker gave no proof and has its power still.
func stuck(w *world, node string) bool {
	for _, n := range w.shell.Core().Nodes(0) {
		if n.Name == node {
			return n.Power.State == power.StateStuck && n.Rail == core.RailOn
		}
	}
	return false
}
