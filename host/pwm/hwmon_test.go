package pwm

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// fanOf returns a fan of the named driver and the fan as bramble sees it.
func fanOf(t *testing.T, driver string, takeOver bool) (*simulated, *simulatedHwmon, *Hwmon) {
	t.Helper()
	k := newKernel()
	for _, d := range hwmonDrivers() {
		if d.name != driver {
			continue
		}
		fan := k.addHwmon(3, "cooling_fan", d)
		h, err := openHwmon(k, HwmonConfig{Name: driver, TakeOver: takeOver})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := h.Close(); err != nil || k.opened != 0 {
				t.Errorf("%v; %d files are still open", err, k.opened)
			}
		})
		return k, fan, h
	}
	t.Fatalf("no driver %q", driver)
	return nil, nil, nil
}

func TestHwmonIsOnlyReadUnlessTakenOver(t *testing.T) {
	for _, driver := range hwmonDrivers() {
		t.Run(driver.name, func(t *testing.T) {
			k, fan, h := fanOf(t, driver.name, false)
			if rpm, err := h.RPM(); err != nil || rpm != 2210 {
				t.Errorf("%v rpm, %v", rpm, err)
			}
			if duty, err := h.Duty(); err != nil || duty != 75.0/255 {
				t.Errorf("duty %v, %v", duty, err)
			}
			err := h.SetDuty(0.5)
			if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "kernel_fan: take_over") {
				t.Errorf("SetDuty: %v", err)
			}
			if err := errors.Join(h.Safe(), h.Restore(), safeHwmon(k, HwmonConfig{Name: driver.name})); err != nil {
				t.Error(err)
			}
			k.wantTranscript(t)
			if fan.mode != driver.mode || fan.pwm != 75 {
				t.Errorf("mode %d, pwm %d", fan.mode, fan.pwm)
			}
		})
	}
}

func TestHwmonTakeOverAndRestore(t *testing.T) {
	for _, c := range []struct {
		driver string
		found  uint64
		want   []string
		sees   float64 // in the end
	}{
		// Automatic again.
		{"nct6775", 5, []string{"pwm1_enable 1", "pwm1 128", "pwm1_enable 5"}, 0.42},
		{"nct6775", 0, []string{"pwm1_enable 1", "pwm1 128", "pwm1_enable 0"}, 1},
		// Nobody controls it after us.
		{"nct6775", 1, []string{"pwm1 128", "pwm1_enable 1", "pwm1 255", "pwm1_enable 1"}, 1},
		// The governor may not act for hours.
		{"pwmfan", 1, []string{"pwm1_enable 2", "pwm1 128", "pwm1_enable 2", "pwm1 255", "pwm1_enable 1"}, 1},
		// Not switched off again.
		{"pwmfan", 0, []string{"pwm1_enable 2", "pwm1 128", "pwm1_enable 2", "pwm1 255"}, 1},
		{"emc2305", 0, []string{"pwm1 128", "pwm1 255"}, 1},
	} {
		t.Run(c.driver, func(t *testing.T) {
			k := newKernel()
			index := slices.IndexFunc(hwmonDrivers(), func(d hwmonDriver) bool { return d.name == c.driver })
			fan := k.addHwmon(0, "cooling_fan", hwmonDrivers()[index])
			fan.mode = c.found
			h, err := openHwmon(k, HwmonConfig{TakeOver: true})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if err := h.SetDuty(0.5); err != nil {
				t.Fatal(err)
			}
			if err := h.Restore(); err != nil {
				t.Fatal(err)
			}
			k.wantTranscript(t, c.want...)
			if fan.sees() != c.sees || fan.mode != c.found && c.found != 0 {
				t.Errorf("mode %d, the fan sees %v", fan.mode, fan.sees())
			}
			if err := h.SetDuty(0.2); !errors.Is(err, ErrReadOnly) {
				t.Errorf("SetDuty after Restore: %v", err)
			}
			if err := errors.Join(h.Restore(), h.Safe()); err != nil {
				t.Error(err)
			}
			k.wantTranscript(t)
		})
	}
}

