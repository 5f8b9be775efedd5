package gpio

import (
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/host/hosttest"
)

func TestPersistence(t *testing.T) {
	const bcm, rp1 = "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs", "sys/module/pinctrl_rp1/parameters/persist_gpio_outputs"
	for _, c := range []struct {
		name, tree, header, label string
		state, source             string
	}{
		{"raspberry pi os", "-- " + bcm + " --\nY\n", "pinctrl-bcm2711", "", PersistYes, "/" + bcm},
		{"debian", "-- " + bcm + " --\nN\n", "pinctrl-bcm2835", "", PersistNo, "/" + bcm},
		{"a pi 5, whose kernel has both", "-- " + bcm + " --\nN\n-- " + rp1 + " --\nY\n", "pinctrl-rp1", "", PersistYes, "/" + rp1},
		{"a label", "-- " + bcm + " --\nN\n-- " + rp1 + " --\nY\n", "", "pinctrl-bcm2711", PersistNo, "/" + bcm},
		{"an older kernel", "", "pinctrl-bcm2711", "", PersistUnknown, "this kernel has no /" + bcm},
		{"an expander", "", "pinctrl-bcm2711", "pca9555", PersistUnknown, "the driver of chip pca9555 does not say"},
		{"no header", "", "", "", PersistUnknown, "not found"},
		{"something else", "-- " + bcm + " --\n2\n", "pinctrl-bcm2711", "", PersistUnknown, "reads 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, root := header(), t.TempDir()
			k.devices["gpiochip0"].label = c.header
			hosttest.Unpack(t, root, c.tree)
			state, source := machine{k}.persistence(root, c.label)
			if state != c.state || !strings.Contains(source, c.source) {
				t.Errorf("%s, %s; want %s, %s", state, source, c.state, c.source)
			}
		})
	}
}
