package identity

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"google.golang.org/grpc/credentials"
)

// transport is gRPC's own TLS, built anew from the newest files for each handshake.
type transport struct {
	source *Source
	name   string // set by OverrideServerName; gRPC then hands it to ClientHandshake as the authority
}

func (t *transport) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(t.source.newest().client()).ClientHandshake(ctx, authority, conn)
}

func (t *transport) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(t.source.newest().server()).ServerHandshake(conn)
}

func (t *transport) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls", ServerName: t.name}
}

func (t *transport) Clone() credentials.TransportCredentials {
	c := *t
	return &c
}

func (t *transport) OverrideServerName(name string) error {
	t.name = name
	return nil
}

// Loopback reports whether an address stays on this machine, and may so go without TLS: a unix socket (unix:...
// or an absolute path), 127.0.0.0/8, ::1 or localhost, with or without a port. Everything else is not, above all an
// address without a host, which listens on every interface, and a name, which may resolve to anything.
func Loopback(address string) bool {
	if strings.HasPrefix(address, "unix:") || strings.HasPrefix(address, "/") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
