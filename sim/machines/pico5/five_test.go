//go:build system

package pico5

import (
	"strings"
	"testing"
	"time"
)

// Five machines boot, know each other by their certificates, and are as hot as the simulated case.
func TestFive(t *testing.T) {
	r := start(t, Config{})
	r.up(t, master)
	t.Logf("the master is up after %.1f s", time.Since(r.begun).Seconds())
	begin := time.Now()
	r.sh(t, master, "systemd-run --quiet --unit=rails gpioset --mode=signal virtio5 1=1 2=1 3=1 4=1")
	for n := 1; n <= 4; n++ {
		r.up(t, worker(n))
	}
	t.Logf("four workers are up %.1f s after their rails rose", time.Since(begin).Seconds())
	nodes := r.sh(t, master, "until nodes=$(bramblectl nodes) && [ $(echo \"$nodes\" | grep -c ' live ') = 5 ]; do sleep 1; done; echo \"$nodes\"")
	t.Logf("all are live %.1f s after the rails rose:\n%s", time.Since(begin).Seconds(), nodes)
	for _, name := range r.Boards() {
		if !strings.Contains(nodes, name+" ") {
			t.Errorf("no node %s", name)
		}
	}
}
