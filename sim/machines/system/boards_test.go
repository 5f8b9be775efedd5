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
	"strings"
	"syscall"
	"testing"
	"time"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/identity/identitytest"
	"github.com/bramblemesh/bramble/sim/machines"
)

// emulated is a Raspberry Pi that QEMU plays, and what its agent must find on it.
type emulated struct {
	board       machines.Board
	environment []string          // of go build
	celsius     float64           // that QEMU gives its processor
	want        map[string]string // of doctor, by item: state and finding
}

func emulatedBoards() []emulated {
	return []emulated{
		{machines.Raspi3B, []string{"GOARCH=arm64"}, 25.178, map[string]string{
			"board":       "ok: Raspberry Pi 3 Model B",
			"system":      "-arm64, aarch64",
			"temperature": "ok: cpu-thermal 25.2 C, limit 90 C",
			"link":        "unsupported: port usb0: its driver does not tell the speed",
			"throttling":  "unsupported: no /dev/vcio_gencmd",
			"cpu clock":   "unsupported: ",
			"watchdog":    "info: Broadcom BCM2835 Watchdog timer",
			"done line":   "info: no gpio-poweroff overlay",
		}},
		{machines.Raspi0, []string{"GOARCH=arm", "GOARM=6"}, 20.178, map[string]string{
			"board":       "ok: Raspberry Pi Zero",
			"system":      "-rpi, armv6l",
			"temperature": "ok: cpu-thermal 20.2 C, limit 90 C",
			"link":        "unsupported: port usb0: its driver does not tell the speed",
			"throttling":  "ok: no under-voltage; other flags are not told here",
			"cpu clock":   "unsupported: ",
			"done line":   "info: no gpio-poweroff overlay",
		}},
	}
}

// The agents for ARM run on emulated boards with Debian's kernels and report what is there; a coordinator on this machine
// follows both over the network, with mutual TLS.
func TestBoards(t *testing.T) {
	authority := identitytest.NewAuthority(t, "boards")
	var nodes string
	for _, board := range emulatedBoards() {
		nodes += startBoard(t, board, authority)
	}
	c := startCoordinator(t, authority.Issue(t, t.TempDir(), identitytest.Request{}), nodes)
	for i, board := range emulatedBoards() {
		until(t, fmt.Sprintf("samples of %s", board.board), func() (string, bool) {
			node := c.nodes(t)[i]
			found := measurement(node, "cpu-thermal")
			return node.String(), node.GetPresence() == coordinatorv1.Presence_PRESENCE_LIVE && node.GetAgeMilliseconds() < 3000 &&
				math.Abs(float64(found.GetCelsius())-board.celsius) < 0.1
		})
	}
	t.Logf("a coordinator for this machine follows agents for arm64 and ARMv6:\n%s", c.sh(t, "bramblectl nodes"))
}

// startBoard boots a board, lets doctor look at it and starts the agent, and returns the line of configuration for its
// node.
func startBoard(t *testing.T, board emulated, authority *identitytest.Authority) string {
	t.Helper()
	name := string(board.board)
	image, err := machines.BuildBoard(t.Context(), board.board, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	binaries := build(t, board.environment, "./agent/cmd/bramble-agent", "./coordinator/cmd/bramble-coordinator", "./coordinator/cmd/bramblectl")
	m, err := image.Start(t.Context(), machines.Config{Name: name, Files: below(t, "/bin", binaries), Ports: []int{7700}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	doctor(t, machine{m}, board)
	certify(t, m, authority)
	// The board has no clock: without a network time it lives in 1970, and no certificate is valid.
	machine{m}.sh(t, fmt.Sprintf(`date -s @%d && cat > /etc/agent.yaml <<'END'
listen: [unix:///run/bramble/agent.sock, "0.0.0.0:7700"]
tls: {authority: /etc/tls/authority.pem, certificate: /etc/tls/certificate.pem, key: /etc/tls/key.pem}
END
(bramble-agent run --config /etc/agent.yaml > /tmp/agent.log 2>&1 &)`, time.Now().Unix()))
	if board.board == machines.Raspi3B {
		outputs(t, machine{m})
	}
	return fmt.Sprintf("  - {name: %s, address: %q}\n", name, m.Address(7700))
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
	for item, want := range board.want {
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
	m.sh(t, "for i in $(seq 100); do bramblectl status > /dev/null 2>&1 && exit 0; sleep 0.1; done; bramblectl status")
	return m
}
