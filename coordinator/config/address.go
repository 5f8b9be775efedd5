package config

import (
	"net"
	"path"
	"strconv"
	"strings"

	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/document"
)

// address is unix:///PATH or HOST:PORT. Exactly one of path and port is set.
type address struct {
	path string
	host string // empty: every interface
	port int
}

func (a address) String() string {
	if a.path != "" {
		return "unix://" + a.path
	}
	return net.JoinHostPort(a.host, strconv.Itoa(a.port))
}

func (a address) local() bool { return identity.Loopback(a.String()) }

// readAddress reads an address; port is what an address without one means. ok is false after a fault, and where
// nothing is written.
func readAddress(v document.Value, port int) (a address, ok bool) {
	text := v.String("")
	if !v.Written() || v.Faulty() {
		return address{}, false
	}
	if socket, unix := strings.CutPrefix(text, "unix:"); unix {
		if rest, slashes := strings.CutPrefix(socket, "//"); slashes {
			socket = rest
		}
		if !path.IsAbs(socket) || path.Clean(socket) != socket || len(socket) > 107 {
			v.Fault("a unix socket is unix:///ABSOLUTE/PATH of at most 107 bytes")
			return address{}, false
		}
		return address{path: socket}, true
	}
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		host, number = text, strconv.Itoa(port)
		if inner, open := strings.CutPrefix(text, "["); open && strings.HasSuffix(inner, "]") {
			host = strings.TrimSuffix(inner, "]")
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 65535 || !validHost(host) || text == "" {
		v.Fault("an address is unix:///PATH, HOST or HOST:PORT with a port of 1 to 65535, such as worker-1.local:" + strconv.Itoa(port))
		return address{}, false
	}
	return address{host: host, port: n}, true
}

// validHost lets names, IPv4, IPv6 with or without a zone, and the empty host pass.
func validHost(host string) bool {
	for _, r := range host {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(".-_:%", r) {
			return false
		}
	}
	// A colon is an IPv6 address, or a port that was not understood.
	return len(host) <= 253 && (!strings.Contains(host, ":") || net.ParseIP(strings.SplitN(host, "%", 2)[0]) != nil)
}

// isSocket reports whether an address that was read is a unix socket's.
func isSocket(text string) bool { return strings.HasPrefix(text, "unix:") }
