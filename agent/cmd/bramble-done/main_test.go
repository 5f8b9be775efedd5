package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/host/gpio"
)

// TestMain is this program too, on a board whose done line is the named pipe $LINE: whoever reads from the pipe's other
// end sees when the last holder lets go. Without the pipe there is no such line, without $LINE no word of one.
func TestMain(m *testing.M) {
	if os.Getenv("BRAMBLE_DONE") == "" {
		os.Exit(m.Run())
	}
	os.Exit(run(os.Args[1:], func(text string) { fmt.Println(text) },
		func(root string) (gpio.Line, error) {
			if os.Getenv("LINE") == "" {
				return gpio.Line{}, &fs.PathError{Op: "open", Path: root + "run/bramble/done", Err: fs.ErrNotExist}
			}
			return gpio.Line{Chip: "pinctrl-bcm2711", Offset: 26}, nil
		},
		func(gpio.Line) (*os.File, error) { return os.OpenFile(os.Getenv("LINE"), os.O_WRONLY, 0) },
		func() { fmt.Println("stays") }))
}

// call runs this program as systemd-shutdown does and waits for it.
func call(t *testing.T, line string, args ...string) (said string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, args...)
	command.Env = []string{"BRAMBLE_DONE=1", "LINE=" + line}
	begin := time.Now()
	output, err := command.CombinedOutput()
	t.Logf("%v took %v: %s", args, time.Since(begin), output)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(output), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(output), 0
}

func TestLineIsHeldAfterTheProgramHasEnded(t *testing.T) {
	for _, how := range []string{"poweroff", "halt"} {
		line := filepath.Join(t.TempDir(), "line")
		if err := syscall.Mkfifo(line, 0o600); err != nil {
			t.Fatal(err)
		}
		// Non-blocking, so that it can be opened and read before anybody has raised the line.
		other, err := os.OpenFile(line, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		said, code := call(t, line, how)
		if code != 0 || !strings.Contains(said, "done line pinctrl-bcm2711/26 is raised") || !strings.HasSuffix(said, "\nstays\n") {
			t.Fatalf("%s: exit code %d, said %q", how, code, said)
		}
		_, after, _ := strings.Cut(said, "process ")
		number, _, _ := strings.Cut(after, " ")
		holder, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("who holds it? %q", said)
		}

		// A pipe that a process holds has nothing to read yet; one that nobody holds is at its end.
		letGo := make(chan error, 1)
		go func() {
			_, err := other.Read(make([]byte, 1))
			letGo <- err
		}()
		select {
		case err := <-letGo:
			t.Fatalf("%s: let go with the program: %v", how, err)
		case <-time.After(100 * time.Millisecond): // only a broken program fails here
		}
		if session, _, _ := syscall.Syscall(syscall.SYS_GETSID, uintptr(holder), 0, 0); int(session) != holder {
			t.Errorf("the holder is in session %d, not in one of its own", session)
		}
		if err := syscall.Kill(holder, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := <-letGo; !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, want the end", how, err)
		}
	}
}

func TestBoardThatComesBackRaisesNothing(t *testing.T) {
	for _, how := range []string{"reboot", "kexec"} {
		line := filepath.Join(t.TempDir(), "line")
		if said, code := call(t, line, how); code != 0 || said != "" {
			t.Errorf("%s: exit code %d, said %q", how, code, said)
		}
		if _, err := os.Stat(line); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the line was touched", how)
		}
	}
}

func TestFailuresAreSaid(t *testing.T) {
	for _, c := range []struct {
		line string
		args []string
		code int
		said string
	}{
		{"", []string{"poweroff"}, 1, "not raised, so the power should stay on: bramble-agent has left no word of a line in this boot"},
		{"/nowhere/line", []string{"halt"}, 1, "not raised, so the power should stay on: open /nowhere/line"},
		{"/nowhere/line", nil, 2, "called by systemd-shutdown"},
		{"/nowhere/line", []string{"suspend"}, 2, "called by systemd-shutdown"},
		{"/nowhere/line", []string{"poweroff", "now"}, 2, "called by systemd-shutdown"},
	} {
		if said, code := call(t, c.line, c.args...); code != c.code || !strings.Contains(said, c.said) || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: exit code %d, said %q; want %d, %q", c.args, code, said, c.code, c.said)
		}
	}
}
