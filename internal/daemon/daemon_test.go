package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestLogRefuses(t *testing.T) {
	for _, l := range []Log{{Level: "loud"}, {Level: "off"}, {Format: "xml"}} {
		if _, err := l.Logger("x", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "must be one of") {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestLogForTheJournal(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	info, err := out.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	say := func() string {
		if err := out.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		logger, err := Log{}.Logger("agent", out)
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("serving")
		logger.Error("cannot read")
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino))
	if got, want := say(), "<6>[INFO]  agent: serving\n<3>[ERROR] agent: cannot read\n"; got != want {
		t.Errorf("to the journal: got %q, want %q", got, want)
	}
	// The variable is inherited by every child, whatever its streams are.
	t.Setenv("JOURNAL_STREAM", "8:12345")
	if got := say(); strings.HasPrefix(got, "<") || !strings.HasPrefix(got, "2") {
		t.Errorf("to something else: got %q, want times and no priority", got)
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

func TestRunEndsByEachSignal(t *testing.T) {
	manager := listenNotify(t)
	heard := make(chan os.Signal, 1) // SIGHUP is not ignored then, not even where the tests run under nohup
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	for _, sent := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		err := Run(t.Context(), hclog.NewNullLogger(), func(ctx context.Context) error {
			if err := syscall.Kill(os.Getpid(), sent); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
		if err != nil {
			t.Errorf("%v: %v", sent, err)
		}
		buf := make([]byte, 64)
		if n, err := manager.Read(buf); err != nil || string(buf[:n]) != "STOPPING=1" {
			t.Errorf("%v: told %q, %v", sent, buf[:n], err)
		}
	}
}

// listenNotify is the service manager's end.
func listenNotify(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func TestMain(m *testing.M) {
	program, child := map[string]func(context.Context) error{
		"write into a closed pipe": func(context.Context) error {
			if _, err := os.Stdout.WriteString("nobody reads this"); !errors.Is(err, syscall.EPIPE) {
				return fmt.Errorf("wrote into a closed pipe: %v", err)
			}
			return nil
		},
		"lose the terminal": func(ctx context.Context) error {
			if !signal.Ignored(syscall.SIGHUP) {
				return errors.New("SIGHUP is not ignored any more")
			}
			return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGHUP), ctx.Err())
		},
	}[os.Getenv("BRAMBLE_CHILD")]
	if !child {
		os.Exit(m.Run())
	}
	os.Exit(ExitCode(Run(context.Background(), hclog.NewNullLogger(), program)))
}

// A fan must not be left alone because the reader of a log went away.
func TestRunOutlivesItsReader(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	defer writer.Close()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "BRAMBLE_CHILD=write into a closed pipe", "GORACE=atexit_sleep_ms=10")
	child.Stdout = writer
	if err := child.Run(); err != nil {
		t.Error(err)
	}
}

// Who says nohup wants it to go on when the terminal is gone.
func TestRunUnderNohup(t *testing.T) {
	child := exec.CommandContext(t.Context(), "sh", "-c", `trap "" HUP; exec "$0"`, os.Args[0])
	child.Env = append(os.Environ(), "BRAMBLE_CHILD=lose the terminal", "GORACE=atexit_sleep_ms=10")
	if err := child.Run(); err != nil {
		t.Error(err)
	}
}

func TestNotify(t *testing.T) {
	conn := listenNotify(t)
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
	Extend(logger, 10*time.Second)
	buf := make([]byte, 256)
	for _, want := range []string{"READY=1", "STATUS=5 of 5 nodes live", "WATCHDOG=1", "STOPPING=1", "EXTEND_TIMEOUT_USEC=10000000"} {
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

func TestWatchdogLossIsOneLine(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	t.Setenv("WATCHDOG_USEC", "10000000")
	t.Setenv("WATCHDOG_PID", "")
	var out bytes.Buffer
	feed, _ := Watchdog(hclog.New(&hclog.LoggerOptions{Output: &out}))
	for range 3 {
		feed()
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}

func TestExitCode(t *testing.T) {
	usage := UsageError{errors.New("unknown flag: --colour")}
	for _, test := range []struct {
		err  error
		want int
	}{{nil, ExitDone}, {errors.New("no"), ExitFailed}, {usage, ExitUsage}, {fmt.Errorf("run: %w", usage), ExitUsage}} {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

func TestVersionIsNeverEmpty(t *testing.T) {
	if Version() == "" {
		t.Error("empty")
	}
}
