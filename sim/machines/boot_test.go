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
	out, err := m.Output(t.Context(), "uname -a; systemd-analyze; systemd-analyze blame | head -30; systemd-analyze critical-chain; systemctl list-units --no-legend --plain; cat /proc/uptime; modprobe pi-sim; cd /sys/class/pwm/pwmchip0; ls -la device/of_node/ ; cat device/of_node/compatible; echo 0 > export; sleep 1; ls -l pwm0/ ; ls -l /dev/vcio* /dev/gpiochip*; sed -i s/x/x/ /etc/hostname; df -h / ; free -m; dmesg | tail -5")
	t.Log(out, err)
	if err := m.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBoards(t *testing.T) {
	for _, board := range []machines.Board{machines.Raspi3B, machines.Raspi0} {
		t.Run(string(board), func(t *testing.T) {
			image, err := machines.BuildBoard(t.Context(), board, t.Logf)
			if err != nil {
				t.Fatal(err)
			}
			m, err := image.Start(t.Context(), machines.Config{Name: string(board)})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Kill()
			out, err := m.Output(t.Context(), "uname -a; cat /proc/uptime; tr -d '\\0' < /proc/device-tree/model; ls /dev/gpiochip* /sys/class/pwm /sys/class/hwmon/ /sys/class/thermal; ip addr; free; lsmod")
			t.Log(out, err)
			if err := m.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}
