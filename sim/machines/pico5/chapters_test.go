//go:build system

package pico5

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

const (
	ready = coordinatorv1.PowerState_POWER_STATE_READY
	off   = coordinatorv1.PowerState_POWER_STATE_OFF
	stuck = coordinatorv1.PowerState_POWER_STATE_STUCK
)

func boots(t *testing.T, r rig) {
	r.up(t, master)
	r.becomes(t, off, workers()...)
	r.untouched(t, 0)
	t.Logf("the master is up %.0f s after its power came", time.Since(r.begun).Seconds())
}

// kills kills the coordinator so many times, each at a random moment after its process began: while it starts, or later.
func (r rig) kills(t *testing.T, count int) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	var moments []string
	for range count {
		moment := fmt.Sprintf("%.1f", 15*random.Float64())
		moments = append(moments, moment)
		r.sh(t, master, "until pid=$(systemctl show -p MainPID --value bramble-coordinator); [ \"$pid\" != 0 ]; do sleep 0.1; done; sleep "+moment+"; kill -KILL $pid")
	}
	t.Logf("the coordinator was killed %d times, these seconds after its start: %s", count, strings.Join(moments, " "))
}

func startKilled(t *testing.T, r rig) {
	mark := r.mark()
	r.ctl(t, "case start")
	r.kills(t, 6)
	r.ready(t)
	rose := map[string]int{}
	var last time.Time
	for _, e := range r.Wires.Edges(mark) {
		if strings.HasPrefix(e.Wire, "rail") {
			rose[e.Wire]++
			if !e.High || rose[e.Wire] > 1 {
				t.Errorf("a rail that was switched on moved again: %v", e)
			}
			// It is 2 s by the master's clock; a translated processor may stand still in between.
			if gap := e.At.Sub(last); gap < time.Second {
				t.Errorf("%v only %v after the one before", e, gap)
			}
			last = e.At
		}
	}
	t.Logf("all workers are up %.0f s after the start was asked for", time.Since(r.Wires.Edges(mark)[0].At).Seconds())
}

func wiring(t *testing.T, r rig) {
	mark := r.mark()
	r.Wires.Swap(master, DoneWire(3), DoneWire(4))
	for _, n := range []int{3, 4} {
		said := r.sh(t, master, "if bramblectl power test "+worker(n)+" --wait 2>&1; then echo 'passed'; exit 1; fi")
		t.Logf("%s", said)
	}
	if said := r.refused(t, "power off "+worker(3)); !strings.Contains(said, worker(3)) {
		t.Errorf("the refusal does not name the node: %s", said)
	}
	r.Wires.Swap(master, DoneWire(3), DoneWire(4))
	t.Logf("%s", r.ctl(t, "power test "+strings.Join(workers(), " ")+" --wait"))
	r.untouched(t, mark)
	r.ready(t)
}

// fates are what happens to four workers at the same time: one is power-cycled, one is switched off at its own keyboard,
// one restarts, and one hangs in its shutdown.
func fates(t *testing.T, r rig) {
	mark := r.mark()
	// A program of the user's that takes longer to stop than the worker is given.
	r.sh(t, worker(4), "systemd-run --quiet --unit=slow -p TimeoutStopSec=infinity -p ExecStop='/bin/sleep 75' sleep infinity")
	r.ctl(t, "power off worker-4")
	r.ctl(t, "power cycle worker-1")
	r.tell(t, worker(2), "poweroff")
	r.tell(t, worker(3), "reboot")

	r.state(t, worker(3), Starting)
	for n := 1; n <= 2; n++ {
		risen, fallen := r.edge(t, mark, DoneWire(n), true), r.edge(t, mark, RailWire(n), false)
		if grace := fallen.At.Sub(risen.At); grace < 10*time.Second {
			t.Errorf("worker-%d was cut %v after its line rose, want 10 s", n, grace)
		} else {
			t.Logf("worker-%d was cut %.1f s after its line rose", n, grace.Seconds())
		}
	}
	r.becomes(t, stuck, worker(4))
	if !r.Wires.High(RailWire(4)) {
		t.Error("a worker that is stuck lost its power")
	}
	t.Logf("%s", r.ctl(t, "explain worker-4"))
	// Its shutdown ends after all.
	r.edge(t, mark, DoneWire(4), true)
	r.edge(t, mark, RailWire(4), false)
	r.becomes(t, off, worker(2), worker(4))
	r.ctl(t, "power on worker-2 worker-4")
	r.ready(t)
	for _, e := range r.Wires.Edges(mark) {
		if e.Wire == RailWire(3) || e.Wire == DoneWire(3) && e.High {
			t.Errorf("a restart moved a wire: %v", e)
		}
	}
}

func stuckLines(t *testing.T, r rig) {
	mark := r.mark()
	r.Wires.Hold(DoneWire(1), true)
	time.Sleep(3 * time.Second)
	said := r.refused(t, "power off worker-1")
	if !strings.Contains(said, "worker-1") {
		t.Errorf("the refusal does not name the node: %s", said)
	}
	t.Logf("%s", said)
	r.Wires.Free(DoneWire(1))
	r.untouched(t, mark)

	r.Wires.Hold(DoneWire(4), false)
	r.ctl(t, "power off worker-4")
	r.state(t, worker(4), Halted)
	r.becomes(t, stuck, worker(4))
	r.untouched(t, mark)
	// Somebody mends the wire: the line is high, as it has been at the worker's end.
	r.Wires.Free(DoneWire(4))
	r.edge(t, mark, RailWire(4), false)
	r.becomes(t, off, worker(4))
	r.ctl(t, "power on worker-4")
	r.ready(t)
}

