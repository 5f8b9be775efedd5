//go:build system

package system

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// caseOfOne is a case whose one node is the machine itself, with a fan of each kind. They may turn as fast and as slowly
// as they are told, at once.
const caseOfOne = `case: system
nodes:
  - {name: master, address: "unix:///run/bramble/agent.sock"}
fans:
  - name: header
    output: {pwm: {channel: 0}}
    tach: {chip: pinctrl-bcm2711, line: 24}
    curve: [{duty: 20%, rpm: 300}, {duty: 100%, rpm: 1500}]
    slew_up: 100%
    slew_down: 100%
  - name: inverted
    output: {pwm: {device: fe20c000.pwm, channel: 1, inverted: true}}
  - name: pwmfan
    output: {hwmon: {name: pwmfan, fan: 1, kernel_fan: take_over}}
    curve: [{duty: 20%, rpm: 300}, {duty: 100%, rpm: 1500}]
  - name: adt7475
    output: {hwmon: {name: adt7475, pwm: 1, fan: 1, kernel_fan: take_over}}
    curve: [{duty: 20%, rpm: 1}, {duty: 100%, rpm: 2}]
`

// backEnd is one way to drive a fan. The function of its name in wires says what reaches the fan.
type backEnd struct {
	fan   string
	spoil string // what another program may do to the output
}

func backEnds() []backEnd {
	return []backEnd{
		{"header", "echo 0 > $(echo /sys/devices/platform/fe20c000.pwm/pwm/pwmchip*/pwm0/enable)"},
		{"inverted", "echo 0 > $(echo /sys/devices/platform/fe20c000.pwm/pwm/pwmchip*/pwm1/duty_cycle)"},
		{"pwmfan", "echo 0 > $(echo /sys/devices/platform/cooling_fan/hwmon/hwmon*/pwm1_enable)"},
		{"adt7475", "echo 64 > $(echo /sys/bus/i2c/devices/*-002e/hwmon/hwmon*/pwm1)"},
	}
}

// is is the condition that a fan is driven with so many per cent.
func (b backEnd) is(percent int) string { return fmt.Sprintf("driven %s %d", b.fan, percent*10) }

// set asks for a duty, for longer than any test takes.
func (b backEnd) set(percent int) string {
	return fmt.Sprintf("bramblectl fan set --fan %s %d%% --for 10m", b.fan, percent)
}

// Every back end keeps the same contract.
func contract(t *testing.T, m machine) {
	m.calm(t)
	for _, b := range backEnds() {
		t.Run(b.fan, func(t *testing.T) {
			for _, percent := range []int{30, 55, 100, 20} {
				m.took(t, b.set(percent), b.is(percent), 5*time.Second)
			}
			m.took(t, "systemctl stop bramble-coordinator", b.is(100), 5*time.Second)
			m.sh(t, b.spoil)
			m.took(t, ":", "! "+b.is(100), 5*time.Second)
			m.took(t, "bramble-coordinator safe", b.is(100), 5*time.Second)
			m.sh(t, "systemctl start bramble-coordinator")
			m.live(t)
			took := m.took(t, b.set(35), b.is(35), 5*time.Second)
			t.Logf("%s: 30, 55, 100, 20 %% reach the fan; full when the service stops, and by safe after another program spoiled the output; then 35 %% %v later",
				b.fan, took.Round(time.Millisecond))
		})
	}
	for _, line := range m.record(t, "pwm") {
		if !strings.HasSuffix(line, " result 0") && !strings.Contains(line, " inversed ") {
			t.Errorf("the PWM driver has refused: %s", line)
		}
	}
}

// The fan follows the heat, and its speed is what the edges on its wire say.
func fanFollows(t *testing.T, m machine) {
	m.calm(t)
	header := backEnds()[0]
	took := m.took(t, set("temp", 30_000), header.is(20), 10*time.Second)
	t.Logf("at 30 C the fan is at its minimum of 20 %% %v later", took.Round(time.Millisecond))
	took = m.took(t, set("temp", 79_000), header.is(100), 10*time.Second)
	t.Logf("at 79 C it is at full %v later", took.Round(time.Millisecond))
	for _, percent := range []int{30, 80, 20} {
		m.took(t, header.set(percent), header.is(percent), 5*time.Second)
		m.reads(t, "header", float64(15*percent))
	}
	m.set(t, "fan_stalled", 1)
	t.Cleanup(func() { m.set(t, "fan_stalled", 0) })
	until(t, "the verdict that the fan stands still", func() (string, bool) {
		fan := m.fan(t, "header")
		return fan.String(), fan.GetStalled() && fan.GetMode() == coordinatorv1.FanMode_FAN_MODE_FAIL_SAFE
	})
	m.took(t, ":", header.is(100), 5*time.Second)
	t.Log("without an edge the fan is judged to stand still, and is driven at full")
	m.set(t, "fan_stalled", 0)
	until(t, "the end of the verdict", func() (string, bool) {
		fan := m.fan(t, "header")
		return fan.String(), !fan.GetStalled() && fan.GetMode() == coordinatorv1.FanMode_FAN_MODE_OVERRIDE
	})
}

