//go:build system

package system

import (
	"strings"
	"testing"
)

// The units are what systemd understands, and as closed as a program with a network can be.
func unitsAreInOrder(t *testing.T, m machine) {
	if out := m.sh(t, "systemd-analyze verify /usr/lib/systemd/system/bramble-stop-order.service 2>&1"); out != "" {
		t.Errorf("systemd-analyze verify bramble-stop-order says: %s", out)
	}
	for _, unit := range []string{"bramble-agent", "bramble-coordinator", "bramble-rails"} {
		if out := m.sh(t, "systemd-analyze verify /usr/lib/systemd/system/"+unit+".service 2>&1"); out != "" {
			t.Errorf("systemd-analyze verify %s says: %s", unit, out)
		}
		// The score counts tenths; 10.0 is a service without any protection.
		out := m.sh(t, "systemd-analyze security --no-pager --threshold=20 "+unit+" 2>&1 | tail -n 1")
		t.Logf("%s", strings.TrimLeft(out, "→ "))
		if !strings.Contains(out, "OK") && !strings.Contains(out, "SAFE") {
			t.Errorf("%s is more exposed than 2.0: %s", unit, out)
		}
	}
}

// Nothing runs as root, nothing has a capability, and each user can do what is his.
func ownUsers(t *testing.T, m machine) {
	m.live(t)
	for _, unit := range []string{"bramble-agent", "bramble-coordinator", "bramble-rails"} {
		out := m.sh(t, "pid=$(systemctl show -p MainPID --value "+unit+"); echo $(stat -c %U /proc/$pid) $(grep CapEff /proc/$pid/status)")
		t.Logf("%s runs as %s", unit, out)
		if out != unit+" CapEff: 0000000000000000" {
			t.Errorf("%s runs as %q, want its own user and no capability", unit, out)
		}
		socket := "/run/bramble/" + strings.TrimPrefix(unit, "bramble-") + ".sock"
		if out := m.sh(t, "stat -c '%U %G %a' "+socket); out != unit+" bramble 660" {
			t.Errorf("%s is %q, want owner %s, group bramble, mode 660", socket, out, unit)
		}
	}
	as := func(user string) string { return "setpriv --reuid=" + user + " --regid=" + user + " --init-groups " }
	m.sh(t, "id alice 2>/dev/null || useradd -M -G bramble alice; id mallory 2>/dev/null || useradd -M mallory")
	m.sh(t, as("alice")+"bramblectl nodes")
	for what, command := range map[string]string{
		"somebody outside group bramble may ask the coordinator": as("mallory") + "bramblectl nodes",
		"the agent may steer the fans":                           as("bramble-agent") + "bramblectl fan set --fan header 100%",
		"the agent may take the coordinator's socket":            as("bramble-agent") + "rm -f /run/bramble/coordinator.sock",
		"the agent may hold or let go of rails":                  as("bramble-agent") + "bramble-rails status",
		"the agent may export a PWM channel":                     as("bramble-agent") + "sh -c 'echo 0 > /sys/class/pwm/pwmchip0/export'",
		"the coordinator may ask the firmware":                   as("bramble-coordinator") + "sh -c ': < /dev/vcio_gencmd'",
	} {
		if out := m.fails(t, command); !strings.Contains(strings.ToLower(out), "permi") {
			t.Errorf("whether %s is not decided by its rights: %s", what, out)
		}
	}
	for user, want := range map[string]string{"bramble-agent": `s "yes"`, "bramble-coordinator": `s "challenge"`, "mallory": `s "challenge"`} {
		for _, method := range []string{"CanPowerOff", "CanReboot"} {
			out := m.sh(t, as(user)+"busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager "+method)
			if out != want {
				t.Errorf("%s asks logind %s and hears %s, want %s", user, method, out, want)
			}
		}
	}
	t.Log("alice of group bramble may ask, mallory may not; logind lets the agent, and nobody else, switch the board off")
}

// systemctl start returns when a program serves, not before.
func readyWhenServing(t *testing.T, m machine) {
	m.sh(t, "systemctl restart bramble-agent && bramble-agent doctor | grep -q 'served by a running agent'")
	m.sh(t, "systemctl restart bramble-coordinator && bramblectl nodes")
	t.Log("a service is ready when it answers: systemctl start bramble-coordinator && bramblectl nodes")
}
