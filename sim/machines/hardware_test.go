//go:build system

package machines_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// probe builds testdata/probe.
func probe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
	return path
}

// network has the host talk to a port of the machine.
func network(g guest) {
	g.sh("systemd-run --quiet --unit hello /usr/lib/bramble/probe serve :7000")
	greeted(g)
	g.sh("systemctl stop hello")
	g.refused("ping -c 1 -W 2 192.0.2.1", "")
}

// greeted connects to port 7000 until somebody says hello.
func greeted(g guest) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.Address(7000))
		if err != nil {
			g.t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		line, err := bufio.NewReader(conn).ReadString('\n')
		_ = conn.Close()
		if line == "hello\n" {
			return
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	g.t.Errorf("nobody says hello on %s: %v", g.Address(7000), last)
}

func temperatures(g guest) {
	g.sh("modprobe pi-sim")
	g.want("cat /sys/class/thermal/thermal_zone0/type /sys/class/thermal/thermal_zone1/type", "gpu-thermal\ncpu-thermal")
	g.set("temp", 81500)
	g.set("gpu_temp", -2000)
	g.want("/lib/bramble/probe temperatures", "gpu-thermal: -2.000\ncpu-thermal: 81.500")
	g.set("temp_error", 5)
	if got := g.sh("/lib/bramble/probe temperatures"); !strings.Contains(got, "gpu-thermal: -2.000\ncpu-thermal: ") || !strings.Contains(got, "input/output error") {
		g.t.Errorf("with an error: %q", got)
	}
	g.set("temp_error", 0)
	g.set("temp", 48300)
}

func mailbox(g guest) {
	g.sh("modprobe -r pi-sim; modprobe pi-sim rpi_volt=0 temp=48300 && echo > /sys/kernel/debug/pi-sim/mailbox")
	const all = " of 0xf000f, 48.3 C, 1500000000 Hz"
	g.want("/lib/bramble/probe throttling", "/dev/vcio_gencmd 0x0"+all)
	g.set("throttled", 5)
	g.want("/lib/bramble/probe throttling", "/dev/vcio_gencmd 0x50005"+all)
	g.set("throttled", 0)
	g.want("/lib/bramble/probe throttling", "/dev/vcio_gencmd 0x50000"+all)
	if got := g.parameter("throttled_cleared"); got != "0" {
		g.t.Errorf("cleared %s, and nobody asked for it", got)
	}
	if record := g.sh("cat /sys/kernel/debug/pi-sim/mailbox"); !regexp.MustCompile(`(?m)^\d+ vcio_gencmd tag 0x00030080 clear 0x00000000 answer 0x00050005$`).MatchString(record) {
		g.t.Errorf("the record is\n%s", record)
	}

	g.refused("/lib/bramble/probe tag /dev/vcio_gencmd 0x30046 0", "operation not permitted")
	g.want("/lib/bramble/probe tag /dev/vcio 0x30046 0", "0x80000000 0x80000004 0x50000")
	g.refused("/lib/bramble/probe tag /dev/vcio 0x12345 0", "invalid argument")

	// Who clears is found out, and what still holds is history again at once.
	g.set("throttled", 2)
	g.want("/lib/bramble/probe tag /dev/vcio 0x30046 0x7", "0x80000000 0x80000004 0x70002")
	g.want("/lib/bramble/probe tag /dev/vcio 0x30046 0", "0x80000000 0x80000004 0x20002")
	if got := g.parameter("throttled_cleared"); got != "7" {
		g.t.Errorf("cleared 7, and the module knows of %s", got)
	}
	g.set("throttled", 0)

	g.set("mailbox_error", 22)
	g.refused("/lib/bramble/probe throttling", "gave no answer")
	g.set("mailbox_error", 0)
	g.refused("echo 16 > /sys/module/pi_sim/parameters/throttled", "")
}

// voltageAlarm waits for what the kernel does every two seconds: a dip that is over is seen once, and forgotten.
func voltageAlarm(g guest) {
	g.sh("modprobe -r pi-sim; modprobe pi-sim vcio=0 vcio_gencmd=0")
	g.want("/lib/bramble/probe throttling", alarmFile(g)+" 0x0 of 0x10001")
	g.set("throttled", 1)
	g.set("throttled", 0)
	until(g, "grep -q 1 "+alarmFile(g))
	g.want("cat /sys/module/pi_sim/parameters/throttled", "0x0")
	until(g, "grep -q 0 "+alarmFile(g))
}

func alarmFile(g guest) string {
	return g.sh("echo $(dirname $(grep -l rpi_volt /sys/class/hwmon/*/name))/in0_lcrit_alarm")
}

// until waits for a condition inside the machine, which looks more often than the host of a busy machine can ask.
func until(g guest, command string) {
	g.t.Helper()
	g.sh("timeout 60 sh -c 'until " + command + "; do sleep 0.1; done'")
}

// applied returns the record without its times, and empties it.
func applied(g guest) string {
	g.t.Helper()
	record := g.sh("cut -d ' ' -f 2- /sys/kernel/debug/pi-sim/pwm; echo > /sys/kernel/debug/pi-sim/pwm")
	return strings.ReplaceAll(record, "fe20c000.pwm channel ", "")
}

func pwm(g guest) {
	g.sh("modprobe -r pi-sim; modprobe pi-sim")
	g.want("ls /sys/devices/platform/fe20c000.pwm/pwm", "pwmchip0")
	if got := g.parameter("fan_rpm"); got != "5000" {
		g.t.Errorf("a fan whose wire nobody drives turns with %s rpm", got)
	}
	channel := "cd /sys/class/pwm/pwmchip0; echo 0 > export; cd pwm0; "
	g.refused(channel+"echo 12000 > duty_cycle", "I/O error") // as dash says whatever it is
	channel = "cd /sys/class/pwm/pwmchip0/pwm0; "
	g.refused(channel+"echo 100 > period", "I/O error")
	g.want(channel+"echo 40000 > period && echo 12000 > duty_cycle && echo 1 > enable && cat period duty_cycle enable", "40000\n12000\n1")
	want := "0 period 100 duty 0 normal off result -22\n0 period 40000 duty 0 normal off result 0\n" +
		"0 period 40000 duty 12000 normal off result 0\n0 period 40000 duty 12000 normal on result 0"
	if got := applied(g); got != want {
		g.t.Errorf("applied\n%s\nwant\n%s", got, want)
	}
	g.sh("/lib/bramble/probe duty '' 0 0.25 1 0.5") // the header's chip, found as bramble finds it
	want = "0 period 40000 duty 10000 normal on result 0\n0 period 40000 duty 40000 normal on result 0\n0 period 40000 duty 20000 normal on result 0"
	if got := applied(g); got != want {
		g.t.Errorf("applied\n%s\nwant\n%s", got, want)
	}
	if got := g.parameter("fan_rpm"); got != "2500" {
		g.t.Errorf("at half duty %s rpm", got)
	}
	g.set("fan_inverted", 1)
	g.sh(channel + "echo 10000 > duty_cycle")
	if got := g.parameter("fan_rpm"); got != "3750" {
		g.t.Errorf("inverted, at a quarter of the duty %s rpm", got)
	}
	g.set("fan_inverted", 0)
	g.set("pwm_error", 5)
	g.refused("/lib/bramble/probe duty fe20c000.pwm 0 1", "input/output error")
	g.set("pwm_error", 0)
	g.sh("/lib/bramble/probe duty fe20c000.pwm 0 1")
}

// tachometer compares what the kernel's edges say with the speed that the module keeps. At 1,500 rpm an edge comes every
// 20 ms, which a translated machine on a busy host can follow.
func tachometer(g guest) {
	g.sh("modprobe pi-sim")
	g.set("fan_max_rpm", 1500)
	for _, duty := range []float64{1, 0.3} {
		g.sh(fmt.Sprintf("/lib/bramble/probe duty fe20c000.pwm 0 %v", duty))
		turns(g, "pinctrl-bcm2711", 1500*duty)
	}
	g.set("fan_stalled", 1)
	g.want("/lib/bramble/probe tach '' 24", "0")
	g.set("fan_stalled", 0)
}

// turns counts edges until they say what they must. A host that stands still for a moment loses some, so one count may
// be wrong; a wrong fan is wrong each time.
func turns(g guest, chip string, want float64) {
	g.t.Helper()
	var seen []float64
	for range 5 {
		rpm := g.number("/lib/bramble/probe tach '" + chip + "' 24")
		if rpm > want*0.9 && rpm < want*1.1 {
			return
		}
		seen = append(seen, rpm)
	}
	g.t.Errorf("the edges say %v rpm, want about %.0f", seen, want)
}

func driverFan(g guest) {
	g.sh("modprobe pi-sim")
	g.set("fan_max_rpm", 1500)
	g.want("cat /sys/class/hwmon/hwmon*/name | sort | tr '\\n' ' '", "cpu_thermal gpu_thermal pwmfan rpi_volt")
	fan := "cd $(dirname $(grep -l pwmfan /sys/class/hwmon/*/name)); "
	g.want(fan+"echo 255 > pwm1; cat fan1_input; echo 51 > pwm1; cat fan1_input; echo 0 > pwm1_enable; cat fan1_input", "1500\n300\n0")
	g.refused(fan+"echo 256 > pwm1", "I/O error")
}

// numbersMove: what a number meant before means something else now, a name does not.
func numbersMove(g guest) {
	g.sh("echo 0 > /sys/class/pwm/pwmchip0/unexport && modprobe -r pi-sim && modprobe gpio-sim")
	g.sh("d=/sys/kernel/config/gpio-sim/first; mkdir -p $d/bank0; echo 8 > $d/bank0/num_lines; echo other > $d/bank0/label; echo 1 > $d/live")
	g.sh("modprobe pi-sim audio_first=1 gpio_label=pinctrl-bcm2711 fan_max_rpm=1500")
	g.want("gpiodetect", "gpiochip0 [other] (8 lines)\ngpiochip1 [pinctrl-bcm2711] (58 lines)")
	g.want("ls /sys/devices/platform/fe20c000.pwm/pwm", "pwmchip2")
	g.sh("/lib/bramble/probe duty '' 0 0.5")
	if got := g.parameter("fan_rpm"); got != "750" {
		g.t.Errorf("the header's chip was not found among two: the fan turns with %s rpm", got)
	}
	turns(g, "", 750)
}

// gpioSim has the kernel's own simulator move a line and a program see it.
func gpioSim(g guest) {
	g.want("gpioget other 3; echo pull-up > /sys/devices/platform/gpio-sim.0/gpiochip0/sim_gpio3/pull; gpioget other 3", "0\n1")
}

func i2c(g guest) {
	g.sh("modprobe i2c-dev; modprobe lm75; modprobe i2c-stub chip_addr=0x48")
	bus := g.sh("i2cdetect -l | awk '/SMBus stub/ {sub(\"i2c-\", \"\", $1); print $1}'")
	g.sh("i2cset -y " + bus + " 0x48 0 0x8019 w && echo lm75 0x48 > /sys/bus/i2c/devices/i2c-" + bus + "/new_device")
	if got := g.sh("/lib/bramble/probe temperatures"); !strings.Contains(got, "lm75/temp1: 25.500") {
		g.t.Errorf("the lm75 is not among\n%s", got)
	}
}
