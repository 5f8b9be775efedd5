//go:build system

package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// caseOfTwo is a case with a worker whose rail and done line are lines of a simulated GPIO chip. The worker is a second
// agent on the same machine: to ask it for a power-off is to ask for the machine's.
const caseOfTwo = `case: system
nodes:
  - {name: master, address: "unix:///run/bramble/agent.sock", master: true}
  - name: worker-1
    address: unix:///run/bramble/worker-1.sock
    power:
      rail: {chip: wires, line: 0, reset_level: off}
      done: {chip: wires, line: 4}
      grace: 2s
`

// The lines of the chip. What nobody drives has the level of its pull, which a test sets, and a line that is let go falls
// back to its pull at once (drivers/gpio/gpio-sim.c).
const (
	railLine   = "0" // the coordinator drives the worker's feed
	doneLine   = "4" // the coordinator listens
	boardsEnd  = "8" // the worker's agent drives its end of the done line
	mastersEnd = "9" // the machine's own, for bramble-done
)

// Two things look at the wires. A program looks at their levels, a hundred times a second: it writes down what the rail
// has been, and is the jumper wire from the board's end of the done line to the coordinator's. The kernel records whatever
// is done to the rail. A rail that falls and rises again between two looks has been driven, and is in the record.
const wireworks = `set -e
if [ ! -e /run/lines ]; then
	modprobe gpio-sim
	chip=/sys/kernel/config/gpio-sim/wires
	mkdir -p $chip/bank0
	echo wires > $chip/bank0/label
	echo 16 > $chip/bank0/num_lines
	echo 1 > $chip/live
	ln -s /sys/devices/platform/$(cat $chip/dev_name)/$(cat $chip/bank0/chip_name) /run/lines
	udevadm settle
	echo pull-up > /run/lines/sim_gpio` + railLine + `/pull
	mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
	base=$(grep -l '^wires$' /sys/class/gpio/gpiochip*/label)
	base=${base%/label}
	echo "gpio == $((${base##*gpiochip} + ` + railLine + `))" > /sys/kernel/tracing/events/gpio/filter
	echo 1 > /sys/kernel/tracing/events/gpio/enable
fi
cat > /run/jumper <<'END'
exec {nap}<> <(:)
while read -r rail < /run/lines/sim_gpio` + railLine + `/value && read -r end < /run/lines/sim_gpio` + boardsEnd + `/value; do
	[ "$rail" = "$was" ] || { was=$rail; echo "$rail at $EPOCHREALTIME" >> /run/rail; echo "<29>wires: the rail is $rail" > /dev/kmsg; }
	[ "$end" = "$raised" ] || { raised=$end; pull=(down up); echo pull-${pull[end]} > /run/lines/sim_gpio` + doneLine + `/pull; }
	echo $((++looks)) > /run/looks
	read -rt 0.01 -u $nap
done
END
cat > /etc/bramble/worker-1.yaml <<'END'
name: worker-1
listen: [unix:///run/bramble/worker-1.sock]
state: /run/bramble/worker-1/flags.json
done: {chip: wires, line: ` + boardsEnd + `}
END
install -d -o bramble-agent -g bramble-agent /run/bramble/worker-1
systemctl -q is-active jumper || systemd-run -q --unit=jumper --property=DefaultDependencies=no bash /run/jumper
systemctl -q is-active worker-1 || systemd-run -q --unit=worker-1 --property=After=dbus.service --property=User=bramble-agent --property=Group=bramble-agent --property='SupplementaryGroups=video gpio' bramble-agent run --config /etc/bramble/worker-1.yaml
`

// wired is where the chapters about power begin: the coordinator holds the rail of a worker that is on and ready. Nothing
// but the coordinator's hold keeps it on.
func (m machine) wired(t *testing.T) {
	t.Helper()
	m.sh(t, wireworks)
	if m.sh(t, "cmp -s - /etc/bramble/coordinator.yaml <<'END' && systemctl -q is-active bramble-coordinator && echo whole || true\n"+caseOfTwo+"END\n") != "whole" {
		m.configure(t, caseOfTwo)
	}
	m.ready(t)
	m.sh(t, "echo pull-down > /run/lines/sim_gpio"+railLine+"/pull")
}

// ready waits until the worker is on and ready, as the coordinator tells.
func (m machine) ready(t *testing.T) {
	t.Helper()
	until(t, "a worker that is on and ready", func() (string, bool) {
		node := m.named(t, "worker-1")
		return node.GetRail().String() + " " + node.GetPower().String(),
			node.GetRail() == coordinatorv1.RailState_RAIL_STATE_ON && node.GetPower().GetState() == coordinatorv1.PowerState_POWER_STATE_READY
	})
}

// holder is who has a line, and as what, as the kernel tells.
func (m machine) holder(t *testing.T, line string) string {
	t.Helper()
	out := m.sh(t, "gpioinfo wires | grep -E 'line +"+line+":'")
	return strings.Join(strings.Fields(out[strings.Index(out, ":")+1:])[1:], " ")
}

// untouched fails when the rail has had another level than on, since it was first looked at, or when anything was done to
// it since it was taken over besides reading its level.
func (m machine) untouched(t *testing.T, after string) {
	t.Helper()
	if levels := m.sh(t, "cat /run/rail"); !strings.HasPrefix(levels, "1 at ") || strings.Contains(levels, "\n") {
		t.Fatalf("after %s: the rail's level has changed:\n%s\nthe kernel's record ends:\n%s", after, levels, m.sh(t, "tail -n 5 /sys/kernel/tracing/trace"))
	}
	if holder := m.holder(t, railLine); holder != `"bramble/worker-1" output active-high [used]` {
		t.Errorf("after %s: the rail's line is %s", after, holder)
	}
	events := m.traced(t)
	// To read the level, to drive what was read, and to be an output: the take-over. Only reading follows.
	begin := []string{"gpio_value get 1", "gpio_value set 1", "gpio_direction out (0)"}
	if len(events) < len(begin) || !slices.Equal(events[:len(begin)], begin) {
		t.Fatalf("after %s: the kernel's record of the rail begins %q, want the take-over of a line that is on", after, events)
	}
	for _, event := range events[len(begin):] {
		if event != "gpio_value get 1" {
			t.Errorf("after %s: the kernel has recorded for the rail's line: %s", after, event)
		}
	}
}

// traced is what the kernel recorded for the rail's line, oldest first.
func (m machine) traced(t *testing.T) []string {
	t.Helper()
	var events []string
	for line := range strings.Lines(m.sh(t, "grep -v '^#' /sys/kernel/tracing/trace || true")) {
		if _, event, ok := strings.Cut(line, ": gpio_"); ok {
			words := strings.Fields(event)
			events = append(events, fmt.Sprintf("gpio_%s %s", strings.TrimSuffix(words[0], ":"), strings.Join(words[2:], " ")))
		}
	}
	return events
}
