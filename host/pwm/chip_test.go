package pwm

import (
	"errors"
	"strings"
	"testing"
)

// machines are the boards whose chips have to be told apart, with the device that is meant when
// none is configured. Numbers are as unlucky as they get.
func TestHeaderChipIsFoundByDevice(t *testing.T) {
	type device struct {
		number int
		name   string
		driver chipDriver
	}
	for _, c := range []struct {
		board   string
		devices []device
		want    string // pwmchip
	}{
		{"Pi Zero", []device{{0, "2020c000.pwm", bcm2835}}, "pwmchip0"},
		{"Pi 3", []device{{0, "3f20c000.pwm", bcm2835}}, "pwmchip0"},
		{"Pi 4", []device{{0, "fe20c800.pwm", bcm2835}, {4, "fe20c000.pwm", bcm2835}}, "pwmchip4"},
		{"Pi 5, Linux 6.6", []device{{2, "1f00098000.pwm", rp1}, {6, "1f0009c000.pwm", rp1}}, "pwmchip2"},
		{"Pi 5, Linux 6.12", []device{{0, "1f00098000.pwm", rp1}, {1, "1f0009c000.pwm", rp1}}, "pwmchip0"},
		{"Pi 5, numbers swapped", []device{{1, "1f00098000.pwm", rp1}, {0, "1f0009c000.pwm", rp1}}, "pwmchip1"},
		{"Pi 4 with an I2C expander", []device{{0, "1-0040", simple}, {2, "fe20c000.pwm", bcm2835}}, "pwmchip2"},
		{"Banana Pi", []device{{0, "1c20e00.pwm", simple}}, "pwmchip0"},
	} {
		t.Run(c.board, func(t *testing.T) {
			k := newKernel()
			for _, d := range c.devices {
				k.addChip(d.number, d.name, d.driver)
			}
			chip, err := findChip(k, "", "")
			if err != nil || !strings.HasSuffix(chip.dir, "/"+c.want) {
				t.Errorf("%+v, %v; want %s", chip, err, c.want)
			}
		})
	}
}

func TestNamedDevice(t *testing.T) {
	k, _ := pi5()
	for device, want := range map[string]string{
		"1f00098000.pwm": "pwmchip6",
		"98000.pwm":      "pwmchip6",
		"1f0009c000.pwm": "pwmchip2",
	} {
		if chip, err := findChip(k, "/", device); err != nil || !strings.HasSuffix(chip.dir, "/"+want) {
			t.Errorf("%s: %+v, %v; want %s", device, chip, err, want)
		}
	}
}

func TestChipFaultsSayWhatIsThere(t *testing.T) {
	two := newKernel()
	two.addChip(0, "1-0040", simple)
	two.addChip(3, "0120c000.pwm", simple) // ends like a Pi's and is none
	five, _ := pi5()
	for _, c := range []struct {
		name    string
		kernel  *simulated
		device  string
		missing bool
		mention []string
	}{
		{"none", newKernel(), "", true, []string{"/sys/class/pwm", "dtoverlay=pwm,pin=18,func=2"}},
		{"another board's", five, "fe20c000.pwm", true, []string{`"fe20c000.pwm"`, "1f0009c000.pwm (pwmchip2), 1f00098000.pwm (pwmchip6)"}},
		{"ambiguous", five, "000.pwm", false, []string{"1f0009c000.pwm", "1f00098000.pwm", "more of the name"}},
		{"several unknown", two, "", true, []string{"1-0040 (pwmchip0), 0120c000.pwm (pwmchip3)", "name the device"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := findChip(c.kernel, "", c.device)
			if err == nil || errors.Is(err, ErrNotFound) != c.missing {
				t.Fatalf("error %v", err)
			}
			for _, part := range c.mention {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %q", part, err)
				}
			}
		})
	}
}
