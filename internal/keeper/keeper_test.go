package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/internal/daemon"
)

// everybody may ask a test's server, which has no systemd behind it.
func everybody() *Server {
	return &Server{
		Allow: func(uint32) bool { return true },
		Keep:  func(string, int) error { return nil },
		Drop:  func(string) error { return nil },
	}
}

// start serves until the test ends, or until the returned function is called.
func start(t *testing.T, s *Server) (Client, func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rails.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	stop := func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return Client{path}, stop
}

// line is a stand-in for a GPIO line: a pipe that is at its end when nobody holds its other one.
type line struct{ r, w *os.File }

func newLine(t *testing.T) *line {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return &line{r, w}
}

func (l *line) fd() int { return int(l.w.Fd()) }

// wantFallen fails unless nobody holds the line any more, and needs that this process has closed its own descriptor.
func (l *line) wantFallen(t *testing.T, want bool) {
	t.Helper()
	polled := []unix.PollFd{{Fd: int32(l.r.Fd()), Events: unix.POLLIN}}
	if _, err := unix.Poll(polled, 0); err != nil {
		t.Fatal(err)
	}
	if fallen := polled[0].Revents&unix.POLLHUP != 0; fallen != want {
		t.Errorf("the line has fallen: %v, want %v", fallen, want)
	}
}

func names(kept []daemon.Descriptor) (list []string) {
	for _, d := range kept {
		list = append(list, d.Name)
	}
	return list
}

func TestServerKeepsAndHandsBack(t *testing.T) {
	told := &bytes.Buffer{}
	server := everybody()
	server.Keep = func(name string, fd int) error { fmt.Fprintf(told, "keep %s; ", name); return nil }
	server.Drop = func(name string) error { fmt.Fprintf(told, "drop %s; ", name); return errors.New("no systemd") }
	client, stop := start(t, server)
	one, two := newLine(t), newLine(t)
	copied, err := unix.FcntlInt(one.w.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // kept once, whatever it is called and which of its copies comes
		if err := errors.Join(client.Put("rail.worker-1", one.fd()), client.Put("rail.other", copied), client.Put("rail.worker-2", two.fd())); err != nil {
			t.Fatal(err)
		}
	}
	unix.Close(copied)
	one.w.Close()
	two.w.Close()
	one.wantFallen(t, false)

	for range 2 {
		kept, err := client.Get()
		if err != nil || !slices.Equal(names(kept), []string{"rail.worker-1", "rail.worker-2"}) {
			t.Fatalf("kept %v, %v", kept, err)
		}
		for i, l := range []*line{one, two} {
			if _, err := unix.Write(kept[i].FD, []byte("x")); err != nil {
				t.Error(err)
			}
			if n, err := l.r.Read(make([]byte, 9)); n != 1 || err != nil {
				t.Errorf("the descriptor of %s is another: %v", kept[i].Name, err)
			}
			if flags, err := unix.FcntlInt(uintptr(kept[i].FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("children inherit %s", kept[i].Name)
			}
			unix.Close(kept[i].FD)
		}
	}

	if err := client.Drop("rail.worker-1"); err != nil {
		t.Fatal(err)
	}
	one.wantFallen(t, true)
	two.wantFallen(t, false)
	if err := client.Drop("rail.worker-1"); err == nil || !strings.Contains(err.Error(), "nothing is kept under the name rail.worker-1") {
		t.Errorf("a second time: %v", err)
	}
	stop()
	two.wantFallen(t, false) // until the process ends
	if want := "keep rail.worker-1; keep rail.worker-2; drop rail.worker-1; "; told.String() != want {
		t.Errorf("systemd was told %q, want %q", told, want)
	}
}

func TestServerRefuses(t *testing.T) {
	server := everybody()
	client, _ := start(t, server)
	l := newLine(t)
	for _, name := range []string{"", "two words", "a:b", "ö", strings.Repeat("x", maxName+1)} {
		if err := client.Put(name, l.fd()); err == nil || !strings.Contains(err.Error(), "visible") {
			t.Errorf("%q: %v", name, err)
		}
		if err := client.Drop(name); err == nil {
			t.Errorf("%q is dropped", name)
		}
	}
	for _, c := range []struct {
		request string
		fds     []int
		reason  string
	}{
		{"put rail.a", nil, "with 0 descriptors"},
		{"put rail.a", []int{l.fd(), l.fd()}, "with 2 descriptors"},
		{"put a:b", []int{l.fd()}, "visible"},
		{"get", []int{l.fd()}, "with 1 descriptors"},
		{"get everything", nil, "is no request"},
		{"drop", nil, "visible"},
		{"", nil, "is no request"},
		{"steal rail.a", nil, "is no request"},
	} {
		_, _, err := client.ask(c.request, c.fds...)
		if err == nil || !strings.Contains(err.Error(), c.reason) || !strings.Contains(err.Error(), client.Path) {
			t.Errorf("%q: %v", c.request, err)
		}
	}
	for range 3 { // nothing of it stays open, or is kept
		if kept, err := client.Get(); err != nil || len(kept) != 0 {
			t.Fatalf("kept %v, %v", kept, err)
		}
	}
	l.w.Close()
	l.wantFallen(t, true)

	conn, err := net.Dial("unix", client.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
		t.Log(err) // it may have hung up before the end
	}
	if _, err := io.ReadAll(conn); err == nil {
		t.Log("hung up without a reset")
	}
	if _, err := client.Get(); err != nil {
		t.Errorf("after a line without end: %v", err)
	}
}

func TestServerAsksWhoAsks(t *testing.T) {
	var asked uint32 = 12345
	server := everybody()
	server.Allow = func(uid uint32) bool { asked = uid; return false }
	client, stop := start(t, server)
	_, err := client.Get()
	stop()
	if want := fmt.Sprintf("user %d may not ask", os.Getuid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	if int(asked) != os.Getuid() {
		t.Errorf("it was asked for user %d", asked)
	}
}

func TestServerHasRoomForMost(t *testing.T) {
	client, _ := start(t, everybody())
	var lines []*line
	for i := range Most {
		lines = append(lines, newLine(t))
		if err := client.Put(fmt.Sprintf("rail.%s-%d", strings.Repeat("x", maxName-10), i), lines[i].fd()); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Put("rail.more", newLine(t).fd()); err == nil || !strings.Contains(err.Error(), "64 descriptors already") {
		t.Errorf("error %v", err)
	}
	kept, err := client.Get()
	if err != nil || len(kept) != Most {
		t.Fatalf("%d kept, %v", len(kept), err)
	}
	for i, d := range kept {
		if is, err := sameFile(d.FD, lines[i].fd()); !is || err != nil {
			t.Errorf("descriptor %d is another: %v", i, err)
		}
		unix.Close(d.FD)
	}
}

func TestNobodyThere(t *testing.T) {
	client := Client{filepath.Join(t.TempDir(), "rails.sock")}
	if _, err := client.Get(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "bramble-rails at "+client.Path) {
		t.Errorf("error %v", err)
	}
}

// What both keepers have is found once, in a process that systemd started with descriptors.
func TestOpenJoinsBothKeepers(t *testing.T) {
	client, _ := start(t, everybody())
	rail, done, other := newLine(t), newLine(t), newLine(t)
	if err := errors.Join(client.Put(Rail("a"), rail.fd()), client.Put(Rail("b"), other.fd())); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), "KEEPER_CHILD="+client.Path, "LISTEN_FDS=2", "LISTEN_FDNAMES=rail.a:done.a")
	child.ExtraFiles = []*os.File{rail.w, done.w}
	out, err := child.CombinedOutput()
	if want := "rail.a 3\ndone.a 4\nrail.b\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	for i, l := range []*line{rail, done, other} {
		text := make([]byte, 9)
		n, err := l.r.Read(text)
		if want := []string{"rail.a", "done.a", "rail.b"}[i]; err != nil || string(text[:n]) != want {
			t.Errorf("line %d was written %q, %v", i, text[:n], err)
		}
	}
}

