//go:build system

package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

// watching starts a watch whose raised flags go to a file, so that the machine itself can tell when one came, without
// starting a program to look.
func (m machine) watching(t *testing.T) {
	t.Helper()
	m.sh(t, `pkill -x bramblectl || true; rm -f /run/watch*
({ bramblectl -o json watch | tee /run/watch | grep --line-buffered -o '"kind":"EVENT_KIND_FLAG_RAISED"[^}]*"flag":"[A-Z_]*"'; } > /run/watch.raised 2>&1 &)`)
	m.took(t, ":", "[ -s /run/watch ]", 5*time.Second)
	t.Cleanup(func() { m.sh(t, "pkill -x bramblectl") })
}

// risen is the condition that the watch has seen so many rises of a flag.
func risen(flag agentv1.Flag, times int) string {
	return fmt.Sprintf(`[[ $(< /run/watch.raised) == %s ]]`, strings.Repeat(fmt.Sprintf(`*'"flag":"%v"'`, flag), times)+"*")
}

// Every flag of the firmware arrives as an event within 1.2 s, and so does a dip that is over before anybody looks.
func flagsArrive(t *testing.T, m machine) {
	m.set(t, "throttled", 0)
	m.watching(t)
	// A board keeps the promise with every event. Of what a translated machine needs on top, a second's phase aside, 0.3 s
	// are let pass.
	const promise, slowness = 1200 * time.Millisecond, 300 * time.Millisecond
	var all []time.Duration
	times := map[agentv1.Flag]int{}
	raised := func(what, action string, flag agentv1.Flag) {
		t.Helper()
		times[flag]++
		took := m.took(t, action, risen(flag, times[flag]), promise)
		all = append(all, took)
		t.Logf("%s arrives as an event %v later", what, took.Round(time.Millisecond))
		if took > promise+slowness {
			t.Errorf("%s arrives as an event after %v, want it within %v", what, took, promise)
		}
	}
	raised("under-voltage", set("throttled", 1), agentv1.Flag_FLAG_UNDER_VOLTAGE)
	raised("throttling", set("throttled", 4), agentv1.Flag_FLAG_THROTTLED)
	raised("a capped clock", set("throttled", 2), agentv1.Flag_FLAG_FREQUENCY_CAPPED)
	raised("the soft limit", set("throttled", 8), agentv1.Flag_FLAG_SOFT_TEMPERATURE_LIMIT)
	m.set(t, "throttled", 0)
	// The kernel clears the history every two seconds, the agent asks every second: a dip must be told whoever of them is
	// first, so dips come at several times of those two seconds.
	for _, wait := range []string{"0", "0.5", "1.0", "1.5"} {
		m.forgotten(t)
		m.sh(t, "sleep "+wait)
		raised("a dip of a moment", set("throttled", 1)+"; "+set("throttled", 0), agentv1.Flag_FLAG_UNDER_VOLTAGE)
	}
	slices.Sort(all)
	if median := all[len(all)/2]; median > promise {
		t.Errorf("half of the events take %v and more, want them within %v", median, promise)
	}
	if state := flag(m.node(t), agentv1.Flag_FLAG_UNDER_VOLTAGE); state.GetActive() || state.GetCount() < 5 {
		t.Errorf("the node says %v, want no under-voltage now and 5 or more counted", state)
	}
	nothingCleared(t, m)
}

// forgotten waits until the kernel's own driver has cleared the history, as it does every two seconds, and the agent has
// had the time to see that.
func (m machine) forgotten(t *testing.T) {
	t.Helper()
	m.took(t, ":", "[ $(($(</sys/module/pi_sim/parameters/throttled) >> 16)) -eq 0 ]", 5*time.Second)
	m.sh(t, "before=$(cat /sys/module/pi_sim/parameters/mailbox_requests); until [ $(cat /sys/module/pi_sim/parameters/mailbox_requests) -gt $((before + 1)) ]; do sleep 0.1; done")
}

// Each of the three ways to the flags is used where it is the best one, and the source is told.
func flagSources(t *testing.T, m machine) {
	// Raspberry Pi OS before 2026 gave /dev/vcio to group video.
	const older = `printf 'KERNEL=="vcio", GROUP="video", MODE="0660"\n' > /run/udev/rules.d/61-older.rules; udevadm control --reload`
	m.sh(t, "mkdir -p /run/udev/rules.d")
	for _, source := range []struct {
		parameters, between string
		want                agentv1.ThrottlingSource
	}{
		{"vcio_gencmd=0", older, agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO},
		{"vcio_gencmd=0 vcio=0", "", agentv1.ThrottlingSource_THROTTLING_SOURCE_RPI_VOLT},
		{"vcio_gencmd=0 vcio=0 rpi_volt=0", "", agentv1.ThrottlingSource_THROTTLING_SOURCE_UNSPECIFIED},
		{"", "rm /run/udev/rules.d/61-older.rules; udevadm control --reload", agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO_GENCMD},
	} {
		nothingCleared(t, m)
		m.reload(t, source.parameters, source.between)
		if source.want != agentv1.ThrottlingSource_THROTTLING_SOURCE_UNSPECIFIED {
			m.set(t, "throttled", 1)
		}
		until(t, fmt.Sprintf("under-voltage from %v", source.want), func() (string, bool) {
			node := m.node(t)
			told := flag(node, agentv1.Flag_FLAG_UNDER_VOLTAGE)
			return node.GetThrottling().String(), node.GetThrottling().GetSource() == source.want &&
				(told.GetActive() || source.want == agentv1.ThrottlingSource_THROTTLING_SOURCE_UNSPECIFIED && told == nil)
		})
		m.set(t, "throttled", 0)
		t.Logf("with %q the flags come from %v", source.parameters, source.want)
	}
	nothingCleared(t, m)
}
