//go:build system

package pico5

import (
	"testing"
	"time"
)

// The wires, the power and the disks are what they are in a real case, without anything of bramble's on them.
func TestWires(t *testing.T) {
	r := start(t, Config{Workers: 1})
	const chip = "virtio5"
	// What keeps the lines through everything has to be talked into letting go.
	r.sh(t, master, "d=/run/systemd/system/bramble-rails.service.d; mkdir -p $d; printf '[Unit]\nRefuseManualStop=no\n' > $d/free.conf; "+
		"systemctl daemon-reload; systemctl stop bramble-coordinator bramble-rails")
	t.Logf("the master is up after %.1f s", time.Since(r.begun).Seconds())
	hold := func(name, unit, line string) {
		r.sh(t, name, "systemctl stop bramble-agent "+unit+" 2> /dev/null; systemctl reset-failed 2> /dev/null; systemd-run --quiet --unit="+unit+" gpioset --mode=signal "+chip+" "+line)
	}
	r.sh(t, master, "systemd-run --quiet --unit=watch sh -c 'gpiomon --line-buffered --format=%e "+chip+" 9 > /run/edges'")

	mark := r.mark()
	hold(master, "rail", "1=1")
	rise := r.edge(t, mark, RailWire(1), true)
	r.up(t, worker(1))
	t.Logf("the worker is up %.1f s after its rail rose", time.Since(rise.At).Seconds())

	// A reset lets go of the line, and the machine boots again.
	hold(worker(1), "done", "2=1")
	r.edge(t, mark, DoneWire(1), true)
	mark = r.mark()
	r.tell(t, worker(1), "systemctl reboot --force --force")
	if e := r.edge(t, mark, DoneWire(1), false); e.Why != "worker-1 was reset" {
		t.Errorf("the line fell because %s", e.Why)
	}
	r.up(t, worker(1))

	// A board that has halted keeps its line, until its power goes. This one never unmounted anything.
	hold(worker(1), "done", "2=1")
	r.tell(t, worker(1), "systemctl poweroff --force --force")
	r.state(t, worker(1), Halted)
	mark = r.mark()
	if !r.Wires.High(DoneWire(1)) {
		t.Error("the line of a board that has halted is low")
	}
	hold(master, "rail", "1=0")
	r.edge(t, mark, RailWire(1), false)
	if e := r.edge(t, mark, DoneWire(1), false); e.Why != "worker-1 lost its power" {
		t.Errorf("the line fell because %s", e.Why)
	}
	if cut := r.lastCut(t, worker(1)); cut.Hurt == "" || cut.Was != Halted {
		t.Errorf("a mounted disk was cut, and this was seen: %v", cut)
	}

	// One that has shut down is cut without harm, whatever was cut before.
	mark = r.mark()
	hold(master, "rail", "1=1")
	r.edge(t, mark, RailWire(1), true)
	hold(worker(1), "done", "2=1")
	r.tell(t, worker(1), "systemctl poweroff")
	r.state(t, worker(1), Halted)
	hold(master, "rail", "1=0")
	if cut := r.lastCut(t, worker(1)); cut.Hurt != "" || cut.Was != Halted {
		t.Errorf("a worker that had shut down was cut, and this was seen: %v", cut)
	}
	// The master saw what the record has: 1 is up, 0 is down.
	var seen, want string
	for _, e := range r.Wires.Edges(0) {
		switch {
		case e.Wire == DoneWire(1) && e.High:
			want += "1\n"
		case e.Wire == DoneWire(1):
			want += "0\n"
		}
	}
	if seen = r.sh(t, master, "cat /run/edges"); seen+"\n" != want {
		t.Errorf("the master saw %q of %q", seen, want)
	}
}
