//go:build system

package system

import (
	"strings"
	"testing"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// A rail that is on stays on, whatever happens to the coordinator.
func railsSurvive(t *testing.T, m machine) {
	m.wired(t)
	m.untouched(t, "the take-over")
	m.keptTwice(t)
	t.Log("a rail that was on is taken over as it is, and kept by systemd and by bramble-rails")
	for _, s := range []struct{ what, do string }{
		{"systemctl restart", "systemctl restart bramble-coordinator"},
		{"kill -9", "kill -9 " + coordinatorPID},
		{"a watchdog timeout", "kill -STOP " + coordinatorPID},
		{"daemon-reexec and restart", "systemctl daemon-reexec && systemctl restart bramble-coordinator"},
		{"an upgrade", upgrade},
		{"kill -9 of both", "kill -9 " + coordinatorPID + " $(systemctl show -p MainPID --value bramble-rails)"},
	} {
		ok := t.Run(s.what, func(t *testing.T) {
			m.replaced(t, s.do)
			m.ready(t)
			m.untouched(t, s.what)
		})
		if !ok {
			t.Fatalf("the journal ends:\n%s", m.sh(t, "journalctl --no-pager -n 12 -u 'bramble-*'"))
		}
	}
	t.Run("systemctl stop and start", func(t *testing.T) {
		// The stop empties systemd's store of the coordinator, and bramble-rails alone has the lines.
		m.sh(t, "systemctl stop bramble-coordinator")
		m.untouched(t, "systemctl stop")
		if out := m.fails(t, "bramble-rails status"); !strings.Contains(out, "rail.worker-1: ") || !strings.Contains(out, "is on of worker-1") {
			t.Errorf("bramble-rails status says %q, want that the rail of worker-1 is on", out)
		}
		if out := m.fails(t, "systemctl stop bramble-rails"); !strings.Contains(out, "refused") {
			t.Errorf("bramble-rails is stopped by hand: %s", out)
		}
		m.sh(t, "systemctl kill bramble-rails")
		until(t, "bramble-rails' return", func() (string, bool) {
			out := m.sh(t, "bramble-rails status 2>&1 || true")
			return out, strings.Contains(out, "rail.worker-1: ")
		})
		m.untouched(t, "systemctl kill bramble-rails while the coordinator is stopped")
		m.sh(t, "systemctl start bramble-coordinator")
		m.ready(t)
		m.untouched(t, "systemctl start")
	})
	m.keptTwice(t)
	t.Logf("after %s looks and %d records of the kernel the rail has been on all the time, and nobody let go of it", m.sh(t, "cat /run/looks"), len(m.traced(t)))
}

// upgrade installs other binaries, as deploy/install does, and replaces both processes.
const upgrade = `rm -rf /run/upgrade && cp -r /opt/bramble/bin /run/upgrade && for b in /run/upgrade/*; do echo newer >> $b; done &&
/opt/bramble/deploy/install /run/upgrade && rm -r /run/upgrade &&
systemctl restart bramble-coordinator && systemctl kill bramble-rails &&
[ "$(tail -c 6 /proc/` + coordinatorPID + `/exe)" = newer ]`

// replaced does what replaces the coordinator's process, and waits until the next one is at work.
func (m machine) replaced(t *testing.T, do string) {
	t.Helper()
	before := m.sh(t, "echo "+coordinatorPID)
	m.sh(t, do)
	until(t, "another coordinator", func() (string, bool) {
		out := m.sh(t, "echo "+coordinatorPID+" $(systemctl is-active bramble-coordinator bramble-rails); bramblectl nodes > /dev/null 2>&1 || echo no answer")
		return out, !strings.HasPrefix(out, before+" ") && strings.HasSuffix(out, " active active")
	})
}

// keptTwice wants both keepers to have both lines, of which either is enough.
func (m machine) keptTwice(t *testing.T) {
	t.Helper()
	for _, unit := range []string{"bramble-coordinator", "bramble-rails"} {
		until(t, unit+" having both lines in systemd's store", func() (string, bool) {
			out := m.sh(t, "systemctl show -p NFileDescriptorStore --value "+unit)
			return out, out == "2"
		})
	}
	if out := m.sh(t, "bramble-rails status 2>&1 || true"); !strings.Contains(out, "rail.worker-1: ") || !strings.Contains(out, "done.worker-1: ") {
		t.Errorf("bramble-rails holds %q", out)
	}
}

// Two coordinators never drive one rail: the second is refused, and told who was first.
func secondIsRefused(t *testing.T, m machine) {
	m.wired(t)
	out := m.fails(t, "timeout 60 bramble-coordinator run")
	t.Logf("on the same machine: %s", out)
	if want := m.sh(t, "echo "+coordinatorPID); !strings.Contains(out, "another") || !strings.Contains(out, want) {
		t.Errorf("a second coordinator is told %q, want the process of the first, %s", out, want)
	}
	// One in a container has its own /run, where it finds neither the lock nor bramble-rails.
	m.sh(t, "mkdir -p /run/container/run/bramble /run/container/sys; cat > /run/container/coordinator.yaml <<'END'\n"+caseOfTwo+
		"listen: [\"unix:///run/container/coordinator.sock\"]\nstate: /run/container/coordinator.db\nEND\n")
	out = m.fails(t, "timeout 60 bramble-coordinator run --root /run/container --config /run/container/coordinator.yaml")
	t.Logf("in a container: %s", out)
	if !strings.Contains(out, `wires/0 is held by "bramble/worker-1"`) {
		t.Errorf("a second coordinator in a container is told %q, want the line and its holder", out)
	}
	m.untouched(t, "a second coordinator")
}

// What the done line does while nobody listens is known afterwards.
func doneLineIsHeardLater(t *testing.T, m machine) {
	m.wired(t)
	for _, s := range []struct {
		pull  string
		level coordinatorv1.LineLevel
		alarm bool
	}{
		{"pull-up", coordinatorv1.LineLevel_LINE_LEVEL_HIGH, true},
		{"pull-down", coordinatorv1.LineLevel_LINE_LEVEL_LOW, false},
	} {
		m.sh(t, "systemctl stop bramble-coordinator && echo "+s.pull+" > /run/lines/sim_gpio"+doneLine+"/pull && systemctl start bramble-coordinator")
		until(t, "a done line that is "+s.level.String(), func() (string, bool) {
			var whole coordinatorv1.WatchResponse
			m.parse(t, "bramblectl -o json status", &whole)
			alarm := false
			for _, a := range whole.GetCase().GetAlarms() {
				alarm = alarm || a.GetKind() == coordinatorv1.AlarmKind_ALARM_KIND_DONE_LINE_HIGH
			}
			power := m.named(t, "worker-1").GetPower()
			return power.String(), power.GetDoneLine() == s.level && alarm == s.alarm
		})
		t.Logf("%s while the coordinator is stopped: %s", s.pull, m.named(t, "worker-1").GetPower().GetExplanation())
	}
	m.untouched(t, "edges on the done line")
}
