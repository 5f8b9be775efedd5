package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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
	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("another process (pid %d) answers there", os.Getpid())) {
		t.Errorf("a living holder: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	leaveBehind(t, path)
	second, err := Listen("unix://" + path)
	if err != nil {
		t.Fatalf("a dead one's socket: %v", err)
	}
	if first.Close() == nil {
		t.Error("closed twice")
	}
	for _, name := range []string{path, path + ".lock"} {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("while the second one listens: %v", err)
		}
	}
	second.Close()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

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

// leaveBehind makes what a process that was killed leaves.
func leaveBehind(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(l.Close(), os.WriteFile(path+".lock", nil, SocketMode)); err != nil {
		t.Fatal(err)
	}
}

// Of two that start in the same moment one listens, and the other takes nothing from it.
func TestListenOnceAtATime(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		path := filepath.Join(dir, fmt.Sprint(i))
		if i%2 == 0 {
			leaveBehind(t, path)
		}
		var listeners [2]net.Listener
		var faults [2]error
		var both sync.WaitGroup
		for j := range listeners {
			both.Go(func() { listeners[j], faults[j] = Listen("unix://" + path) })
		}
		both.Wait()
		winner, fault := listeners[0], faults[1]
		if winner == nil {
			winner, fault = listeners[1], faults[0]
		}
		if winner == nil || fault == nil || !strings.Contains(fault.Error(), "another process") {
			t.Fatalf("round %d: %v", i, faults)
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		winner.Close()
	}
}

// Who has the lock may be about to listen.
func TestListenWaitsForNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	leaveBehind(t, path)
	held, err := takeLock(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "another process has locked it with "+path+".lock") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	// Somebody tidied up and the next one has come: its lock is not ours to remove.
	if err := errors.Join(os.Remove(path+".lock"), os.WriteFile(path+".lock", nil, 0o600), held.release()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".lock"); err != nil {
		t.Error(err)
	}
}

func TestListenBesideAnotherUser(t *testing.T) {
	withoutOverride(t)
	for _, locked := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "a.sock")
		leaveBehind(t, path)
		closed := path
		if locked {
			closed += ".lock"
		}
		if err := os.Chmod(closed, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "another user's process may serve there; stop it") ||
			strings.Contains(err.Error(), "dial") {
			t.Errorf("locked %t: %v", locked, err)
		}
	}
}

// withoutOverride takes from the test's thread, which ends with it, what lets root open everything.
func withoutOverride(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

func TestListenWhateverTheUmask(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	for _, mask := range []int{0, 0o077} {
		syscall.Umask(mask)
		path := filepath.Join(t.TempDir(), "a.sock")
		l, err := Listen("unix://" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for _, name := range []string{path, path + ".lock"} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != SocketMode {
				t.Errorf("umask %04o: %s: %v, %v", mask, name, info, err)
			}
		}
	}
}

// One that is too busy to answer is alive.
func TestListenLeavesTheBusyAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	first, err := net.Dial("unix", path) // the one that waits, and the last that may
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if l, err := Listen("unix://" + path); err == nil {
		l.Close()
		t.Error("a busy process lost its socket")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for address, want := range map[string]string{
		"unix://" + filepath.Join(dir, "a", "b", "c.sock"):       "make " + filepath.Join(dir, "a", "b") + " for this user",
		"unix://" + filepath.Join(dir, strings.Repeat("x", 108)): "at most 107 bytes",
		"unix://c.sock": "an absolute path",
	} {
		if _, err := Listen(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
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
