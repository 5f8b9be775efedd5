package daemon

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstKept is the number of the first descriptor that systemd hands over, see sd_listen_fds(3).
const firstKept = 3

// Descriptor is an open file that somebody keeps while no process of ours lives. It is a bare number: an os.File
// would close it when it is collected, and a line that it holds would fall.
type Descriptor struct {
	Name string
	FD   int
}

// Kept returns the descriptors that systemd kept for this service, in its order and with the names that Keep gave them;
// none where there is no systemd. They are closed on exec. It takes the variables that it reads out of the
// environment, so that no child and no second call finds them. A name can be there twice, and empty where systemd
// told none.
func Kept() ([]Descriptor, error) { return kept(firstKept) }

func kept(first int) ([]Descriptor, error) {
	owner, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if count == "" || owner != strconv.Itoa(os.Getpid()) {
		return nil, nil // there are none, or they are another process's
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS: %q is no number of descriptors", count)
	}
	each := strings.Split(names, ":")
	descriptors := make([]Descriptor, n)
	for i := range descriptors {
		descriptors[i].FD = first + i
		if len(each) == n {
			descriptors[i].Name = each[i]
		}
		unix.CloseOnExec(first + i)
	}
	return descriptors, nil
}

// Keep hands a copy of a descriptor to systemd, which holds it while the service is down, unless it is stopped, and
// returns it by Kept in the next process. What systemd has already, under whatever name, it does not take again. The
// name has 1 to 255 printable ASCII characters and no colon. The error wraps [errors.ErrUnsupported] where no systemd
// listens. That systemd's store is full (FileDescriptorStoreMax=) only systemd's own log says.
func Keep(name string, fd int) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := tellManager("FDSTORE=1\nFDNAME="+name, fd); err != nil {
		return fmt.Errorf("keep descriptor %s: %w", name, err)
	}
	return nil
}

// Drop makes systemd let go of all descriptors of a name. This process's own stay open.
func Drop(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := tellManager("FDSTOREREMOVE=1\nFDNAME=" + name); err != nil {
		return fmt.Errorf("drop descriptor %s: %w", name, err)
	}
	return nil
}

// checkName applies systemd's rules for FDNAME, see sd_pid_notify_with_fds(3).
func checkName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r > '~' || r == ':' }
	if name == "" || len(name) > 255 || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("descriptor name %q: must be 1 to 255 printable ASCII characters without a colon", name)
	}
	return nil
}

// tellManager sends a message with descriptors to systemd, which go-systemd cannot.
func tellManager(state string, fds ...int) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return fmt.Errorf("%w: not started by systemd", errors.ErrUnsupported)
	}
	// Package net sends no descriptors over a socket of this kind once it is connected.
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(socket, []byte(state), rights, &unix.SockaddrUnix{Name: path}, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
