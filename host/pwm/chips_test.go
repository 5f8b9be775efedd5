package pwm

import (
	"fmt"
	"math"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// chipDriver is how a PWM chip differs from others.
type chipDriver struct {
	compatible string
	channels   int
	minimum    uint64 // nanoseconds of the shortest period that the driver takes
	noInvert   bool
}

// The clock of pwm-bcm2835 runs at 10 MHz in bcm283x.dtsi, and the driver wants two cycles.
var (
	bcm2835 = chipDriver{compatible: "brcm,bcm2835-pwm", channels: 2, minimum: 200}
	rp1     = chipDriver{compatible: "raspberrypi,rp1-pwm", channels: 4, minimum: 20}
	simple  = chipDriver{compatible: "", channels: 2, minimum: 1, noInvert: true}
)

// simulatedChip is a PWM chip with its channels.
type simulatedChip struct {
	kernel   *simulated
	driver   chipDriver
	dir      string // /sys/devices/.../pwmchipN
	channels []*simulatedChannel
	// rights come this long after an export; below zero they never do.
	rights time.Duration
}

type simulatedChannel struct {
	state
	owner      string // a kernel driver
	exported   bool
	generation int // of exports
	since      time.Time
	wire       []string // what the pin did, one word a change
}

// addChip gives a kernel a chip as it appears in /sys.
func (k *simulated) addChip(number int, device string, driver chipDriver) *simulatedChip {
	parent := "/sys/devices/platform/soc/" + device
	dir := parent + "/pwm/pwmchip" + strconv.Itoa(number)
	c := &simulatedChip{kernel: k, driver: driver, dir: dir}
	k.links["/sys/class/pwm/pwmchip"+strconv.Itoa(number)] = dir
	k.links[dir+"/device"] = parent
	k.value(dir+"/npwm", strconv.Itoa(driver.channels))
	if driver.compatible != "" {
		k.links[parent+"/of_node"] = "/sys/firmware/devicetree/base/soc/" + device
		k.value("/sys/firmware/devicetree/base/soc/"+device+"/compatible", driver.compatible+"\x00")
	}
	k.nodes[dir+"/export"] = &node{write: c.export}
	k.nodes[dir+"/unexport"] = &node{write: c.unexport}
	for range driver.channels {
		c.channels = append(c.channels, &simulatedChannel{})
	}
	return c
}

func (c *simulatedChip) export(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil {
		return syscall.EINVAL
	}
	if number >= len(c.channels) {
		return syscall.ENODEV
	}
	channel := c.channels[number]
	if channel.owner != "" || channel.exported {
		return syscall.EBUSY
	}
	c.appear(number)
	return nil
}

// appear makes the files of an exported channel.
func (c *simulatedChip) appear(number int) {
	channel := c.channels[number]
	channel.exported = true
	channel.generation++
	channel.since = time.Now()
	generation := channel.generation
	attribute := func(name string, read func() string, change func(*state, string) error) {
		c.kernel.nodes[fmt.Sprintf("%s/pwm%d/%s", c.dir, number, name)] = &node{
			read: func() (string, error) { return read(), nil },
			write: func(text string) error {
				next := channel.state
				if err := change(&next, text); err != nil {
					return err
				}
				return c.apply(channel, next)
			},
			writable: func() error {
				if c.rights < 0 || time.Since(channel.since) < c.rights {
					return syscall.EACCES
				}
				return nil
			},
			gone: func() bool { return !channel.exported || channel.generation != generation },
		}
	}
	integer := func(value *uint64, text string) (err error) {
		if *value, err = strconv.ParseUint(text, 10, 64); err != nil {
			return syscall.EINVAL
		}
		return nil
	}
	attribute("period", func() string { return strconv.FormatUint(channel.period, 10) },
		func(next *state, text string) error { return integer(&next.period, text) })
	attribute("duty_cycle", func() string { return strconv.FormatUint(channel.duty, 10) },
		func(next *state, text string) error { return integer(&next.duty, text) })
	attribute("polarity", func() string { return polarity(channel.inversed) }, func(next *state, text string) error {
		next.inversed = text == "inversed"
		if !next.inversed && text != "normal" {
			return syscall.EINVAL
		}
		return nil
	})
	attribute("enable", func() string { return map[bool]string{false: "0", true: "1"}[channel.enabled] },
		func(next *state, text string) error {
			next.enabled = text == "1"
			return nil
		})
}

// apply is the core's check of a state, then the driver's (drivers/pwm/core.c up to 6.12, where
// a channel that is off is checked too; pwm-bcm2835.c).
func (c *simulatedChip) apply(channel *simulatedChannel, next state) error {
	if next.period == 0 || next.duty > next.period || next.period < c.driver.minimum {
		return syscall.EINVAL
	}
	if next.inversed && c.driver.noInvert {
		return syscall.EINVAL
	}
	channel.state = next
	if word := channel.pin(); len(channel.wire) == 0 || channel.wire[len(channel.wire)-1] != word {
		channel.wire = append(channel.wire, word)
	}
	return nil
}

// unexport stops the output, as on a Pi 5.
func (c *simulatedChip) unexport(text string) error {
	number, _ := strconv.Atoi(text)
	c.channels[number].enabled = false
	c.channels[number].exported = false
	return nil
}

// pin says which share of the time the pin is high, or that nobody knows.
func (c *simulatedChannel) pin() string {
	if !c.enabled {
		return "off"
	}
	high := c.fraction()
	if c.inversed {
		high = 1 - high
	}
	return strconv.FormatFloat(math.Round(high*1e4)/1e4, 'f', -1, 64)
}

// sees returns what a fan makes of the pin, directly or behind a transistor; NaN when the level
// is undefined.
func (c *simulatedChannel) sees(inverted bool) float64 {
	high, err := strconv.ParseFloat(c.pin(), 64)
	switch {
	case err != nil:
		return math.NaN()
	case inverted:
		return math.Round((1-high)*1e4) / 1e4
	}
	return high
}

// pi4 has the header's chip and the one that makes sound; pi5 the header's and the fan
// connector's.
func pi4() (*simulated, *simulatedChip) {
	k := newKernel()
	k.addChip(0, "fe20c800.pwm", bcm2835)
	return k, k.addChip(1, "fe20c000.pwm", bcm2835)
}

func pi5() (*simulated, *simulatedChip) {
	k := newKernel()
	k.addChip(2, "1f0009c000.pwm", rp1)
	return k, k.addChip(6, "1f00098000.pwm", rp1)
}

func openTest(t *testing.T, k *simulated, config Config) *Channel {
	t.Helper()
	c, err := open(t.Context(), k, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if k.opened != 0 {
			t.Errorf("%d files are still open", k.opened)
		}
	})
	return c
}
