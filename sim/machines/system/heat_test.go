//go:build system

package system

import (
	"fmt"
	"math"
	"strings"
	"testing"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// arrives waits until a sensor has a value at the coordinator.
func (m machine) arrives(t *testing.T, sensor string, celsius float64) {
	t.Helper()
	until(t, fmt.Sprintf("%s at %.1f C", sensor, celsius), func() (string, bool) {
		found := measurement(m.node(t), sensor)
		_, measured := found.GetValue().(*coordinatorv1.Measurement_Celsius)
		return found.String(), measured && math.Abs(float64(found.GetCelsius())-celsius) < 0.11
	})
	t.Logf("the kernel measures %.1f C, bramblectl lists %s with it", celsius, sensor)
}

// What the kernel measures is what bramblectl shows, for zones and for hwmon chips, and none is taken for another.
func temperaturesArrive(t *testing.T, m machine) {
	m.set(t, "gpu_temp", 52_500) // the zone with number 0
	for _, milli := range []int{61_234, -5_000, 84_900} {
		m.set(t, "temp", milli)
		m.arrives(t, "cpu-thermal", float64(milli)/1000)
	}
	if found := measurement(m.node(t), "cpu-thermal"); found.GetKind() != agentv1.SensorKind_SENSOR_KIND_SOC_TEMPERATURE {
		t.Errorf("cpu-thermal is of kind %v", found.GetKind())
	}
	m.i2cset(t, "-f", lm75Address, "0", "0x0050", "w") // 80.0 C, the high byte first
	m.arrives(t, "lm75/temp1", 80)
	m.i2cset(t, "-f", lm75Address, "0", "0x80e7", "w") // -24.5 C
	m.arrives(t, "lm75/temp1", -24.5)
	m.arrives(t, "cpu-thermal", 84.9)
	m.arrives(t, "gpu-thermal", 52.5)
	m.set(t, "temp", 45_000)
}

// A zone that cannot be read says why, and every other sensor goes on.
func brokenZoneIsSeen(t *testing.T, m machine) {
	m.i2cset(t, "-f", lm75Address, "0", "0x0028", "w") // 40.0 C
	m.set(t, "temp_error", 5)                          // EIO
	until(t, "the error of cpu-thermal", func() (string, bool) {
		found := measurement(m.node(t), "cpu-thermal")
		return found.String(), strings.Contains(found.GetError(), "input/output error")
	})
	t.Logf("the broken zone is shown as: %s", measurement(m.node(t), "cpu-thermal").GetError())
	m.arrives(t, "lm75/temp1", 40)
	m.i2cset(t, "-f", lm75Address, "0", "0x0029", "w")
	m.arrives(t, "lm75/temp1", 41)
	m.i2cset(t, "-f", lm75Address, "0", "0x0028", "w")
	m.set(t, "gpu_temp", 53_500)
	m.arrives(t, "gpu-thermal", 53.5)
	m.set(t, "temp_error", 0)
	m.set(t, "temp", 50_500)
	m.arrives(t, "cpu-thermal", 50.5)
}
