//go:build system

package machines_test

import (
	"context"
	"crypto/md5"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/sim/machines"
)

// patience is the longest that anything in a running machine may take.
const patience = 2 * time.Minute

// guest is a machine and the test that uses it.
type guest struct {
	*machines.Machine
	t testing.TB
}

// start boots a machine that is gone with the test.
func start(t *testing.T, image *machines.Image, config machines.Config) guest {
	t.Helper()
	m, err := image.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	return guest{m, t}
}

func (g guest) sh(command string) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	out, err := g.Output(ctx, command)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// refused runs a command that must fail, and wants a text in what it says.
func (g guest) refused(command, want string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	result, err := g.Run(ctx, command)
	if err != nil {
		g.t.Fatal(err)
	}
	if result.Exit == 0 || !strings.Contains(result.Stderr, want) {
		g.t.Errorf("%s: exit code %d and %q, want a failure with %q", command, result.Exit, result.Stderr, want)
	}
}

func (g guest) number(command string) float64 {
	g.t.Helper()
	value, err := strconv.ParseFloat(g.sh(command), 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return value
}

func (g guest) want(command, want string) {
	g.t.Helper()
	if got := g.sh(command); got != want {
		g.t.Errorf("%s: got %q, want %q", command, got, want)
	}
}

func (g guest) set(parameter string, value any) {
	g.t.Helper()
	g.sh(fmt.Sprintf("echo %v > /sys/module/pi_sim/parameters/%s", value, parameter))
}

func (g guest) parameter(name string) string {
	g.t.Helper()
	return g.sh("cat /sys/module/pi_sim/parameters/" + name)
}

// TestPC boots a machine and tries everything that the simulated hardware promises, from inside and as root. Another one
// of the same image, which starts after the first has written to its disk, knows nothing of that.
func TestPC(t *testing.T) {
	image, err := machines.Build(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, image, machines.Config{
		Name:  "pc",
		Files: map[string]string{"/lib/bramble/probe": probe(t)},
		Ports: []int{7000},
	})
	t.Log(g.sh("uname -sr"), "with", g.sh("systemctl --version | head -n 1"))
	g.sh("echo here > /root/trace; sync")
	clean := meanwhile(t, image, machines.Config{Name: "clean"})
	for _, part := range []struct {
		name string
		test func(guest)
	}{
		{"commands", commands},
		{"files", files},
		{"network", network},
		{"temperatures", temperatures},
		{"mailbox", mailbox},
		{"under-voltage alarm", voltageAlarm},
		{"pwm", pwm},
		{"tach", tachometer},
		{"fan of a driver", driverFan},
		{"numbers move", numbersMove},
		{"gpio-sim", gpioSim},
		{"i2c", i2c},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(guest{g.Machine, t}) })
	}
	other := clean()
	for _, m := range []guest{g, other} {
		m.want("hostname", m.Name())
		m.want("cat /etc/machine-id", fmt.Sprintf("%x", md5.Sum([]byte(m.Name()+"\n"))))
	}
	g.want("cat /root/trace", "here")
	other.refused("cat /root/trace", "No such file")
	if err := g.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.Kill()
	g.ended()
	other.ended()
}

// meanwhile boots a machine while the test goes on. What it returns waits for it.
func meanwhile(t *testing.T, image *machines.Image, config machines.Config) func() guest {
	var booting sync.WaitGroup
	var m *machines.Machine
	var err error
	booting.Go(func() { m, err = image.Start(t.Context(), config) })
	t.Cleanup(func() {
		booting.Wait()
		if err == nil {
			m.Kill()
		}
	})
	return func() guest {
		t.Helper()
		booting.Wait()
		if err != nil {
			t.Fatal(err)
		}
		return guest{m, t}
	}
}

// ended wants a machine to say that it ended, when anything is asked of it.
func (g guest) ended() {
	g.t.Helper()
	if _, err := g.Run(g.t.Context(), "true"); err == nil || !strings.Contains(err.Error(), "the machine ended") {
		g.t.Errorf("a command in machine %s, which is off: %v", g.Name(), err)
	}
}

func commands(g guest) {
	g.want("echo $((6 * 7))", "42")
	g.want("whoami", "root")
	result, err := g.Run(g.t.Context(), "echo out; echo err >&2; exit 3")
	if err != nil || result != (machines.Result{Stdout: "out\n", Stderr: "err\n", Exit: 3}) {
		g.t.Errorf("got %+v, %v", result, err)
	}
	if result, err := g.Run(g.t.Context(), "kill -9 $$"); err != nil || result.Exit != 128+9 {
		g.t.Errorf("a killed command: %+v, %v", result, err)
	}
	// Noise on the console and much output disturb nothing.
	g.sh("yes noise | head -n 2000 > /dev/kmsg & seq 200000 | tail -n 1")
	if got := len(g.sh("seq 100000")); got < 500_000 {
		g.t.Errorf("seq 100000 came as %d bytes", got)
	}
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Second)
	defer cancel()
	if _, err := g.Run(ctx, "sleep 987654"); err == nil {
		g.t.Error("a command outlived its context")
	}
	if _, err := g.Until(g.t.Context(), "! pgrep -f 'sleep 98765[4]'"); err != nil {
		g.t.Error(err)
	}
	// A daemon left behind does not hold the command up.
	g.sh("sleep 600 & echo started")
	g.sh("systemd-run --quiet sleep 600")
}

func files(g guest) {
	content := []byte(strings.Repeat("0123456789abcdef", 40_000)) // more than two pieces
	if err := g.Put(g.t.Context(), "/root/a/b", content, 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.want("stat -c '%a %s' /root/a/b", "600 640000")
	back, err := g.Get(g.t.Context(), "/root/a/b")
	if err != nil || string(back) != string(content) {
		g.t.Errorf("%d bytes came back as %d: %v", len(content), len(back), err)
	}
	if _, err := g.Get(g.t.Context(), "/root/none"); err == nil || !strings.Contains(err.Error(), "no such file") {
		g.t.Errorf("a file that is not there: %v", err)
	}
	g.want("/lib/bramble/probe hello", "hello")
}