// reads waits until a fan's speed is read, give or take five per cent.
func (m machine) reads(t *testing.T, name string, rpm float64) {
	t.Helper()
	until(t, fmt.Sprintf("a speed of %.0f rpm of fan %s", rpm, name), func() (string, bool) {
		fan := m.fan(t, name)
		return fan.String(), math.Abs(fan.GetRpm()/rpm-1) < 0.05
	})
	t.Logf("fan %s turns at %.0f rpm, and %.0f rpm are read", name, rpm, m.fan(t, name).GetRpm())
}

// The tachometers of kernel drivers are read through hwmon.
func hwmonFan(t *testing.T, m machine) {
	m.calm(t)
	// A count of 0x0a28 of its 90 kHz clock: 5,400,000 over it (datasheet of the ADT7475).
	m.i2cset(t, "-f", adt7475Address, "0x28", "0x28", "b")
	m.i2cset(t, "-f", adt7475Address, "0x29", "0x0a", "b")
	m.reads(t, "adt7475", 2077)
	m.took(t, backEnds()[2].set(60), backEnds()[2].is(60), 5*time.Second)
	m.reads(t, "pwmfan", 900)
}

// On a channel that nobody used yet the period comes before the duty; on one that runs with a longer period, a duty that
// would not fit is lowered first. The PWM driver refuses everything else.
func periodBeforeDuty(t *testing.T, m machine) {
	m.reload(t, "", "")
	m.wantRecord(t, "period 40000 duty 0 normal off result 0", "period 40000 duty 40000 normal off result 0", "period 40000 duty 40000 normal on result 0")
	m.sh(t, `systemctl stop bramble-coordinator
cd /sys/devices/platform/fe20c000.pwm/pwm/pwmchip*/pwm0 && echo 20000 > duty_cycle && echo 100000 > period && echo 70000 > duty_cycle && echo > /sys/kernel/debug/pi-sim/pwm
systemctl start bramble-coordinator`)
	m.live(t)
	m.wantRecord(t, "period 100000 duty 28000 normal on result 0", "period 40000 duty 28000 normal on result 0")
}

// wantRecord wants the requests to channel 0 to begin so, and none to be refused.
func (m machine) wantRecord(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, line := range m.record(t, "pwm") {
		if request, ours := strings.CutPrefix(line, "fe20c000.pwm channel 0 "); ours {
			got = append(got, request)
		}
	}
	if len(got) < len(want) || strings.Join(got[:len(want)], "\n") != strings.Join(want, "\n") {
		t.Errorf("the PWM driver was asked, in this order:\n\t%s\nwant it to begin with\n\t%s\njournal:\n%s",
			strings.Join(got, "\n\t"), strings.Join(want, "\n\t"), m.sh(t, "journalctl --no-pager -n 8 -u bramble-coordinator"))
		return
	}
	t.Logf("the PWM driver was asked for: %s", strings.Join(want, "; "))
}

// Chips keep their names while their numbers move: after others came first everything is found again.
func numbersMove(t *testing.T, m machine) {
	const numbers = `cd /sys/class; for f in hwmon/hwmon*/name; do echo $(cat $f)=${f%/name}; done | grep -E 'pwmfan|lm75|adt7475'
for p in pwm/pwmchip*; do echo $(basename $(readlink -f $p/device))=$p; done; gpiodetect | sed -n 's/\(gpiochip[0-9]*\) \[pinctrl-bcm2711\].*/pinctrl-bcm2711=\1/p'`
	before := m.sh(t, numbers)
	// Everything goes, and comes back in another order, behind a GPIO chip that was not there. The PWM chip inverts nothing
	// any more, so bramble must.
	m.reload(t, "audio_first=1 pwm_normal_only=1", unplugI2C+"modprobe gpio-sim; mkdir -p /sys/kernel/config/gpio-sim/first/bank0 && echo 4 > /sys/kernel/config/gpio-sim/first/bank0/num_lines && echo 1 > /sys/kernel/config/gpio-sim/first/live\n"+replugI2C)
	after := m.sh(t, numbers)
	t.Logf("numbers before: %s", strings.ReplaceAll(before, "\n", " "))
	t.Logf("numbers now:    %s", strings.ReplaceAll(after, "\n", " "))
	for line := range strings.SplitSeq(before, "\n") {
		if strings.Contains("\n"+after+"\n", "\n"+line+"\n") {
			t.Errorf("%s has kept its number: this test proves nothing", line)
		}
	}
	m.set(t, "temp", 47_000)
	m.arrives(t, "cpu-thermal", 47)
	m.arrives(t, "lm75/temp1", 40)
	for _, b := range backEnds() {
		m.took(t, b.set(45), b.is(45), 5*time.Second)
	}
	m.reads(t, "header", 675)
	m.reads(t, "pwmfan", 675)
	m.reads(t, "adt7475", 2077)
	t.Log("fans, tachometers and sensors are the same ones as before")
}