// By the kernel's general page mode 0 is full speed; the pwm-fan driver switches the fan off, and
// ignores its pwm1 until the mode is another.
func TestSafeNeverSwitchesAPWMFanOff(t *testing.T) {
	k, fan, h := fanOf(t, "pwmfan", true)
	fan.mode, fan.pwm = 0, 0
	if err := h.Safe(); err != nil || fan.sees() != 1 {
		t.Fatalf("%v, the fan sees %v", err, fan.sees())
	}
	fan.fault["pwm1"] = syscall.EIO
	if err := h.Safe(); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v", err)
	}
	k.wantTranscript(t, "pwm1_enable 2", "pwm1_enable 2", "pwm1 255", "pwm1_enable 2", "pwm1 255: input/output error")
}

// A chip that takes no duty may still take the mode that means full speed.
func TestSafeFallsBackToTheFullSpeedMode(t *testing.T) {
	k, fan, h := fanOf(t, "nct6775", true)
	fan.fault["pwm1"] = syscall.EIO
	if err := h.Safe(); err != nil || fan.sees() != 1 {
		t.Errorf("%v, the fan sees %v", err, fan.sees())
	}
	k.wantTranscript(t, "pwm1_enable 1", "pwm1_enable 1", "pwm1 255: input/output error", "pwm1_enable 0")
}

func TestSafeHwmonOfACrashedCoordinator(t *testing.T) {
	for _, driver := range hwmonDrivers() {
		t.Run(driver.name, func(t *testing.T) {
			k := newKernel()
			fan := k.addHwmon(0, "cooling_fan", driver)
			fan.spoil()
			if err := safeHwmon(k, HwmonConfig{Name: "cooling_fan", TakeOver: true}); err != nil || fan.sees() != 1 {
				t.Errorf("%v, the fan sees %v", err, fan.sees())
			}
			if k.opened != 0 {
				t.Errorf("%d files are still open", k.opened)
			}
		})
	}
}

func TestSlowestStepStillTurns(t *testing.T) {
	k, _, h := fanOf(t, "emc2305", true)
	if err := errors.Join(h.SetDuty(0.0001), h.SetDuty(0)); err != nil {
		t.Fatal(err)
	}
	k.wantTranscript(t, "pwm1 1", "pwm1 0")
}

