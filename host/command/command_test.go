package command

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is a program that does what a script says, and writes each of its runs into a file.
func shell(t *testing.T, script string) (words []string, runs func() string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runs")
	return []string{"/bin/sh", "-c", "echo \"$BRAMBLE_NODE $*\" >>" + file + "\n" + script, "sh"}, func() string {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
}

func newRail(t *testing.T, config Config) *Rail {
	t.Helper()
	config.Node = "worker-1"
	for _, words := range []*[]string{&config.On, &config.Off} {
		if *words == nil {
			*words = []string{"/bin/true"}
		}
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Nothing in the words is anything but a word.
func TestWordsAreNoShell(t *testing.T) {
	t.Setenv("SECRET", "of the coordinator")
	on, runs := shell(t, `echo "${SECRET-none}"; exit 3`)
	r := newRail(t, Config{On: append(on, "$(reboot)", "a; b", "*")})
	err := r.Set(true)
	if runs() != "worker-1 $(reboot) a; b *\n" {
		t.Errorf("it was run as %q", runs())
	}
	if err == nil || err.Error() != `rail worker-1: /bin/sh: exit status 3: "none"` {
		t.Errorf("error %v", err)
	}
}

func TestSetRunsTheProgramEachTime(t *testing.T) {
	on, ons := shell(t, "")
	off, offs := shell(t, "")
	r := newRail(t, Config{On: on, Off: off})
	if _, err := r.On(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "rail worker-1") {
		t.Errorf("before anything: %v", err)
	}
	for _, set := range []bool{true, true, false} {
		if err := r.Set(set); err != nil {
			t.Fatal(err)
		}
		if is, err := r.On(); is != set || err != nil {
			t.Errorf("set %v, it is %v, %v", set, is, err)
		}
	}
	if strings.Count(ons(), "\n") != 2 || strings.Count(offs(), "\n") != 1 {
		t.Errorf("on %q, off %q", ons(), offs())
	}
}

// What failed half-way may be either way.
func TestFailedSetIsUnknown(t *testing.T) {
	r := newRail(t, Config{Off: []string{"/bin/false"}})
	if err := r.Set(true); err != nil {
		t.Fatal(err)
	}
	if err := r.Set(false); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("error %v", err)
	}
	if _, err := r.On(); err == nil {
		t.Error("the rail is known")
	}
}

func TestStateProgram(t *testing.T) {
	for status, c := range map[int]struct {
		on   bool
		part string
	}{0: {true, ""}, 1: {false, ""}, 2: {false, `exit status 2: "no such port"`}} {
		state, _ := shell(t, "echo no such port >&2; exit "+strconv.Itoa(status))
		on, err := newRail(t, Config{State: state}).On()
		if on != c.on || (err != nil) != (c.part != "") || err != nil && !strings.Contains(err.Error(), c.part) {
			t.Errorf("status %d: %v, %v", status, on, err)
		}
	}
	for _, path := range []string{"/no/such/program", "/"} {
		if _, err := newRail(t, Config{State: []string{path}}).On(); err == nil || !strings.Contains(err.Error(), "rail worker-1: "+path) {
			t.Errorf("error %v", err)
		}
	}
	killed, _ := shell(t, "kill -9 $$") // by whom ever: it said nothing
	if _, err := newRail(t, Config{State: killed}).On(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("error %v", err)
	}
}

// A program that hangs is killed with what it started.
func TestHangingProgramIsKilledWithItsChildren(t *testing.T) {
	file := filepath.Join(t.TempDir(), "child")
	on, _ := shell(t, "sleep 600 & echo $! >"+file+"; echo asking the hub; wait")
	r := newRail(t, Config{On: on, Timeout: 500 * time.Millisecond})
	err := r.Set(true)
	if err == nil || !strings.Contains(err.Error(), `/bin/sh: killed after 500ms: "asking the hub"`) {
		t.Errorf("error %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if state := stateOf(child); state != "gone" && state != "Z" {
		t.Errorf("its child lives: %s", state)
	}
}

// stateOf is that of proc(5). SIGKILL is on its way: a process that has it pending runs no more.
func stateOf(pid int) string {
	for range 1000 {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return "gone"
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if state, _, _ := strings.Cut(after, " "); state == "Z" || state == "X" {
			return state
		}
		time.Sleep(time.Millisecond)
	}
	return "alive"
}

// One that leaves a child behind has done its work.
func TestProgramThatLeavesAChild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "child")
	on, _ := shell(t, "sleep 600 & echo $! >"+file)
	r := newRail(t, Config{On: on})
	if err := r.Set(true); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Errorf("the child was killed: %v", err)
	}
}

func TestLongOutputIsCut(t *testing.T) {
	on, _ := shell(t, `i=0; while [ $i -lt 5000 ]; do echo "line	$i"; i=$((i+1)); done; exit 1`)
	err := newRail(t, Config{On: on}).Set(true)
	if err == nil || !strings.Contains(err.Error(), "line 0 line 1") {
		t.Fatal("no error, or without the first line")
	}
	if text := err.Error(); len(text) > keptOutput+100 || strings.ContainsAny(text, "\n\t") {
		t.Errorf("%d characters: %.400s", len(text), text)
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	_, err := New(Config{On: []string{"uhubctl"}, State: []string{}, Timeout: time.Hour})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{`on: ["uhubctl"]`, "off: []", "state: []", "timeout: 1h0m0s"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %q", part, err)
		}
	}
}
