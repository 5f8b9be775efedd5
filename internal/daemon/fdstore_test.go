package daemon

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestKeepHandsACopyToSystemd(t *testing.T) {
	manager := listenNotify(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := Keep("rail.worker-1", int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	text, rights := make([]byte, 64), make([]byte, unix.CmsgSpace(4*4))
	n, oobn, _, _, err := manager.ReadMsgUnix(text, rights)
	if err != nil || string(text[:n]) != "FDSTORE=1\nFDNAME=rail.worker-1" {
		t.Fatalf("told %q, %v", text[:n], err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:oobn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("descriptors %v, %v", fds, err)
	}
	defer unix.Close(fds[0])
	w.Close() // systemd's copy is another one
	if _, err := unix.Write(fds[0], []byte("x")); err != nil {
		t.Errorf("the copy: %v", err)
	}

	if err := Drop("rail.worker-1"); err != nil {
		t.Fatal(err)
	}
	n, oobn, _, _, err = manager.ReadMsgUnix(text, rights)
	if err != nil || oobn != 0 || string(text[:n]) != "FDSTOREREMOVE=1\nFDNAME=rail.worker-1" {
		t.Errorf("told %q with %d bytes of descriptors, %v", text[:n], oobn, err)
	}
}

func TestKeepRefuses(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Keep("rail.worker-1", 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without systemd: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", t.TempDir()+"/nobody")
	if err := Keep("rail.worker-1", 0); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("nobody listens: %v", err)
	}
	listenNotify(t)
	for _, name := range []string{"", "a:b", "a\nb", "Zaun-ö", strings.Repeat("x", 256)} {
		if err := errors.Join(Keep(name, 0), Drop(name)); err == nil || !strings.Contains(err.Error(), "printable") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := Keep("rail.worker-1", 9999); err == nil {
		t.Error("a descriptor that is not open")
	}
}

func TestKeptTakesWhatSystemdHandsOver(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	const first = 700 // as systemd does with 3
	for i, f := range []*os.File{r, w, w} {
		if err := unix.Dup3(int(f.Fd()), first+i, 0); err != nil { // without close-on-exec
			t.Fatal(err)
		}
		defer unix.Close(first + i)
	}
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		name, pid, fds, names string
		want                  []Descriptor
	}{
		{"three", self, "3", "rail.worker-1:done.worker-1:rail.worker-1", []Descriptor{{"rail.worker-1", 700}, {"done.worker-1", 701}, {"rail.worker-1", 702}}},
		{"no names", self, "2", "", []Descriptor{{"", 700}, {"", 701}}},
		{"one without a name", self, "1", "", []Descriptor{{"", 700}}},
		{"another process's", "1", "2", "a:b", nil},
		{"no systemd", "", "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("LISTEN_PID", c.pid)
			t.Setenv("LISTEN_FDS", c.fds)
			t.Setenv("LISTEN_FDNAMES", c.names)
			got, err := kept(first)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
			for _, d := range got {
				if flags, err := unix.FcntlInt(uintptr(d.FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("descriptor %d is inherited by children: %#x, %v", d.FD, flags, err)
				}
			}
			if again, err := kept(first); again != nil || err != nil {
				t.Errorf("a second time: %v, %v", again, err)
			}
			for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
				if value, there := os.LookupEnv(name); there {
					t.Errorf("children find %s=%s", name, value)
				}
			}
		})
	}
	t.Setenv("LISTEN_PID", self)
	t.Setenv("LISTEN_FDS", "many")
	if _, err := kept(first); err == nil || !strings.Contains(err.Error(), `"many"`) {
		t.Errorf("no number: %v", err)
	}
}