func TestMain(m *testing.M) {
	socket := os.Getenv("KEEPER_CHILD")
	if socket == "" {
		os.Exit(m.Run())
	}
	os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())) // which only systemd knows in time
	s, err := Open(socket)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for name, fd := range s.All() {
		if fd > 4 {
			fmt.Println(name)
		} else {
			fmt.Println(name, fd)
		}
		if _, err := unix.Write(fd, []byte(name)); err != nil {
			fmt.Println(err)
		}
	}
	os.Exit(0)
}

// Without systemd and without bramble-rails there is a store, which says what that means.
func TestStoreAlone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s, err := Open(filepath.Join(t.TempDir(), "rails.sock"))
	if s == nil || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v, %v", s, err)
	}
	for name := range s.All() {
		t.Errorf("found %s", name)
	}
	l := newLine(t)
	if err := s.Keep(Rail("a"), l.fd()); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// A bramble-rails that is started later gets everything, but nothing that was dropped.
func TestRunOffersAgain(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	client, _ := start(t, everybody()) // outside of the bubble, whose time would stand while it listens
	path := filepath.Join(t.TempDir(), "later.sock")
	a, b := newLine(t), newLine(t)
	synctest.Test(t, func(t *testing.T) {
		s, _ := Open(path)
		for range 2 {
			if err := errors.Join(s.Keep(Rail("a"), a.fd()), s.Keep(Rail("b"), b.fd())); err == nil {
				t.Fatal("nobody there, and no error")
			}
		}
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.Run(ctx, hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true}))
		}()
		time.Sleep(3*renewal + 1)
		if err := s.Drop(Rail("b")); err == nil {
			t.Error("nobody to drop it, and no error")
		}
		if err := os.Symlink(client.Path, path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * renewal)
		cancel()
		<-ended
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "[WARN]  rails are not kept") || !strings.Contains(text, "[INFO]  rails are kept again") {
			t.Errorf("logged:\n%s", text)
		}
	})
	kept, err := client.Get()
	if err != nil || !slices.Equal(names(kept), []string{"rail.a"}) {
		t.Errorf("kept %v, %v", kept, err)
	}
}
