package power

import (
	"slices"
	"strings"
	"testing"
)

// breakage is a way in which others have broken their tables, and the promise that the judge sees broken then.
type breakage struct {
	name, promise string
	mutate        func(rows []row) []row
}

func find(rows []row, when string) *row {
	return &rows[slices.IndexFunc(rows, func(r row) bool { return r.when == when })]
}

// guarded gives all rows of that name another guard.
func guarded(rows []row, when string, holds func(*Machine) bool) []row {
	for i := range rows {
		if rows[i].when == when {
			rows[i].holds = holds
		}
	}
	return rows
}

var breakages = []breakage{
	{"a silent node counts as done", "promise 1", func(rows []row) []row {
		return guarded(rows, "proof of done", func(m *Machine) bool { return m.rec.Latch == nil && m.isSilent() && m.state == StateStopping })
	}},
	{"any high level is a proof", "promise 1", func(rows []row) []row {
		return guarded(rows, "proof of done", func(m *Machine) bool { return m.rec.Latch == nil && m.line.level == LevelHigh })
	}},
	{"cut without a latch, when the stop deadline is over", "promise 1", func(rows []row) []row {
		r := find(rows, "cut_stuck_after is over")
		r.holds = func(m *Machine) bool { return m.rec.Cut == "" && m.hasRail() }
		return rows
	}},
	{"the cut does not wait for the disk", "promise 1", func(rows []row) []row {
		find(rows, "the cut is on disk").holds = func(m *Machine) bool { return m.rec.Cut != "" }
		return rows
	}},
	{"the latch does not wait for the disk", "", func(rows []row) []row {
		// Not wrong by itself, for the cut waits as well: the judge must stay silent.
		find(rows, "the proof is on disk, a stop wants the rail off").holds = func(m *Machine) bool {
			return m.rec.Latch != nil && m.doing(TaskStop) && m.hasRail()
		}
		return rows
	}},
	{"a node that is heard after its proof is cut all the same", "promise 1", func(rows []row) []row {
		return slices.DeleteFunc(rows, func(r row) bool { return r.when == "heard after the proof" })
	}},
	{"the rail goes on without the disk", "promise 2", func(rows []row) []row {
		find(rows, "the start is on disk, off for 5 s").holds = func(m *Machine) bool {
			return m.unswitched() && m.doing(TaskStart) && m.over(m.rail.fall, minimumOff)
		}
		return rows
	}},
	{"a start that was kept is switched on at once", "promise 4", func(rows []row) []row {
		r := find(rows, "rail off, line not high, silent; a start is kept")
		r.to, r.do = StateStarting, (*Machine).begin
		return rows
	}},
	{"a new coordinator forgets what it was told", "promise 5", func(rows []row) []row {
		r := find(rows, "maintenance")
		r.holds = func(m *Machine) bool { return m.rec.Task.Kind != TaskNone }
		r.to, r.do = StateStarting, func(m *Machine) { m.rec.Task, m.changed = Task{}, true }
		return rows
	}},
}

// TestABrokenGuardIsCaught breaks one row of the table at a time, and shows that the judge sees it.
func TestABrokenGuardIsCaught(t *testing.T) {
	for _, c := range breakages {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := c.mutate(slices.Clone(table[:]))
			walks := uint64(3000)
			if c.promise == "" {
				walks = 300
			}
			for seed := range walks {
				w := walk(seed, rows, false)
				if w.wrong == "" {
					continue
				}
				if c.promise == "" || !strings.HasPrefix(w.wrong, c.promise) {
					t.Fatalf("seed %d: %s, want %q", seed, w.wrong, c.promise)
				}
				t.Logf("walk %d: %s", seed, w.wrong)
				return
			}
			if c.promise != "" {
				t.Errorf("%d walks saw nothing wrong", walks)
			}
		})
	}
}
