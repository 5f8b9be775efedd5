//go:build system

package machines_test

import (
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/sim/machines"
)

// TestBoards boots every emulated board and checks that it is one, with its own kernel, hardware and network.
func TestBoards(t *testing.T) {
	for _, test := range []struct {
		board             machines.Board
		architecture, arm string
		says              string
		celsius           string // QEMU's
		throttling        string
	}{
		{machines.Raspi3B, "arm64", "", "Raspberry Pi 3 Model B, bcm2837, aarch64", "25.178", "none"},
		{machines.Raspi0, "arm", "6", "Raspberry Pi Zero, bcm2835, armv6l", "20.178", "in0_lcrit_alarm 0x0 of 0x10001"},
	} {
		t.Run(string(test.board), func(t *testing.T) {
			image, err := machines.BuildBoard(t.Context(), test.board, t.Logf)
			if err != nil {
				t.Fatal(err)
			}
			g := start(t, image, machines.Config{
				Name:  string(test.board),
				Files: map[string]string{"/usr/local/bin/probe": probe(t, test.architecture, test.arm)},
				Ports: []int{7000},
			})
			t.Log(g.sh("uname -a"))
			g.want("probe board", test.says)
			g.want("hostname", string(test.board))
			g.want("probe temperatures", "cpu-thermal: "+test.celsius)
			if got := g.sh("probe throttling || echo none"); !strings.HasSuffix(got, test.throttling) {
				t.Errorf("throttling: got %q, want %q at its end", got, test.throttling)
			}
			g.sh("probe serve :7000 >/dev/null 2>&1 &")
			greeted(g)
			if err := g.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}
