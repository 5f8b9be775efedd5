package pwm

import (
	"strconv"
	"syscall"
)

// hwmonDriver is how a kernel driver treats its fan.
type hwmonDriver struct {
	name  string
	modes int // pwm1_enable takes 0 to modes-1; 0 is a driver without the file
	mode  uint64
	// sees says what reaches the fan.
	sees func(mode, pwm uint64) float64
	// takes says whether a pwm1 is taken in this mode; else it is ignored, as drivers do.
	takes func(mode uint64) bool
}

// hwmonDrivers are the three kinds: a chip as Documentation/hwmon/sysfs-interface.rst has it, the
// pwm-fan driver as Documentation/hwmon/pwm-fan.rst and its __set_pwm have it, and one without
// modes.
func hwmonDrivers() []hwmonDriver {
	return []hwmonDriver{{
		name: "nct6775", modes: 6, mode: 5,
		sees: func(mode, pwm uint64) float64 {
			switch mode {
			case 0:
				return 1
			case 1:
				return float64(pwm) / 255
			}
			return 0.42 // the chip's own curve
		},
		takes: func(mode uint64) bool { return mode == 1 },
	}, {
		name: "pwmfan", modes: 4, mode: 1,
		sees: func(mode, pwm uint64) float64 {
			if pwm == 0 && mode != 2 {
				return -1 // output off, or no power at all
			}
			return float64(pwm) / 255
		},
		takes: func(mode uint64) bool { return mode != 0 },
	}, {
		name:  "emc2305",
		sees:  func(_, pwm uint64) float64 { return float64(pwm) / 255 },
		takes: func(uint64) bool { return true },
	}}
}

// simulatedHwmon is one fan of a driver.
type simulatedHwmon struct {
	driver    hwmonDriver
	mode, pwm uint64
	rpm       string
	fault     map[string]error // of writes, by file
}

func (d *simulatedHwmon) sees() float64 { return d.driver.sees(d.mode, d.pwm) }

// spoil is what a person at a shell does.
func (d *simulatedHwmon) spoil() {
	d.pwm = 10
	if d.driver.modes > 0 {
		d.mode = uint64(d.driver.modes) - 1
	}
	if d.driver.name == "pwmfan" {
		d.mode, d.pwm = 0, 0 // "off" by its own documentation
	}
}

// addHwmon gives a kernel a fan as it appears in /sys.
func (k *simulated) addHwmon(number int, device string, driver hwmonDriver) *simulatedHwmon {
	d := &simulatedHwmon{driver: driver, mode: driver.mode, pwm: 75, rpm: "2210", fault: map[string]error{}}
	parent := "/sys/devices/platform/" + device
	dir := parent + "/hwmon/hwmon" + strconv.Itoa(number)
	k.links["/sys/class/hwmon/hwmon"+strconv.Itoa(number)] = dir
	k.links[dir+"/device"] = parent
	k.value(dir+"/name", driver.name)
	k.nodes[dir+"/fan1_input"] = &node{read: func() (string, error) { return d.rpm, nil }}
	integer := func(name string, read func() uint64, limit uint64, set func(uint64)) {
		k.nodes[dir+"/"+name] = &node{
			read: func() (string, error) { return strconv.FormatUint(read(), 10), nil },
			write: func(text string) error {
				value, err := strconv.ParseUint(text, 10, 64)
				if err != nil || value > limit {
					return syscall.EINVAL
				}
				if err := d.fault[name]; err != nil {
					return err
				}
				set(value)
				return nil
			},
		}
	}
	integer("pwm1", func() uint64 { return d.pwm }, 255, func(value uint64) {
		if driver.takes(d.mode) {
			d.pwm = value
		}
	})
	if driver.modes > 0 {
		integer("pwm1_enable", func() uint64 { return d.mode }, uint64(driver.modes)-1, func(value uint64) {
			d.mode = value
			if driver.name == "pwmfan" && value == 0 {
				d.pwm = 0
			}
		})
	}
	return d
}