func coordinatorGoes(t *testing.T, r rig) {
	mark := r.mark()
	trace := r.trace(t)
	for _, does := range []string{
		"systemctl kill -s KILL bramble-coordinator",
		"systemctl restart bramble-coordinator",
		"systemctl stop bramble-coordinator; sleep 2; systemctl start bramble-coordinator",
		"systemctl kill -s KILL bramble-rails bramble-coordinator",
		// Its watchdog ends it.
		"pid=$(systemctl show -p MainPID --value bramble-coordinator); kill -STOP $pid; while [ -d /proc/$pid ]; do sleep 0.5; done",
		"systemctl daemon-reexec",
		// An upgrade: another file under the name.
		"cp /usr/bin/bramble-coordinator /usr/bin/new && mv /usr/bin/new /usr/bin/bramble-coordinator && systemctl restart bramble-coordinator",
	} {
		r.sh(t, master, does)
		r.sh(t, master, "until [ \"$(systemctl is-active bramble-coordinator)\" = active ]; do sleep 0.5; done")
		r.untouched(t, mark)
		r.becomes(t, ready, workers()...)
	}
	if said := trace(); said != "" {
		t.Errorf("the kernel switched a rail, or let go of one:\n%s", said)
	}
}

// silence is a worker whose cable is pulled: it may be in the middle of anything, so it keeps its power.
func silence(t *testing.T, r rig) {
	mark := r.mark()
	r.Network.Plug(worker(2), false)
	r.sh(t, master, "until bramblectl nodes | grep -q 'worker-2 .* unreachable'; do sleep 1; done")
	r.sh(t, master, "bramblectl explain worker-2 >&2; systemctl restart bramble-coordinator; sleep 20")
	r.untouched(t, mark)
	r.Network.Plug(worker(2), true)
	r.becomes(t, ready, workers()...)
	r.untouched(t, mark)
}

// trace has the master's kernel record what is done to its GPIO lines (events gpio_value and gpio_direction,
// include/trace/events/gpio.h), and returns what reads the record: every line about a rail that was made an input or
// switched off.
func (r rig) trace(t *testing.T) func() string {
	t.Helper()
	const tracing = "/sys/kernel/tracing"
	base := r.sh(t, master, "mountpoint -q "+tracing+" || mount -t tracefs tracefs "+tracing+"; echo > "+tracing+"/trace; echo 1 > "+tracing+"/events/gpio/enable; "+
		"sed -n 's/.*GPIOs \\([0-9]*\\)-.*virtio5.*/\\1/p' /sys/kernel/debug/gpio")
	first, err := strconv.Atoi(base)
	if err != nil {
		t.Fatalf("where the lines of virtio5 begin: %v", err)
	}
	// The record is not empty because nothing is recorded.
	r.ctl(t, "power test worker-1 --wait")
	numbers := fmt.Sprintf("(%d|%d|%d|%d)", first+1, first+2, first+3, first+4)
	return func() string {
		return r.sh(t, master, "grep -q 'gpio_' "+tracing+"/trace || echo nothing was recorded at all; grep -E 'gpio_(value: "+numbers+" set 0|direction: "+numbers+" +in)' "+tracing+"/trace; true")
	}
}

func stopKilled(t *testing.T, r rig) {
	r.ctl(t, "case stop")
	r.kills(t, 6)
	r.becomes(t, off, workers()...)
	for _, name := range workers() {
		r.state(t, name, Off)
	}
}

func caseStarts(t *testing.T, r rig) {
	begin := time.Now()
	t.Logf("%s", r.ctl(t, "case start --wait"))
	r.ready(t)
	t.Logf("the case has started in %.0f s:\n%s", time.Since(begin).Seconds(), r.ctl(t, "nodes"))
}

// forced is what a coordinator without its guard would do, done by a person who says so: all that looks for hurt disks in
// the other chapters must see this one.
func forced(t *testing.T, r rig) {
	mark := r.mark()
	t.Logf("%s", r.ctl(t, "power off worker-3 --force --reason 'to see what a cut without proof does' --wait"))
	fall := r.edge(t, mark, RailWire(3), false)
	r.meant[fall.At] = true
	if cut := r.lastCut(t, worker(3)); cut.Hurt == "" || cut.Was != Up || cut.At != fall.At {
		t.Errorf("a worker that ran was cut, and this was seen: %v", cut)
	}
	r.becomes(t, off, worker(3))
	r.ctl(t, "power on worker-3")
	r.ready(t)
}

// masterOff is a poweroff typed on the master: the workers go first, and when the power comes back all is as it was.
func masterOff(t *testing.T, r rig) {
	mark := r.mark()
	r.tell(t, master, "poweroff")
	r.state(t, master, Halted)
	for _, name := range workers() {
		r.state(t, name, Off)
	}
	for n := 1; n <= 4; n++ {
		r.edge(t, mark, DoneWire(n), true)
		r.edge(t, mark, RailWire(n), false)
	}
	r.Mains(false)
	r.state(t, master, Off)
	r.Mains(true)
	r.up(t, master)
	r.ready(t)
}