func TestHwmonWithoutATachometer(t *testing.T) {
	k := newKernel()
	k.addHwmon(0, "cooling_fan", hwmonDrivers()[1])
	delete(k.nodes, "/sys/devices/platform/cooling_fan/hwmon/hwmon0/fan1_input")
	h, err := openHwmon(k, HwmonConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.RPM(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

func TestFailedTachometerIsAnError(t *testing.T) {
	_, fan, h := fanOf(t, "emc2305", false)
	fan.rpm = "nonsense"
	if rpm, err := h.RPM(); err == nil || errors.Is(err, errors.ErrUnsupported) || rpm != 0 {
		t.Errorf("%v rpm, %v", rpm, err)
	}
	_ = h.Close()
	if _, err := h.RPM(); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// hwmon numbers change with every boot: name and device tell the fans apart.
func TestHwmonIsFoundByNameAndDevice(t *testing.T) {
	k := newKernel()
	k.addHwmon(0, "1-002f", hwmonDrivers()[2])
	k.addHwmon(7, "1-004d", hwmonDrivers()[2]).rpm = "4100"
	k.addHwmon(4, "cooling_fan", hwmonDrivers()[1]).rpm = "900"
	k.value("/sys/class/hwmon/hwmon2/name", "rpi_volt") // no fan
	k.value("/sys/class/hwmon/hwmon2/in0_lcrit_alarm", "0")
	for _, c := range []struct {
		config HwmonConfig
		want   float64
	}{
		{HwmonConfig{Name: "emc2305", Device: "1-004d"}, 4100},
		{HwmonConfig{Name: "1-004d"}, 4100},
		{HwmonConfig{Device: "platform/1-002f"}, 2210},
		{HwmonConfig{Device: "cooling_fan"}, 900},
		{HwmonConfig{Name: "pwmfan"}, 900},
		{HwmonConfig{Name: "cooling_fan"}, 900},
	} {
		h, err := openHwmon(k, c.config)
		if err != nil {
			t.Errorf("%+v: %v", c.config, err)
			continue
		}
		if rpm, err := h.RPM(); err != nil || rpm != c.want {
			t.Errorf("%+v: %v rpm, %v", c.config, rpm, err)
		}
		_ = h.Close()
	}
}

func TestHwmonFaults(t *testing.T) {
	k := newKernel()
	k.addHwmon(0, "1-002f", hwmonDrivers()[2])
	k.addHwmon(7, "1-004d", hwmonDrivers()[2])
	for _, c := range []struct {
		name    string
		kernel  *simulated
		config  HwmonConfig
		missing bool
		mention []string
	}{
		{"nothing at all", newKernel(), HwmonConfig{}, true, []string{"/sys/class/hwmon"}},
		{"another name", k, HwmonConfig{Name: "pwmfan"}, true, []string{`"pwmfan"`, "emc2305 (1-002f), emc2305 (1-004d)"}},
		{"ambiguous", k, HwmonConfig{Name: "emc2305"}, false, []string{"1-002f", "1-004d", "name the device too"}},
		{"no such numbers", k, HwmonConfig{Name: "1-002f", PWM: 2, Fan: 3}, true, []string{"pwm2", "fan3_input"}},
		{"no such output", k, HwmonConfig{Name: "1-002f", PWM: 2, TakeOver: true}, true, []string{"pwm2"}},
		{"numbers out of range", k, HwmonConfig{PWM: -1, Fan: 256}, false, []string{"pwm: -1", "fan: 256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := openHwmon(c.kernel, c.config)
			if err == nil || errors.Is(err, ErrNotFound) != c.missing {
				t.Fatalf("error %v", err)
			}
			for _, part := range c.mention {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %q", part, err)
				}
			}
			if c.kernel.opened != 0 {
				t.Errorf("%d files are still open", c.kernel.opened)
			}
		})
	}
}

// A device without a fan is not what an empty name means.
func TestOnlyDevicesWithFansCount(t *testing.T) {
	k := newKernel()
	k.value("/sys/class/hwmon/hwmon0/name", "rpi_volt")
	k.value("/sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0")
	if _, err := openHwmon(k, HwmonConfig{}); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "rpi_volt (none)") {
		t.Errorf("error %v", err)
	}
	k.addHwmon(1, "cooling_fan", hwmonDrivers()[1])
	h, err := openHwmon(k, HwmonConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_ = h.Close()
}

// A fan that is only read needs no safe state of ours, not even when it is not there.
func TestSafeHwmonOfAMissingFan(t *testing.T) {
	if err := safeHwmon(newKernel(), HwmonConfig{Name: "pwmfan"}); err != nil {
		t.Error(err)
	}
	if err := safeHwmon(newKernel(), HwmonConfig{Name: "pwmfan", TakeOver: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestFailedTakeOverClosesItsFiles(t *testing.T) {
	k := newKernel()
	k.addHwmon(0, "cooling_fan", hwmonDrivers()[0]).fault["pwm1_enable"] = syscall.EIO
	_, err := openHwmon(k, HwmonConfig{TakeOver: true})
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "take the fan over") || k.opened != 0 {
		t.Errorf("error %v, %d files are still open", err, k.opened)
	}
}

func TestTakeOverWithoutTheRights(t *testing.T) {
	k := newKernel()
	fan := k.addHwmon(0, "cooling_fan", hwmonDrivers()[1])
	for path, node := range k.nodes {
		if strings.HasSuffix(path, "pwm1") || strings.HasSuffix(path, "pwm1_enable") {
			node.writable = func() error { return syscall.EACCES }
		}
	}
	_, err := openHwmon(k, HwmonConfig{TakeOver: true})
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "udev rule") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	if k.wantTranscript(t); fan.mode != 1 || k.opened != 0 {
		t.Errorf("mode %d, %d files are still open", fan.mode, k.opened)
	}
}
