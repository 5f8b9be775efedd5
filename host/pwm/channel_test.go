package pwm

import (
	"errors"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The simulated kernel refuses every other order; this says which one we have.
func TestOpenWritesPeriodThenDutyThenEnable(t *testing.T) {
	k, chip := pi4()
	c := openTest(t, k, Config{})
	k.wantTranscript(t, "export 0", "pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1")
	if want := []string{"off", "1"}; !slices.Equal(chip.channels[0].wire, want) {
		t.Errorf("the pin was %v, want %v", chip.channels[0].wire, want)
	}
	if c.Duty() != 1 {
		t.Errorf("duty %v", c.Duty())
	}
	if err := errors.Join(c.SetDuty(0.25), c.SetDuty(0)); err != nil {
		t.Fatal(err)
	}
	k.wantTranscript(t, "pwm0/duty_cycle 10000", "pwm0/enable 1", "pwm0/duty_cycle 0", "pwm0/enable 1") // a stopped fan's channel stays on
}

// What the driver says to a program that starts with the duty.
func TestSimulatedDriverRefusesDutyBeforePeriod(t *testing.T) {
	k, chip := pi4()
	if err := writeText(k, "/sys/class/pwm/pwmchip1/export", "0"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		file, value string
		refused     bool
	}{
		{"duty_cycle", "20000", true},
		{"polarity", "inversed", true},
		{"enable", "1", true},
		{"period", "100", true},
		{"period", "40000", false},
		{"duty_cycle", "40001", true},
		{"duty_cycle", "20000", false},
		{"period", "19999", true},
		{"enable", "1", false},
	} {
		err := writeText(k, "/sys/class/pwm/pwmchip1/pwm0/"+step.file, step.value)
		if (err != nil) != step.refused || err != nil && !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s to %s: %v", step.value, step.file, err)
		}
	}
	if got := chip.channels[0].sees(false); got != 0.5 {
		t.Errorf("the fan sees %v", got)
	}
}

// running is a channel as somebody else, or our last life, left it.
func running(c *simulatedChip, number int, s state) *simulatedChannel {
	c.appear(number)
	channel := c.channels[number]
	channel.state = s
	channel.wire = []string{channel.pin()}
	return channel
}

func TestTakeOverWritesNothing(t *testing.T) {
	for _, inverted := range []bool{false, true} {
		k, chip := pi4()
		channel := running(chip, 1, state{40_000, 13_000, inverted, true})
		c := openTest(t, k, Config{Channel: 1, Inverted: inverted})
		k.wantTranscript(t)
		if c.Duty() != 0.325 || channel.sees(inverted) != 0.325 {
			t.Errorf("duty %v, the fan sees %v", c.Duty(), channel.sees(inverted))
		}
	}
}

// The other polarity of a channel that runs is turned around in software: switching it off to
// change it would be a glitch.
func TestTakeOverOfTheOtherPolarity(t *testing.T) {
	k, chip := pi4()
	channel := running(chip, 0, state{40_000, 10_000, true, true})
	c := openTest(t, k, Config{})
	if c.Duty() != 0.75 {
		t.Errorf("duty %v, want 0.75", c.Duty())
	}
	if err := c.SetDuty(0.8); err != nil {
		t.Fatal(err)
	}
	k.wantTranscript(t, "pwm0/duty_cycle 8000", "pwm0/enable 1")
	if !slices.Equal(channel.wire, []string{"0.75", "0.8"}) {
		t.Errorf("the pin was %v", channel.wire)
	}
}

