package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// SocketMode is for the owner and group of a unix socket alone.
const SocketMode = 0o660

// Listen listens on unix:///absolute/path or on host:port.
//
// A unix socket is readable and writable by owner and group. Its folder is made if only that is missing; a socket that
// a dead process left behind is replaced, one that somebody answers on is an error, and so is any other file. While it
// is open, a locked file beside it, path.lock, keeps every other process that listens in this way away; closing removes
// both.
func Listen(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix://")
	if !unix {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
		return l, nil
	}
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("listen on %s: write unix:// and an absolute path", address)
	}
	l, err := listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// ListenAll listens on every address, or on none: an error closes what was opened.
func ListenAll(addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := Listen(address)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// maxPath is what fits into sockaddr_un, see unix(7).
const maxPath = 107

func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("a socket's path has at most %d bytes, this one %d; choose a shorter one", maxPath, len(path))
	}
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w; make %s for this user, or choose another socket", err, dir)
	}
	held, err := takeLock(path + ".lock")
	if errors.Is(err, errHeld) {
		return nil, fmt.Errorf("another process%s; stop it or choose another path", describeHolder(path))
	}
	if err != nil {
		return nil, err
	}
	l, err := bind(path)
	if err != nil {
		return nil, errors.Join(err, held.release())
	}
	return &lockedListener{Listener: l, lock: held}, nil
}

// bind replaces what a dead process left at a path that is locked.
func bind(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// The kernel gives the file the socket's mode less the umask, so that it is never wider than wanted, not even
	// between bind and chmod; chmod then gives the group what the umask took.
	narrow := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		return errors.Join(raw.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), SocketMode) }), err)
	}}
	l, err := narrow.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, SocketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeStale removes the socket of a dead process. One that somebody answers on belongs to a program that knows
// nothing of the lock.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is something that is not a socket; remove it or choose another path")
	}
	conn, err := dial(path)
	switch {
	case err == nil:
		defer conn.Close()
		return fmt.Errorf("another process%s answers there; stop it or choose another path", pid(conn))
	case errors.Is(err, syscall.EACCES):
		return errors.New("another user's process may serve there; stop it, remove the socket if there is none, or choose another path")
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err
	}
	return os.Remove(path)
}

func dial(path string) (net.Conn, error) { return net.DialTimeout("unix", path, time.Second) }

// describeHolder says what is known of the process that has locked a path, as " (pid 123) answers there".
func describeHolder(path string) string {
	conn, err := dial(path)
	if err != nil {
		return " has locked it with " + path + ".lock"
	}
	defer conn.Close()
	return pid(conn) + " answers there"
}

// pid names the process at the other end, as " (pid 123)", where the kernel tells.
func pid(conn net.Conn) string {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return ""
	}
	var name string
	err = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			name = fmt.Sprintf(" (pid %d)", cred.Pid)
		}
	})
	if err != nil {
		return ""
	}
	return name
}
