package daemon

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestListenMakesFolderAndMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bramble", "agent.sock")
	l, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != SocketMode {
		t.Errorf("mode is %v", info.Mode().Perm())
	}
}

func TestListenReplacesOnlyTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	first, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "another process (pid ") {
		t.Errorf("a living holder: %v", err)
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := Listen("unix://" + path)
	if err != nil {
		t.Fatalf("a dead one's socket: %v", err)
	}
	second.Close()

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Error("the file was removed")
	}
}

func TestListenAllIsAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	if _, err := ListenAll([]string{"unix://" + path, "unix://relative.sock"}); err == nil {
		t.Fatal("no error")
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("the first listener is still open")
	}
}

func TestLogRefuses(t *testing.T) {
	for _, l := range []Log{{Level: "loud"}, {Level: "off"}, {Format: "xml"}} {
		if _, err := l.Logger("x", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "must be one of") {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestLogLeavesTheTimeToTheJournal(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "8:12345")
	var out bytes.Buffer
	l, err := Log{}.Logger("agent", &out)
	if err != nil {
		t.Fatal(err)
	}
	l.Info("serving")
	if got := out.String(); !strings.HasPrefix(got, "[INFO]") {
		t.Errorf("got %q", got)
	}
}

func TestRunEndsGracefullyThenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 2)
		stuck := make(chan struct{})
		defer close(stuck)
		time.AfterFunc(time.Second, func() { signals <- syscall.SIGTERM })
		start := time.Now()
		err := run(t.Context(), hclog.NewNullLogger(), signals, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		if err != nil || time.Since(start) != time.Second {
			t.Errorf("first signal: %v after %v", err, time.Since(start))
		}

		time.AfterFunc(time.Second, func() { signals <- syscall.SIGTERM })
		time.AfterFunc(3*time.Second, func() { signals <- os.Interrupt })
		err = run(t.Context(), hclog.NewNullLogger(), signals, func(context.Context) error {
			<-stuck
			return nil
		})
		if !errors.Is(err, ErrInterrupted) {
			t.Errorf("second signal: %v", err)
		}
	})
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "10000000")
	t.Setenv("WATCHDOG_PID", "")
	logger := hclog.NewNullLogger()
	feed, atLeast := Watchdog(logger)
	if atLeast != 5*time.Second {
		t.Errorf("the watchdog wants %v", atLeast)
	}
	Ready(logger)
	Status(logger, "5 of 5 nodes live")
	feed()
	Stopping(logger)
	buf := make([]byte, 256)
	for _, want := range []string{"READY=1", "STATUS=5 of 5 nodes live", "WATCHDOG=1", "STOPPING=1"} {
		n, err := conn.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("got %q (%v), want %q", buf[:n], err, want)
		}
	}
}

func TestNoWatchdogWithoutSystemd(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "")
	if _, atLeast := Watchdog(hclog.NewNullLogger()); atLeast != 0 {
		t.Errorf("wants %v", atLeast)
	}
}

func TestVersionIsNeverEmpty(t *testing.T) {
	if Version() == "" {
		t.Error("empty")
	}
}