func TestTakeOverWithAnotherPeriod(t *testing.T) {
	for _, c := range []struct {
		name string
		from state
		want []string
	}{
		{"longer, with a duty that does not fit", state{100_000, 60_000, false, true},
			[]string{"pwm0/duty_cycle 24000", "pwm0/period 40000"}},
		{"longer, with a duty that fits", state{100_000, 30_000, false, true},
			[]string{"pwm0/period 40000", "pwm0/duty_cycle 12000"}},
		{"shorter", state{10_000, 6_000, false, true},
			[]string{"pwm0/period 40000", "pwm0/duty_cycle 24000"}},
		{"off, with a duty that does not fit", state{100_000, 100_000, false, false},
			[]string{"pwm0/duty_cycle 40000", "pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1"}},
		{"on and stopped", state{100_000, 0, false, true}, []string{"pwm0/period 40000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, chip := pi4()
			channel := running(chip, 0, c.from)
			opened := openTest(t, k, Config{})
			k.wantTranscript(t, c.want...)
			want := c.from.fraction()
			if channel.sees(false) != want || opened.Duty() != want {
				t.Errorf("the fan sees %v, duty %v; want %v", channel.sees(false), opened.Duty(), want)
			}
			if slices.Contains(channel.wire[1:], "off") {
				t.Errorf("the pin was %v", channel.wire)
			}
		})
	}
}

func TestInverted(t *testing.T) {
	k, chip := pi4()
	c := openTest(t, k, Config{Inverted: true})
	k.wantTranscript(t, "export 0", "pwm0/period 40000", "pwm0/polarity inversed", "pwm0/duty_cycle 40000", "pwm0/enable 1")
	if err := c.SetDuty(0.25); err != nil || chip.channels[0].sees(true) != 0.25 {
		t.Errorf("%v, the fan sees %v", err, chip.channels[0].sees(true))
	}

	k = newKernel()
	chip = k.addChip(0, "1c20e00.pwm", simple)
	c = openTest(t, k, Config{Inverted: true})
	k.wantTranscript(t, "export 0", "pwm0/period 40000", "pwm0/polarity inversed: invalid argument", "pwm0/duty_cycle 0", "pwm0/enable 1")
	if err := c.SetDuty(0.25); err != nil || chip.channels[0].sees(true) != 0.25 {
		t.Errorf("%v, the fan sees %v", err, chip.channels[0].sees(true))
	}
	k.wantTranscript(t, "pwm0/duty_cycle 30000", "pwm0/enable 1")
}

// Another program switches the channel off: the next duty switches it on, and never at the old one.
func TestSetDutySwitchesOnAgain(t *testing.T) {
	k, chip := pi4()
	c := openTest(t, k, Config{})
	if err := errors.Join(c.SetDuty(0.3), writeText(k, chip.dir+"/pwm0/enable", "0"), c.SetDuty(0.8)); err != nil {
		t.Fatal(err)
	}
	if want := []string{"off", "1", "0.3", "off", "0.8"}; !slices.Equal(chip.channels[0].wire, want) {
		t.Errorf("the pin was %v, want %v", chip.channels[0].wire, want)
	}
	k.nodes[chip.dir+"/pwm0/enable"].write = func(string) error { return syscall.EIO }
	if err := c.SetDuty(0.9); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "switch on") || c.Duty() != 0.8 {
		t.Errorf("error %v, duty %v", err, c.Duty())
	}
}

// An unexport stops the output of a Pi 5, so nothing may ever write to that file.
func TestCloseLeavesTheFanAlone(t *testing.T) {
	k, chip := pi5()
	c := openTest(t, k, Config{Channel: 2})
	if err := c.SetDuty(0.6); err != nil {
		t.Fatal(err)
	}
	k.wantTranscript(t, "export 2", "pwm2/period 40000", "pwm2/duty_cycle 40000", "pwm2/enable 1",
		"pwm2/duty_cycle 24000", "pwm2/enable 1")
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	k.wantTranscript(t)
	if !chip.channels[2].exported || chip.channels[2].sees(false) != 0.6 {
		t.Errorf("after Close the fan sees %v", chip.channels[2].sees(false))
	}
	if err := c.SetDuty(0.1); !errors.Is(err, errClosed) {
		t.Errorf("SetDuty after Close: %v", err)
	}
	// The next life takes over.
	if next := openTest(t, k, Config{Channel: 2}); next.Duty() != 0.6 {
		t.Errorf("the next one finds %v", next.Duty())
	}
	k.wantTranscript(t)
}

