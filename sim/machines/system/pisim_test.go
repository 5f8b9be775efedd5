//go:build system

package system

import (
	"fmt"
	"strings"
	"testing"
)

// wires are functions of bash that say how a fan is driven, in thousandths of full, without starting a program where the
// kernel can be asked by a file. They see what reached the driver, not what somebody asked for.
const wires = `
header=/sys/devices/platform/fe20c000.pwm/pwm
pin() { # CHANNEL INVERTED: for how much of a period the fan's input is active; a channel that is off is a low pin
	local enable period duty polarity
	read -r enable < $(echo $header/pwmchip*/pwm$1/enable) && read -r period < $(echo $header/pwmchip*/pwm$1/period) &&
	read -r duty < $(echo $header/pwmchip*/pwm$1/duty_cycle) && read -r polarity < $(echo $header/pwmchip*/pwm$1/polarity) || return
	seen=$((period ? duty * 1000 / period : 0))
	[ $polarity = normal ] || seen=$((1000 - seen))
	[ $enable = 1 ] || seen=0
	[ $2 = no ] || seen=$((1000 - seen))
}
header() { pin 0 no; }
inverted() { pin 1 yes; }
pwmfan() { # mode 0 is off
	local duty mode
	read -r duty < $(echo /sys/devices/platform/cooling_fan/hwmon/hwmon*/pwm1) && read -r mode < $(echo /sys/devices/platform/cooling_fan/hwmon/hwmon*/pwm1_enable) || return
	seen=$((mode ? duty * 1000 / 255 : 0))
}
adt7475() { seen=$(($(i2cget -f -y $(</run/bus) ` + adt7475Address + ` 0x30) * 1000 / 255)); }
driven() { # FAN THOUSANDTHS: is the fan driven so, give or take a step of its output
	$1 && [ $seen -ge $(($2 - 4)) ] && [ $seen -le $(($2 + 4)) ]
}
`

// set is the command that sets a parameter of pi-sim, as its README lists them.
func set(parameter string, value any) string {
	return fmt.Sprintf("echo %v > /sys/module/pi_sim/parameters/%s", value, parameter)
}

func (m machine) set(t testing.TB, parameter string, value any) {
	t.Helper()
	m.sh(t, set(parameter, value))
}

func (m machine) parameter(t testing.TB, name string) string {
	t.Helper()
	return m.sh(t, "cat /sys/module/pi_sim/parameters/"+name)
}

// record is what pi-sim noted of the requests to "pwm" or "mailbox", oldest first, without the times.
func (m machine) record(t testing.TB, of string) []string {
	t.Helper()
	text := m.sh(t, "cut -d' ' -f2- /sys/kernel/debug/pi-sim/"+of)
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// nothingCleared fails when a program has asked the firmware to forget events, which other programs would miss.
func nothingCleared(t *testing.T, m machine) {
	t.Helper()
	asked := 0
	for _, line := range m.record(t, "mailbox") {
		if strings.Contains(line, " clear ") {
			asked++
		}
	}
	if cleared := m.parameter(t, "throttled_cleared"); cleared != "0" {
		t.Errorf("the agent has asked the firmware to clear the history bits %s: the mask must always be 0", cleared)
		return
	}
	t.Logf("the newest %d questions for the flags had a clear mask of 0", asked)
}

// reload takes the simulated Pi away and brings another one, while nothing of ours runs, and starts the services again.
// between runs while there is none.
func (m machine) reload(t testing.TB, parameters, between string) {
	t.Helper()
	// Neither of ours ever gives a channel back, and a channel that is exported holds the module.
	m.sh(t, "systemctl stop bramble-coordinator bramble-agent; for pwm in /sys/devices/platform/fe20c000.pwm/pwm/pwmchip*/pwm?; do echo ${pwm##*pwm} > ${pwm%/*}/unexport; done; rmmod pi-sim")
	if between != "" {
		m.sh(t, between)
	}
	m.sh(t, "modprobe pi-sim fan_max_rpm=1500 "+parameters+" && udevadm settle && systemctl start bramble-agent bramble-coordinator")
	m.live(t)
}
