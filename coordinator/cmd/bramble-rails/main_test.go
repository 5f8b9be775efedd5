package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/keeper"
)

func TestUsage(t *testing.T) {
	for _, args := range []string{"", "walk", "run now", "status --user x", "version --socket x", "run --socket"} {
		err := command(t.Context(), strings.Fields(args), &bytes.Buffer{}, &bytes.Buffer{})
		if daemon.ExitCode(err) != daemon.ExitUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
	for args, want := range map[string]string{"--help": "Exit codes", "status -h": "Exit codes", "version": "bramble-rails "} {
		var out bytes.Buffer
		if err := command(t.Context(), strings.Fields(args), &out, &bytes.Buffer{}); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q: %v, %q", args, err, out.String())
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	may := allow("daemon") // user 1 on every Debian
	for uid, want := range map[uint32]bool{0: true, uint32(os.Getuid()): true, 1: true, 2: false, 65534: false} {
		if may(uid) != want {
			t.Errorf("user %d: %v", uid, !want)
		}
	}
	if allow("no-such-user")(2) {
		t.Error("an unknown user lets others ask")
	}
}

// run is the daemon: what it is given outlives the giver, and its status is of it.
func TestRunAndStatus(t *testing.T) {
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", manager.LocalAddr().String())
	client := keeper.Client{Path: filepath.Join(t.TempDir(), "rails.sock")}
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	ended := make(chan error)
	go func() { ended <- command(ctx, []string{"run", "--socket", client.Path}, nil, &log) }()
	told := func() string {
		text, rights := make([]byte, 256), make([]byte, 64)
		n, oobn, _, _, err := manager.ReadMsgUnix(text, rights)
		if err != nil {
			t.Fatal(err)
		}
		if messages, err := unix.ParseSocketControlMessage(rights[:oobn]); err == nil && len(messages) == 1 {
			fds, _ := unix.ParseUnixRights(&messages[0])
			for _, fd := range fds {
				unix.Close(fd)
			}
		}
		return string(text[:n])
	}
	if got := told(); got != "READY=1" {
		t.Errorf("systemd was told %q", got)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, name := range []string{keeper.Rail("worker-1"), keeper.Rail("worker-2"), keeper.Done("worker-2")} {
		copied, err := os.Open("/dev/null") // another file for each
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Put(name, int(copied.Fd())); err != nil {
			t.Fatal(err)
		}
		copied.Close()
		if got := told(); got != "FDSTORE=1\nFDNAME="+name {
			t.Errorf("systemd was told %q", got)
		}
	}
	w.Close()

	// Which is on is asked in the order of the names: off, on, on.
	asked := 0
	describe := func(int) (string, bool, error) {
		asked++
		return []string{"", "a is off", "b is on", "c is on"}[asked], asked > 1, nil
	}
	var out bytes.Buffer
	err = status(&out, client, describe)
	if err == nil || !strings.Contains(err.Error(), "the rail is on of worker-2: ") || strings.Contains(err.Error(), "worker-1") {
		t.Errorf("error %v", err)
	}
	if want := "rail.worker-1: a is off\nrail.worker-2: b is on\ndone.worker-2: c is on\n"; out.String() != want {
		t.Errorf("status %q, want %q", out.String(), want)
	}
	off := func(int) (string, bool, error) { return "off", false, nil }
	if err := status(&out, client, off); err != nil {
		t.Errorf("all rails are off: %v", err)
	}
	unreadable := func(int) (string, bool, error) { return "", false, errors.New("input/output error") }
	if err := status(&out, client, unreadable); err == nil || !strings.Contains(err.Error(), "rail.worker-1: input/output error") {
		t.Errorf("error %v", err)
	}
	if err := command(t.Context(), []string{"status", "--socket", client.Path}, &out, nil); err == nil || !strings.Contains(err.Error(), "no gpio line") {
		t.Errorf("what is no line: %v", err)
	}

	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := status(&out, client, off); daemon.ExitCode(err) != daemon.ExitFailed {
		t.Errorf("nobody to ask: %v", err)
	}
}
