//go:build system

package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/identity/identitytest"
	"github.com/bramblemesh/bramble/sim/machines"
)

// emulated is a Raspberry Pi that QEMU plays, and what must be found on it.
type emulated struct {
	board       machines.Board
	environment []string                 // of go build
	programs    []string                 // that it has of ours
	doctor      map[string]string        // by item: state and finding
	chip        string                   // the last of the device tree's compatible strings
	processor   string                   // the kernel's name of the architecture
	celsius     float64                  // that QEMU gives it
	source      agentv1.ThrottlingSource // of the flags
	flags       []agentv1.Flag           // that this source knows
}

func emulatedBoards() []emulated {
	return []emulated{
		{machines.Raspi3B, []string{"GOARCH=arm64"}, []string{"./agent/cmd/bramble-agent", "./coordinator/cmd/..."}, map[string]string{
			"node":        "ok: raspi3b\n",
			"board":       "ok: Raspberry Pi 3 Model B, ",
			"system":      "-arm64, aarch64",
			"temperature": "ok: cpu-thermal 25.2 C, limit 90 C",
			"link":        "unsupported: port usb0: its driver does not tell the speed",
			"throttling":  "unsupported: no /dev/vcio_gencmd",
			"cpu clock":   "unsupported: ",
			"watchdog":    "info: Broadcom BCM2835 Watchdog timer",
			"done line":   "info: no gpio-poweroff overlay",
		}, "brcm,bcm2837", "arm64", 25.178, agentv1.ThrottlingSource_THROTTLING_SOURCE_UNSPECIFIED, nil},
		{machines.Raspi0, []string{"GOARCH=arm", "GOARM=6"}, []string{"./agent/cmd/bramble-agent"}, map[string]string{
			"node":        "ok: raspi0\n",
			"board":       "ok: Raspberry Pi Zero, ",
			"system":      "-rpi, armv6l",
			"temperature": "ok: cpu-thermal 20.2 C, limit 90 C",
			"link":        "unsupported: port usb0: its driver does not tell the speed",
			"throttling":  "ok: no under-voltage; other flags are not told here",
			"cpu clock":   "unsupported: ",
			"done line":   "info: no gpio-poweroff overlay",
		}, "brcm,bcm2835", "armv6", 20.178, agentv1.ThrottlingSource_THROTTLING_SOURCE_RPI_VOLT,
			[]agentv1.Flag{agentv1.Flag_FLAG_UNDER_VOLTAGE}},
	}
}

