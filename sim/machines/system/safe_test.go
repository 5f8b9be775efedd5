//go:build system

package system

import (
	"strings"
	"testing"
	"time"
)

// quiet brings every fan to 30 %, so that full is news.
func (m machine) quiet(t *testing.T) {
	t.Helper()
	m.calm(t)
	m.slow(t)
}

// slow sets every fan to 30 %.
func (m machine) slow(t *testing.T) {
	t.Helper()
	for _, b := range backEnds() {
		m.took(t, b.set(30), b.is(30), 5*time.Second)
	}
}

// full is the condition that every fan is at full.
func full() string {
	var all []string
	for _, b := range backEnds() {
		all = append(all, b.is(100))
	}
	return "{ " + strings.Join(all, " && ") + "; }"
}

const coordinatorPID = "$(systemctl show -p MainPID --value bramble-coordinator)"

// A coordinator that is killed leaves the fans at full, and is back soon.
func killed(t *testing.T, m machine) {
	m.quiet(t)
	alone(t, m, "kill -9", "kill -9 "+coordinatorPID, 5*time.Second)
	m.comesBack(t)
}

// A coordinator that hangs is killed by systemd's watchdog, with the same end.
func hangs(t *testing.T, m machine) {
	m.quiet(t)
	alone(t, m, "SIGSTOP", "kill -STOP "+coordinatorPID, 10*time.Second)
	m.comesBack(t)
	if out := m.sh(t, "journalctl --no-pager -b -u bramble-coordinator | grep -c 'Watchdog timeout'"); out == "0" {
		t.Error("it was not the watchdog that ended it")
	}
}

// alone is within while no other coordinator can start, which would bring the fans to full as well, but later.
func alone(t *testing.T, m machine, what, action string, limit time.Duration) {
	t.Helper()
	m.sh(t, "mv /etc/bramble/coordinator.yaml /etc/bramble/away")
	defer m.sh(t, "mv /etc/bramble/away /etc/bramble/coordinator.yaml")
	within(t, m, what, action, limit)
}

func within(t *testing.T, m machine, what, action string, limit time.Duration) {
	t.Helper()
	took := m.took(t, action, full(), limit)
	t.Logf("every fan is at full %v after %s; the promise is %v", took.Round(time.Millisecond), what, limit)
	if took > limit {
		t.Errorf("every fan is at full %v after %s, want it within %v", took, what, limit)
	}
}

func (m machine) comesBack(t *testing.T) {
	t.Helper()
	until(t, "the coordinator's return", func() (string, bool) {
		out := m.sh(t, "systemctl is-active bramble-coordinator; bramblectl nodes 2>&1 || true")
		return out, strings.HasPrefix(out, "active") && strings.Contains(out, "live")
	})
	t.Log("systemd has started it again and the node is live")
}

// A configuration that is gone or cut off stops neither `safe` nor the stop of the service.
func configurationLost(t *testing.T, m machine) {
	for what, damage := range map[string]string{
		"missing":   "rm /etc/bramble/coordinator.yaml",
		"truncated": "truncate -s 150 /etc/bramble/coordinator.yaml",
	} {
		t.Run(what, func(t *testing.T) {
			m.quiet(t)
			m.sh(t, damage)
			m.fails(t, "bramble-coordinator check")
			within(t, m, "kill -9 with a "+what+" configuration", "kill -9 "+coordinatorPID, 5*time.Second)
			m.sh(t, "systemctl stop bramble-coordinator")
			for _, b := range backEnds() {
				m.sh(t, b.spoil)
			}
			m.took(t, ":", "! "+full(), 5*time.Second)
			within(t, m, "`safe` with a "+what+" configuration", "bramble-coordinator safe", 5*time.Second)
		})
	}
	m.calm(t)
}
