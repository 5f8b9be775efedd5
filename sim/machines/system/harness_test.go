//go:build system

package system

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// patience is for whatever has no time limit of its own. A translated machine needs seconds for what a board does at once,
// and a multiple of that on a busy host.
const patience = 2 * time.Minute

// guest is a machine in which commands run as root.
type guest interface {
	Output(ctx context.Context, command string) (string, error)
}

// machine is the one under test.
type machine struct{ guest }

// sh runs a script that must succeed, and returns what it prints, without the last line's end.
func (m machine) sh(t testing.TB, script string) string {
	t.Helper()
	// Also in a Cleanup, where the test's own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience)
	defer cancel()
	out, err := m.Output(ctx, script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fails runs a script that must fail, and returns what it prints on both outputs.
func (m machine) fails(t testing.TB, script string) string {
	t.Helper()
	return m.sh(t, "if out=$( { "+script+"; } 2>&1 ); then echo \"succeeded, and should have failed: $out\" >&2; exit 1; else echo \"$out\"; fi")
}

// took does something and returns how long the machine's clock says it took until a condition of bash held.
func (m machine) took(t testing.TB, action, condition string, limit time.Duration) time.Duration {
	t.Helper()
	out := m.sh(t, fmt.Sprintf(`bash <<'END'
. /run/wires
exec {nap}<> <(:)
begin=${EPOCHREALTIME/./}
{ %s; } > /dev/null || exit 1
until %s; do
	[ $((${EPOCHREALTIME/./} - begin)) -lt %d ] || { echo too late; exit 0; }
	read -rt 0.02 -u $nap
done
echo $((${EPOCHREALTIME/./} - begin))
END`, action, condition, (limit+patience).Microseconds()))
	took, err := strconv.Atoi(out)
	if err != nil {
		t.Fatalf("after %q this is %s: %s\n%s", action, out, condition, m.sh(t, "bramblectl fan 2>&1; journalctl --no-pager -n 12 -u 'bramble-*'"))
	}
	return time.Duration(took) * time.Microsecond
}

// until asks again and again, until ask returns true or patience ends. What ask says last is in the failure.
func until(t testing.TB, what string, ask func() (said string, ok bool)) {
	t.Helper()
	for begin := time.Now(); ; {
		said, ok := ask()
		if ok {
			return
		}
		if time.Since(begin) > patience {
			t.Fatalf("%s does not come about within %v; last seen: %s", what, patience, said)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// nodes is what `bramblectl -o json nodes` prints.
func (m machine) nodes(t testing.TB) []*coordinatorv1.Node {
	t.Helper()
	var answer coordinatorv1.ListNodesResponse
	m.parse(t, "bramblectl -o json nodes", &answer)
	return answer.GetNodes()
}

// node is the machine's own node.
func (m machine) node(t testing.TB) *coordinatorv1.Node {
	t.Helper()
	return m.named(t, "master")
}

// named is a node of the case.
func (m machine) named(t testing.TB, name string) *coordinatorv1.Node {
	t.Helper()
	nodes := m.nodes(t)
	for _, node := range nodes {
		if node.GetName() == name {
			return node
		}
	}
	t.Fatalf("bramblectl lists %v, and no %s", nodes, name)
	return nil
}

func (m machine) fan(t testing.TB, name string) *coordinatorv1.Fan {
	t.Helper()
	var fan coordinatorv1.Fan
	m.parse(t, "bramblectl -o json fan "+name, &fan)
	return &fan
}

// parse asks what changes nothing, so it may ask again: a coordinator that a busy host has kept waiting is started anew.
func (m machine) parse(t testing.TB, command string, into proto.Message) {
	t.Helper()
	out := m.sh(t, "for try in 1 2 3 4 5; do "+command+" --timeout 20s && exit; sleep 1; done; exit 1")
	if err := protojson.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%s: %v in\n%s", command, err, out)
	}
}

// measurement finds a sensor's; nil if the node has none of the name.
func measurement(node *coordinatorv1.Node, sensor string) *coordinatorv1.Measurement {
	for _, found := range node.GetMeasurements() {
		if found.GetSensor() == sensor {
			return found
		}
	}
	return nil
}

// configure replaces the coordinator's configuration and waits until it has heard the node.
func (m machine) configure(t testing.TB, yaml string) {
	t.Helper()
	m.sh(t, "systemctl stop bramble-coordinator\ncat > /etc/bramble/coordinator.yaml <<'END'\n"+yaml+"END\n"+
		"bramble-coordinator check && systemctl start bramble-coordinator || { journalctl --no-pager -n 20 -u bramble-coordinator >&2; exit 1; }")
	m.live(t)
}

// live waits until the coordinator follows every node.
func (m machine) live(t testing.TB) {
	t.Helper()
	until(t, "all nodes being live", func() (string, bool) {
		for _, node := range m.nodes(t) {
			if node.GetPresence() != coordinatorv1.Presence_PRESENCE_LIVE {
				return node.GetName() + " is " + node.GetPresence().String() + " " + node.GetPresenceReason(), false
			}
		}
		return "", true
	})
}

// calm is where most chapters begin: nothing is hot or broken, every fan is automatic, and the configuration is whole.
func (m machine) calm(t testing.TB) {
	t.Helper()
	m.sh(t, set("temp", 45_000)+"; "+set("gpu_temp", 30_000)+"; "+set("temp_error", 0)+"; "+set("throttled", 0)+"; "+set("fan_stalled", 0))
	const whole = "cmp -s - /etc/bramble/coordinator.yaml <<'END' && systemctl -q is-active bramble-coordinator && bramblectl fan auto\n" + caseOfOne + "END\n"
	if m.sh(t, "if "+whole+"then echo whole; fi | tail -n 1") != "whole" {
		m.configure(t, caseOfOne)
		return
	}
	m.live(t)
}

// flag finds the state of one flag.
func flag(node *coordinatorv1.Node, which agentv1.Flag) *agentv1.FlagState {
	for _, state := range node.GetThrottling().GetFlags() {
		if state.GetFlag() == which {
			return state
		}
	}
	return nil
}

// moduleRoot is the folder of go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("go env GOMOD: %v: put Go's bin folder into PATH", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// build builds commands statically, as `make build` does, and returns the folder with the binaries.
func build(t testing.TB, environment []string, packages ...string) string {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{"build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", dir + "/"}, packages...)
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = moduleRoot(t)
	command.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), environment...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", strings.Join(packages, " "), err, out)
	}
	return dir
}

// below lists the files of a folder as a machine is to have them: where they go, and where they are.
func below(t testing.TB, to, from string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(from, path)
		files[filepath.Join(to, name)] = path
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
