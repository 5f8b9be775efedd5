package board

import (
	"fmt"
	"testing"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/rpi"
)

func TestClassify(t *testing.T) {
	for _, test := range []struct {
		compatible []string
		revision   uint32
		model      string
		want       Kind
	}{
		{[]string{"raspberrypi,3-model-b-plus", "brcm,bcm2837"}, 0, "", KindPi3BPlus},
		{[]string{"raspberrypi,3-model-a-plus", "brcm,bcm2837"}, 0, "", KindPi3APlus},
		{[]string{"raspberrypi,3-model-b", "brcm,bcm2837"}, 0, "", KindPi},
		{[]string{"raspberrypi,3-plus-compute-module", "brcm,bcm2837"}, 0, "", KindPiCompute},
		{[]string{"raspberrypi,4s-compute-module", "brcm,bcm2711"}, 0, "", KindPiCompute},
		{[]string{"raspberrypi,400", "brcm,bcm2711"}, 0, "", KindPi},
		{[]string{"raspberrypi,model-b", "brcm,bcm2835"}, 0, "", KindPiFirst},
		{[]string{"raspberrypi,model-a", "brcm,bcm2835"}, 0, "", KindPi26},
		{[]string{"raspberrypi,6-model-b", "brcm,bcm2799"}, 0, "", KindPi},
		{[]string{"xunlong,orangepi-zero2", "allwinner,sun50i-h616"}, 0xa020d3, "OrangePi Zero2", KindUnknown},
		{nil, 0xa020d3, "Raspberry Pi 3 Model B Plus Rev 1.3", KindPi3BPlus},
		{nil, 0x9020e0, "Raspberry Pi 3 Model A Plus Rev 1.0", KindPi3APlus},
		{nil, 0x2a020d3, "Raspberry Pi 3 Model B Plus Rev 1.3", KindPi3BPlus}, // overclocked: warranty bit
		{nil, 0xc03114, "Raspberry Pi 4 Model B Rev 1.4", KindPi4B},
		{nil, 0xd04170, "Raspberry Pi 5 Model B Rev 1.0", KindPi5},
		{nil, 0xb041a0, "Raspberry Pi Compute Module 5 Lite Rev 1.0", KindPiCompute},
		{nil, 0xa02082, "Raspberry Pi 3 Model B Rev 1.2", KindPi},
		{nil, 0x2, "Raspberry Pi Model B Rev 1", KindPiFirst},
		{nil, 0x100000e, "Raspberry Pi Model B Rev 2", KindPi26}, // overclocked, old style
		{nil, 0x10, "Raspberry Pi Model B Plus Rev 1.2", KindPi},
		{nil, 0x11, "Raspberry Pi Compute Module Rev 1.0", KindPiCompute},
		{nil, 0, "Raspberry Pi 3 Model B+", KindPi},
		{nil, 0xa020d3, "", KindUnknown},
		{nil, 0, "OptiPlex 3060", KindUnknown},
	} {
		if got := classify(test.compatible, test.revision, test.model); got != test.want {
			t.Errorf("%v, %#x, %q: %v, want %v", test.compatible, test.revision, test.model, got, test.want)
		}
	}
}

func TestSoCLimits(t *testing.T) {
	for kind, want := range map[Kind]float64{
		KindUnknown: 0, KindPi: 80, KindPiFirst: 80, KindPi26: 80, KindPi3APlus: 60, KindPi3BPlus: 60, KindPi4B: 80, KindPi5: 80, KindPiCompute: 80,
	} {
		if got := kind.SoCLimitCelsius(); got != want {
			t.Errorf("%v: %v, want %v", kind, got, want)
		}
	}
}

// TestHeaderIsPeriphs compares the table with the header of periph's host/rpi,
// which only this test links.
func TestHeaderIsPeriphs(t *testing.T) {
	theirs := map[int]gpio.PinIO{
		3: rpi.P1_3, 5: rpi.P1_5, 7: rpi.P1_7, 8: rpi.P1_8, 10: rpi.P1_10, 11: rpi.P1_11, 12: rpi.P1_12, 13: rpi.P1_13,
		15: rpi.P1_15, 16: rpi.P1_16, 18: rpi.P1_18, 19: rpi.P1_19, 21: rpi.P1_21, 22: rpi.P1_22, 23: rpi.P1_23, 24: rpi.P1_24,
		26: rpi.P1_26, 27: rpi.P1_27, 28: rpi.P1_28, 29: rpi.P1_29, 31: rpi.P1_31, 32: rpi.P1_32, 33: rpi.P1_33, 35: rpi.P1_35,
		36: rpi.P1_36, 37: rpi.P1_37, 38: rpi.P1_38, 40: rpi.P1_40,
	}
	for number := range 28 {
		pin := KindPi4B.HeaderPin(number)
		if theirs[pin] == nil || theirs[pin].Name() != fmt.Sprintf("GPIO%d", number) {
			t.Errorf("GPIO%d is on pin %d here, where periph has %v", number, pin, theirs[pin])
		}
		delete(theirs, pin)
	}
	if len(theirs) != 0 {
		t.Errorf("periph has %v more", theirs)
	}
}

func TestHeaderPin(t *testing.T) {
	for _, test := range []struct {
		kind      Kind
		gpio, pin int
	}{
		{KindPi4B, 18, 12}, {KindPi3BPlus, 26, 37}, {KindPi5, 0, 27}, {KindPi, 27, 13},
		{KindPi4B, 28, 0}, {KindPi4B, -1, 0}, {KindPi4B, 1 << 30, 0},
		{KindPi26, 18, 12}, {KindPi26, 27, 13}, {KindPi26, 26, 0}, {KindPi26, 0, 0},
		{KindPiFirst, 0, 3}, {KindPiFirst, 1, 5}, {KindPiFirst, 21, 13}, {KindPiFirst, 2, 0}, {KindPiFirst, 27, 0}, {KindPiFirst, 7, 26}, {KindPiFirst, 19, 0},
		{KindUnknown, 18, 0}, {KindPiCompute, 18, 0},
	} {
		if pin := test.kind.HeaderPin(test.gpio); pin != test.pin {
			t.Errorf("%v, GPIO%d: pin %d, want %d", test.kind, test.gpio, pin, test.pin)
		}
	}
}
