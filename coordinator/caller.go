package coordinator

import (
	"context"
	"fmt"
	"net"
	"os/user"
	"strconv"
	"syscall"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// caller says who makes a call, as it is written down: the name in the certificate, or the user at the other end of a
// unix socket, whom the kernel names.
func caller(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "unknown"
	}
	if tls, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(tls.State.PeerCertificates) > 0 {
		leaf := tls.State.PeerCertificates[0]
		if leaf.Subject.CommonName != "" {
			return oneLine(leaf.Subject.CommonName)
		}
		if len(leaf.DNSNames) > 0 {
			return oneLine(leaf.DNSNames[0])
		}
	}
	if local, ok := p.Addr.(localUser); ok {
		return local.String()
	}
	return "plain, from " + p.Addr.String()
}

// localUser is the other end of a unix socket.
type localUser struct {
	net.Addr
	uid uint32
}

// String is the user's name, or the number where there is none.
func (u localUser) String() string {
	id := strconv.FormatUint(uint64(u.uid), 10)
	known, err := user.LookupId(id)
	if err != nil {
		return "uid " + id
	}
	return fmt.Sprintf("%s (uid %s)", oneLine(known.Username), id)
}

// recognising is a listener whose connections know who made them.
type recognising struct{ net.Listener }

func (l recognising) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return recognise(conn), nil
}

// knownConn is a connection over a unix socket with the user at its other end.
type knownConn struct {
	net.Conn
	user net.Addr
}

func (c knownConn) RemoteAddr() net.Addr { return c.user }

// recognise asks the kernel who connected (SO_PEERCRED, see unix(7)): who made the connection, whoever has it now.
func recognise(conn net.Conn) net.Conn {
	unix, ok := conn.(syscall.Conn)
	if !ok || conn.LocalAddr().Network() != "unix" {
		return conn
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return conn
	}
	var cred *syscall.Ucred
	if ctrl := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); ctrl != nil || err != nil {
		return conn
	}
	return knownConn{Conn: conn, user: localUser{Addr: conn.RemoteAddr(), uid: cred.Uid}}
}
