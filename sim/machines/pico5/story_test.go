//go:build system

package pico5

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// A case lives through all that happens to one. Each chapter leaves it as it found it: all workers up. After each, what was
// seen from outside must be what is promised.
func TestCase(t *testing.T) {
	r := start(t, Config{})
	for _, chapter := range []struct {
		name string
		tell func(t *testing.T, r rig)
	}{
		{"the master boots, and switches nothing", boots},
		{"the case starts, and its coordinator is killed again and again", startKilled},
		{"wires are tested, and swapped ones are found", wiring},
		{"workers stop, restart and hang, all at once", fates},
		{"a line that is stuck proves nothing", stuckLines},
		{"the coordinator comes and goes", coordinatorGoes},
		{"a cable is pulled, and put back", silence},
		{"the case stops, and its coordinator is killed again and again", stopKilled},
		{"the case starts as it is told", caseStarts},
		{"a cut without proof hurts, and is seen", forced},
		{"the master is switched off like any computer", masterOff},
	} {
		begin := time.Now()
		if !t.Run(chapter.name, func(t *testing.T) { chapter.tell(t, r) }) {
			t.Logf("the coordinator's journal ends:\n%s", r.journal(t))
		}
		t.Logf("%5.0f s: %s", time.Since(begin).Seconds(), chapter.name)
		r.promises(t)
	}
}

// journal is the end of what the coordinator said, as far as the master can be asked.
func (r rig) journal(t *testing.T) string {
	if r.State(master) != Up {
		return "the master is not up"
	}
	return r.sh(t, master, "journalctl --no-pager -n 40 -o short-monotonic -u 'bramble-*'; bramblectl nodes 2>&1; bramblectl operations 2>&1; true")
}

// promises wants every worker's power to have gone after its line had risen, and no disk hurt, but for the cuts that were
// meant to hurt.
func (r rig) promises(t *testing.T) {
	t.Helper()
	for _, cut := range r.Cuts() {
		if r.meant[cut.At] {
			continue
		}
		if cut.Hurt != "" {
			t.Errorf("a file system is lost: %v", cut)
		}
		if cut.Board != master && cut.Was != Halted {
			t.Errorf("a machine ran when its power was cut: %v", cut)
		}
	}
	raised := map[string]bool{} // since the rail's rise
	for _, e := range r.Wires.Edges(0) {
		kind, number, _ := strings.Cut(e.Wire, "-")
		switch {
		case kind == "done" && e.High:
			raised[number] = true
		case kind == "rail" && e.High:
			raised[number] = false
		case kind == "rail" && !raised[number] && !r.meant[e.At]:
			t.Errorf("rail-%s fell, and done-%s had not risen since it was switched on: %v", number, number, e)
		}
	}
}

// untouched wants no rail to have moved since a mark.
func (r rig) untouched(t *testing.T, from int) {
	t.Helper()
	for _, e := range r.Wires.Edges(from) {
		if strings.HasPrefix(e.Wire, "rail") {
			t.Errorf("a rail moved: %v", e)
		}
	}
}

// ctl runs bramblectl on the master; it must succeed.
func (r rig) ctl(t *testing.T, arguments string) string {
	t.Helper()
	return r.sh(t, master, "bramblectl "+arguments+" 2>&1")
}

// refused wants bramblectl to exit with 3, which means that a promise forbids it, and returns what it says.
func (r rig) refused(t *testing.T, arguments string) string {
	t.Helper()
	return r.sh(t, master, "said=$(bramblectl "+arguments+" 2>&1); code=$?; echo \"$said\"; [ $code = 3 ] || { echo \"exit code $code\" >&2; exit 1; }")
}

// becomes waits until the coordinator gives nodes a power state.
func (r rig) becomes(t *testing.T, want coordinatorv1.PowerState, names ...string) {
	t.Helper()
	word := strings.TrimPrefix(want.String(), "POWER_STATE_")
	for ctx := in(t, patience); ; {
		all, nodes := true, map[string]*coordinatorv1.Node{}
		if out, err := r.up(t, master).Output(ctx, "bramblectl -o json nodes"); err == nil {
			nodes = parse(t, out)
		}
		for _, name := range names {
			all = all && nodes[name].GetPower().GetState() == want
		}
		if all {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%v do not become %s:\n%s", names, word, r.journal(t))
		}
		time.Sleep(time.Second) // an answer costs the master a second of its processor
	}
}

// parse reads what bramblectl -o json nodes prints.
func parse(t *testing.T, out string) map[string]*coordinatorv1.Node {
	t.Helper()
	var answer coordinatorv1.ListNodesResponse
	if err := protojson.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	found := map[string]*coordinatorv1.Node{}
	for _, node := range answer.GetNodes() {
		found[node.GetName()] = node
	}
	return found
}

// workers are the names of all of them.
func workers() []string { return []string{worker(1), worker(2), worker(3), worker(4)} }

// ready waits until all workers are up, inside and out.
func (r rig) ready(t *testing.T) {
	t.Helper()
	for _, name := range workers() {
		r.up(t, name)
	}
	r.becomes(t, coordinatorv1.PowerState_POWER_STATE_READY, workers()...)
}
