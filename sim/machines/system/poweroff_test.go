//go:build system

package system

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/bramblemesh/bramble/sim/machines"
)

// The agent may power off, hears of shutdowns in time, and refuses what nobody could see the end of.
func mayPowerOff(t *testing.T, m machine) {
	m.wired(t)
	for name, want := range map[string]agentv1.CapabilityState{
		"master":   agentv1.CapabilityState_CAPABILITY_STATE_UNSUPPORTED,
		"worker-1": agentv1.CapabilityState_CAPABILITY_STATE_AVAILABLE,
	} {
		got := map[agentv1.CapabilityKind]agentv1.CapabilityState{}
		for _, c := range m.named(t, name).GetCapabilities() {
			got[c.GetKind()] = c.GetState()
		}
		available := agentv1.CapabilityState_CAPABILITY_STATE_AVAILABLE
		if got[agentv1.CapabilityKind_CAPABILITY_KIND_POWER_OFF] != available || got[agentv1.CapabilityKind_CAPABILITY_KIND_SHUTDOWN_NOTICE] != available ||
			got[agentv1.CapabilityKind_CAPABILITY_KIND_DONE_SIGNAL] != want {
			t.Errorf("%s can %v, want power-off and notices, and a done signal that is %v", name, got, want)
		}
	}
	locks := strings.Fields(m.sh(t, "systemd-inhibit --list --no-pager --no-legend | grep \" $(systemctl show -p MainPID --value bramble-agent) \""))
	if !slices.Contains(locks, "shutdown") || !slices.Contains(locks, "delay") {
		t.Errorf("the agent's inhibitor is %q, want one that delays shutdown", locks)
	}
	doctor := m.sh(t, "setpriv --reuid=bramble-agent --regid=bramble-agent --init-groups bramble-agent doctor")
	for item, want := range map[string]string{"shutdowns": "logind tells of them", "power-off": "bramble-agent may power off and reboot"} {
		if !slices.ContainsFunc(strings.Split(doctor, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "ok") && strings.Contains(line, item+" ") && strings.Contains(line, want)
		}) {
			t.Errorf("doctor does not say of %s that %s:\n%s", item, want, doctor)
		}
	}
	out := m.sh(t, "/opt/bramble/ask /run/bramble/agent.sock")
	t.Logf("asked for a power-off that nobody could see the end of, the agent says: %s", out)
	if !strings.HasPrefix(out, "FailedPrecondition ") || !strings.Contains(out, "done") {
		t.Errorf("want FailedPrecondition and what to do")
	}
	for _, command := range []string{"power off master", "power on nobody"} {
		if out := m.sh(t, "bramblectl --timeout 1m "+command+" 2>&1; echo exit $?"); !strings.HasSuffix(out, "exit 3") && !strings.HasSuffix(out, "exit 1") {
			t.Errorf("bramblectl %s: %s", command, out)
		} else {
			t.Logf("%s: %s", command, out)
		}
	}
}

// board is the worker's end in a power-off: some time after its agent it is down, and its done line says so for as long as
// it has power.
const board = `cat > /run/board <<'END'
while [ -d /sys/fs/cgroup/system.slice/worker-1.service ]; do sleep 0.2; done
sleep 1
echo '<29>wires: the board is down' > /dev/kmsg
echo pull-up > /run/lines/sim_gpio` + doneLine + `/pull
until [ $(cat /run/lines/sim_gpio` + railLine + `/value) = 0 ]; do sleep 0.1; done
echo pull-down > /run/lines/sim_gpio` + doneLine + `/pull
END
systemd-run -q --unit=board --property=DefaultDependencies=no sh /run/board
`

// onConsole has the console show the journal and the kernel's log.
const onConsole = `mkdir -p /run/systemd/journald.conf.d && printf '[Journal]\nForwardToConsole=yes\nMaxLevelConsole=info\n' > /run/systemd/journald.conf.d/console.conf
systemctl restart systemd-journald && echo 8 > /proc/sys/kernel/printk
`

// Whoever powers the master off powers the workers off first, while there is a network, and the board itself raises its
// done line when nothing is left to be written.
func powerOff(t *testing.T, m machine) {
	m.wired(t)
	tested(t, m)
	m.sh(t, onConsole+board+"printf 'name: master\\ndone: {chip: wires, line: "+mastersEnd+"}\\n' > /etc/bramble/agent.yaml && systemctl restart bramble-agent\n"+
		"systemd-run -q --unit=watcher --property=DefaultDependencies=no bramblectl events -f")
	m.live(t)
	m.ready(t)
	m.untouched(t, "a last look before the power-off")
	whole, ok := m.guest.(*machines.Machine)
	if !ok {
		t.Fatalf("%T cannot be waited for", m.guest)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*patience, fmt.Errorf("not off within %v", 2*patience))
	defer cancel()
	asked, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _, _ = whole.Run(asked, "systemctl --no-block poweroff") }() // the answer may never come
	begun := time.Now()
	if err := whole.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("the machine is off %.0f s after systemctl poweroff", time.Since(begun).Seconds())
	inOrder(t, whole.Console(),
		"worker-1  announced that it powers off",
		"this machine goes down: stopping the workers first",
		`state="worker-1 latched"`,
		"wires: the rail is 0",
		`state="worker-1 done"`,
		"Stopped bramble-stop-order.service",
		"Stopped target network.target",
		"Unmounting file systems.",
		"bramble-done: done line wires/"+mastersEnd+" is raised",
		"reboot: Power down",
	)
	inOrder(t, whole.Console(), "wires: the board is down", "wires: the rail is 0", "Stopped bramble-coordinator.service", "Stopped target network.target")
	inOrder(t, whole.Console(), "master    announced that it powers off", "Stopping bramble-stop-order.service")
}

// inOrder wants a console to show each text, after the one before.
func inOrder(t *testing.T, console string, texts ...string) {
	t.Helper()
	all, err := os.ReadFile(console)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(all)
	for i, text := range texts {
		at := strings.Index(rest, text)
		if at < 0 {
			t.Errorf("the console does not show %q after %q", text, texts[:i])
			continue
		}
		line := rest[strings.LastIndexByte(rest[:at], '\n')+1:]
		line, _, _ = strings.Cut(line, "\n")
		t.Log(strings.TrimSpace(line))
		rest = rest[at+len(text):]
	}
}
