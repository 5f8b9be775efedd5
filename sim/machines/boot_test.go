//go:build system

package machines_test

import (
	"testing"

	"github.com/bramblemesh/bramble/sim/machines"
)

func TestPC(t *testing.T) {
	image, err := machines.Build(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	m, err := image.Start(t.Context(), machines.Config{Name: "pc"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Kill()
	out, err := m.Output(t.Context(), "uname -a; systemd-analyze; cat /proc/uptime; ip -br addr; modprobe pi-sim; gpiodetect; ls /sys/class/pwm")
	t.Log(out, err)
	if err := m.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