// The agents for ARM run on emulated boards with Debian's kernels and report what is there; a coordinator on this machine
// follows both over the network, with mutual TLS.
func TestBoards(t *testing.T) {
	boards := emulatedBoards()
	running := bootBoards(t, boards)
	authority := identitytest.NewAuthority(t, "boards")
	var nodes string
	for i, board := range boards {
		doctor(t, machine{running[i]}, board)
		certify(t, running[i], authority)
		serve(t, machine{running[i]})
		nodes += fmt.Sprintf("  - {name: %s, address: %q}\n", board.board, running[i].Address(7700))
	}
	outputs(t, machine{running[0]})
	c := startCoordinator(t, authority.Issue(t, t.TempDir(), identitytest.Request{}), nodes)
	for i, board := range boards {
		until(t, fmt.Sprintf("samples of %s", board.board), func() (string, bool) {
			node := c.nodes(t)[i]
			found := measurement(node, "cpu-thermal")
			return node.String(), node.GetPresence() == coordinatorv1.Presence_PRESENCE_LIVE && node.GetAgeMilliseconds() < 3000 &&
				math.Abs(float64(found.GetCelsius())-board.celsius) < 0.01
		})
		reported(t, c.nodes(t)[i], board)
	}
	t.Logf("a coordinator for this machine follows agents for arm64 and ARMv6:\n%s", c.sh(t, "bramblectl nodes"))
	for _, m := range running {
		if err := m.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// bootBoards boots all boards at the same time. They have our binaries in /bin, and are gone with the test.
func bootBoards(t *testing.T, boards []emulated) []*machines.Machine {
	t.Helper()
	running := make([]*machines.Machine, len(boards))
	faults := make([]error, len(boards))
	var starting sync.WaitGroup
	for i, board := range boards {
		image, err := machines.BuildBoard(t.Context(), board.board, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		binaries := build(t, board.environment, board.programs...)
		config := machines.Config{Name: string(board.board), Files: below(t, "/bin", binaries), Ports: []int{7700}}
		starting.Go(func() { running[i], faults[i] = image.Start(t.Context(), config) })
		t.Cleanup(func() {
			starting.Wait()
			if running[i] != nil {
				running[i].Kill()
			}
		})
	}
	starting.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	return running
}

// serve starts the agent on a board.
func serve(t *testing.T, m machine) {
	t.Helper()
	// The board has no clock: without a network time it lives in 1970, and no certificate is valid.
	m.sh(t, fmt.Sprintf(`date -s @%d && cat > /etc/agent.yaml <<'END'
listen: [unix:///run/bramble/agent.sock, "0.0.0.0:7700"]
tls: {authority: /etc/tls/authority.pem, certificate: /etc/tls/certificate.pem, key: /etc/tls/key.pem}
END
(bramble-agent run --config /etc/agent.yaml > /tmp/agent.log 2>&1 &)`, time.Now().Unix()))
}

// reported wants the coordinator to know a board by what its own kernel says.
func reported(t *testing.T, node *coordinatorv1.Node, board emulated) {
	t.Helper()
	if chips := node.GetBoard().GetCompatible(); len(chips) == 0 || chips[len(chips)-1] != board.chip || node.GetBoard().GetArchitecture() != board.processor {
		t.Errorf("%s is reported as %v, want an %s with a %s", board.board, node.GetBoard(), board.processor, board.chip)
	}
	for _, found := range node.GetMeasurements() {
		if _, degrees := found.GetValue().(*coordinatorv1.Measurement_Celsius); degrees && found.GetSensor() != "cpu-thermal" {
			t.Errorf("%s has another temperature than its processor's: %v", board.board, found)
		}
	}
	var flags []agentv1.Flag
	for _, state := range node.GetThrottling().GetFlags() {
		flags = append(flags, state.GetFlag())
	}
	if node.GetThrottling().GetSource() != board.source || !slices.Equal(flags, board.flags) {
		t.Errorf("%s reports the flags %v, want %v from %v", board.board, node.GetThrottling(), board.flags, board.source)
	}
}

// certify gives a board its certificate. The coordinator dials it as 127.0.0.1.
func certify(t *testing.T, m *machines.Machine, authority *identitytest.Authority) {
	files := authority.Issue(t, t.TempDir(), identitytest.Request{})
	for _, path := range []string{files.Authority, files.Certificate, files.Key} {
		content, err := os.ReadFile(path)
		if err == nil {
			err = m.Put(t.Context(), "/etc/tls/"+filepath.Base(path), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// doctor wants the agent to report a board as it is, and what it lacks as unsupported.
func doctor(t *testing.T, m machine, board emulated) {
	out := m.sh(t, "bramble-agent doctor -o json || true")
	var report struct {
		Findings []struct{ Item, State, Found string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%s: doctor -o json: %v in %s", board.board, err, out)
	}
	seen := map[string]string{}
	for _, f := range report.Findings {
		seen[f.Item] += f.State + ": " + f.Found + "\n"
		if f.State == "wrong" {
			t.Errorf("%s: doctor finds something wrong: %s: %s", board.board, f.Item, f.Found)
		}
	}
	for item, want := range board.doctor {
		if !strings.Contains(seen[item], want) {
			t.Errorf("%s: doctor says of the %s %q, want %q in it", board.board, item, seen[item], want)
		}
	}
	t.Logf("doctor on %s:\n%s", board.board, m.sh(t, "bramble-agent doctor || true"))
}

// outputs drives the PWM channel and watches a header line of a board by the drivers of a real Pi, pwm-bcm2835 and
// pinctrl-bcm2835. The chips are found without being named: they are the header's.
func outputs(t *testing.T, m machine) {
	m.sh(t, `cat > /etc/coordinator.yaml <<'END'
nodes: [{name: raspi3b, address: "unix:///run/bramble/agent.sock"}]
fans: [{name: main, output: {pwm: {channel: 0}}, tach: {line: 24}}]
END
(bramble-coordinator run --config /etc/coordinator.yaml > /tmp/coordinator.log 2>&1 &)`)
	until(t, "a coordinator on the board", func() (string, bool) {
		out := m.sh(t, "bramblectl nodes 2>&1; cat /tmp/coordinator.log; true")
		return out, strings.Contains(out, " live ")
	})
	fan := m.fan(t, "main")
	for begin := time.Now(); fan.GetRpm() != 0 || fan.Rpm == nil; fan = m.fan(t, "main") {
		if time.Since(begin) > patience {
			t.Fatalf("line 24 of the header gives no speed: %v", fan)
		}
	}
	state := m.sh(t, "cd /sys/class/pwm/pwmchip0/pwm0 && echo period $(cat period) duty $(cat duty_cycle) enable $(cat enable)")
	t.Logf("on the board: fan at %.0f %%, GPIO 24 of %s without an edge is %.0f rpm; pwm-bcm2835 has %s", 100*fan.GetDutyFraction(), "pinctrl-bcm2835", fan.GetRpm(), state)
	m.sh(t, "kill $(pidof bramble-coordinator); while pidof bramble-coordinator > /dev/null; do sleep 0.1; done")
	if state := m.sh(t, "cd /sys/class/pwm/pwmchip0/pwm0 && echo $(cat period) $(cat duty_cycle) $(cat enable)"); state != "40000 40000 1" {
		t.Errorf("after the coordinator ended, period, duty and enable are %s, want 40000 40000 1", state)
	}
}

// host is this machine, with the binaries for it in PATH.
type host struct{ path, coordinator string }

func (h host) Output(ctx context.Context, command string) (string, error) {
	c := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	c.Env = append(os.Environ(), "PATH="+h.path+":"+os.Getenv("PATH"), "BRAMBLE_ADDRESS="+h.coordinator)
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s: %w: %s", command, err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// startCoordinator starts a coordinator on this machine for nodes that are dialled with TLS.
func startCoordinator(t *testing.T, files identity.Files, nodes string) machine {
	t.Helper()
	binaries := build(t, nil, "./coordinator/cmd/bramble-coordinator", "./coordinator/cmd/bramblectl")
	dir, err := os.MkdirTemp("", "bramble-") // short: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	socket, config := "unix://"+filepath.Join(dir, "socket"), filepath.Join(dir, "coordinator.yaml")
	text := fmt.Sprintf("case: boards\nlisten: [%q]\ntls: {authority: %q, certificate: %q, key: %q}\nnodes:\n%s",
		socket, files.Authority, files.Certificate, files.Key, nodes)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(binaries, "bramble-coordinator"), "run", "--root", dir, "--config", config)
	c.Stdout, c.Stderr = t.Output(), t.Output()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			t.Errorf("the coordinator ends with: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	m := machine{host{binaries, socket}}
	until(t, "an answer of the coordinator", func() (string, bool) {
		out := m.sh(t, "bramblectl nodes 2>&1 && echo answered || true")
		return out, strings.HasSuffix(out, "answered")
	})
	return m
}
