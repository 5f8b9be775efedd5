package keeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/internal/daemon"
)

// patience is how long a client may take over its request.
const patience = 2 * time.Second

// Server holds descriptors by name and hands out copies. Only one goroutine may use it.
type Server struct {
	// Kept are the descriptors it begins with. It owns them.
	Kept []daemon.Descriptor

	// Allow says whether a user may ask. It is asked at each connection.
	Allow func(uid uint32) bool

	// Keep and Drop pass what the server takes and lets go on to who keeps it while the server itself is restarted.
	// A failure is logged and changes nothing.
	Keep func(name string, fd int) error
	Drop func(name string) error

	// Logger is told of each descriptor that comes or goes; nil is silent.
	Logger hclog.Logger
}

// Serve answers one connection after the other until the context ends, when it returns nil, or until the listener, which
// it closes, fails. All descriptors stay open.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.Logger == nil {
		s.Logger = hclog.NewNullLogger()
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		l.Close()
	})
	defer func() {
		if stop() {
			l.Close()
			return
		}
		<-closed
	}()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if err := s.serve(conn.(*net.UnixConn)); err != nil {
			s.Logger.Warn("request failed", "error", err)
		}
	}
}

// serve answers one request. The client is told every error; the server's own log, those that are more than a no.
func (s *Server) serve(conn *net.UnixConn) error {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	uid, err := peer(conn)
	if err != nil {
		return err
	}
	line, fds, err := receive(conn) // first, or the answer is lost with what was not read
	defer func() { closeAll(fds) }()
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if s.Allow == nil || !s.Allow(uid) {
		return errors.Join(fmt.Errorf("user %d may not ask", uid), send(conn, fmt.Sprintf("error user %d may not ask", uid)))
	}
	verb, name, _ := strings.Cut(line, " ")
	switch {
	case verb == "put" && len(fds) == 1:
		err = s.put(name, fds[0])
		if err == nil {
			fds = nil // taken, or closed
		}
	case verb == "get" && name == "" && len(fds) == 0:
		return s.hand(conn)
	case verb == "drop" && len(fds) == 0:
		err = s.drop(name)
	default:
		err = fmt.Errorf("%q with %d descriptors is no request", verb, len(fds))
	}
	if err != nil {
		return send(conn, "error "+err.Error())
	}
	return send(conn, "ok")
}

// put takes a descriptor over, or closes it if it is a copy of one that is there.
func (s *Server) put(name string, fd int) error {
	if err := checkName(name); err != nil {
		return err
	}
	if slices.ContainsFunc(s.Kept, func(k daemon.Descriptor) bool { return same(k.FD, fd, k.Name, name) }) {
		_ = unix.Close(fd)
		return nil
	}
	if len(s.Kept) >= Most {
		return fmt.Errorf("there are %d descriptors already, and room for no more; drop those of lines that are gone", len(s.Kept))
	}
	s.Kept = append(s.Kept, daemon.Descriptor{Name: name, FD: fd})
	s.Logger.Info("keeping", "path", name)
	if err := s.Keep(name, fd); err != nil {
		s.Logger.Warn("systemd keeps no copy: a crash of this service lets it go", "path", name, "error", err)
	}
	return nil
}

// hand gives the client copies of everything.
func (s *Server) hand(conn *net.UnixConn) error {
	answer, fds := "ok", []int{}
	for _, k := range s.Kept {
		answer += " " + k.Name
		fds = append(fds, k.FD)
	}
	return send(conn, answer, fds...)
}

// drop lets go of all descriptors of a name.
func (s *Server) drop(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	var faults []error
	s.Kept = slices.DeleteFunc(s.Kept, func(k daemon.Descriptor) bool {
		if k.Name != name {
			return false
		}
		s.Logger.Info("letting go", "path", name)
		faults = append(faults, unix.Close(k.FD))
		return true
	})
	if len(faults) == 0 {
		return fmt.Errorf("nothing is kept under the name %s", name)
	}
	if err := s.Drop(name); err != nil {
		s.Logger.Warn("systemd may still keep a copy", "path", name, "error", err)
	}
	return errors.Join(faults...)
}

// peer returns the user at the other end, as the kernel knows it.
func peer(conn *net.UnixConn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("who asks: %w", err)
	}
	return cred.Uid, nil
}