func TestSafeAfterClose(t *testing.T) {
	k, chip := pi4()
	c := openTest(t, k, Config{})
	if err := errors.Join(c.SetDuty(0.2), c.Close()); err != nil {
		t.Fatal(err)
	}
	k.transcript = nil
	if err := c.Safe(); err != nil || chip.channels[0].sees(false) != 1 {
		t.Errorf("%v, the fan sees %v", err, chip.channels[0].sees(false))
	}
	// Not through a descriptor that may be another file by now.
	k.wantTranscript(t, "pwm0/duty_cycle 40000")
}

// Somebody unexports the channel under us: every write fails until Safe claims it again.
func TestSafeClaimsAnUnexportedChannelAgain(t *testing.T) {
	k, chip := pi5()
	c := openTest(t, k, Config{})
	_ = chip.unexport("0")
	if err := c.SetDuty(0.5); !errors.Is(err, syscall.ENODEV) {
		t.Fatalf("SetDuty: %v", err)
	}
	if err := c.Safe(); err != nil || chip.channels[0].sees(false) != 1 || c.Duty() != 1 {
		t.Fatalf("Safe: %v, the fan sees %v, duty %v", err, chip.channels[0].sees(false), c.Duty())
	}
	if err := c.SetDuty(0.5); err != nil || chip.channels[0].sees(false) != 0.5 {
		t.Errorf("SetDuty: %v, the fan sees %v", err, chip.channels[0].sees(false))
	}
}

// A duty that the driver refused is not remembered as if it had been set.
func TestFailedWrite(t *testing.T) {
	k, chip := pi4()
	c := openTest(t, k, Config{})
	if err := c.SetDuty(0.3); err != nil {
		t.Fatal(err)
	}
	chip.driver.minimum = math.MaxUint64 // the clock has failed
	err := c.SetDuty(0.9)
	if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "pwm fe20c000.pwm channel 0") {
		t.Errorf("error %v", err)
	}
	if c.Duty() != 0.3 {
		t.Errorf("duty %v", c.Duty())
	}
	if err := c.Safe(); err == nil {
		t.Error("Safe says that all is well")
	}
}

func TestOpenFaults(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  Config
		change  func(*simulatedChip)
		mention []string
	}{
		{"no such channel", Config{Channel: 2}, nil, []string{"not found", "channels 0 to 1"}},
		{"owned by a driver", Config{WritableWithin: time.Millisecond}, func(c *simulatedChip) { c.channels[0].owner = "pwm-fan" },
			[]string{"resource busy", "pwm-fan", "hwmon"}},
		{"never writable", Config{WritableWithin: time.Millisecond}, func(c *simulatedChip) { c.rights = -1 },
			[]string{"permission denied", "even after 1ms", "udev rule"}},
		{"writable in part", Config{WritableWithin: time.Millisecond}, func(c *simulatedChip) {
			c.appear(0)
			for path, node := range c.kernel.nodes {
				if strings.HasSuffix(path, "enable") {
					node.writable = func() error { return syscall.EACCES }
				}
			}
		}, []string{"pwm0/enable", "permission denied"}},
		{"period refused", Config{}, func(c *simulatedChip) { c.driver.minimum = 50_000 }, []string{"set the period to 40000 ns", "invalid argument"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, chip := pi4()
			if c.change != nil {
				c.change(chip)
			}
			channel, err := open(t.Context(), k, c.config)
			if err == nil {
				t.Fatalf("opened %v", channel)
			}
			for _, part := range append(c.mention, "fe20c000.pwm channel") {
				if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
					t.Errorf("no %q in %q", part, err)
				}
			}
			if k.opened != 0 {
				t.Errorf("%d files are still open", k.opened)
			}
		})
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	_, err := Open(t.Context(), Config{Channel: -1, PeriodNanoseconds: 999, WritableWithin: time.Hour})
	for _, part := range []string{"channel: -1", "period nanoseconds: 999", "writable within: 1h"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}
