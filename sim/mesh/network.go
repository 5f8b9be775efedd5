package mesh

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"google.golang.org/grpc/test/bufconn"
)

// CoordinatorSocket is the name under which the coordinator listens.
const CoordinatorSocket = "coordinator"

// Network is what carries the streams of a mesh. Its methods are safe for concurrent use.
type Network interface {
	// Address returns where a name listens.
	Address(name string) string
	// Listen listens under a name; after the listener was closed it may be listened on again.
	Listen(name string) (net.Listener, error)
	// Dial connects to an address, or says who is not there.
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// Sockets is a Network of unix sockets, named <name>.sock, in a folder that is there.
type Sockets string

// Address returns the socket as gRPC and bramblectl take it.
func (s Sockets) Address(name string) string { return "unix://" + s.path(name) }

func (s Sockets) path(name string) string { return filepath.Join(string(s), name+".sock") }

// Listen makes the socket, for the owner and group alone, in place of one that nobody answers any more.
func (s Sockets) Listen(name string) (net.Listener, error) {
	path := s.path(name)
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: another simulator answers there; stop it or pick another --socket-dir", path)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Dial connects to one of the sockets.
func (s Sockets) Dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", strings.TrimPrefix(address, "unix://"))
}

// Memory is a Network inside the process, for synctest bubbles.
type Memory struct {
	mu        sync.Mutex
	listeners map[string]*bufconn.Listener
}

// Address returns a name that only this network knows. It looks like a socket, for which nobody asks a certificate.
func (m *Memory) Address(name string) string { return "unix:///memory/" + name }

// Listen listens under a name.
func (m *Memory) Listen(name string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners == nil {
		m.listeners = map[string]*bufconn.Listener{}
	}
	l := bufconn.Listen(1 << 16)
	m.listeners[m.Address(name)] = l
	return l, nil
}

// Dial connects to a name that is listening.
func (m *Memory) Dial(ctx context.Context, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[address]
	m.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: nobody listens", address)
	}
	return l.DialContext(ctx)
}

// gate stands in every connection of an agent. While it is shut nothing passes, in either direction, and nothing fails:
// so a frozen process or a pulled cable looks from the other end.
type gate struct {
	mu   sync.Mutex
	pass chan struct{} // closed while the gate is open
}

func newGate() *gate {
	g := &gate{pass: make(chan struct{})}
	close(g.pass)
	return g
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.pass:
		if !open {
			g.pass = make(chan struct{})
		}
	default:
		if open {
			close(g.pass)
		}
	}
}

func (g *gate) passage() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pass
}

// gatedListener puts a gate into every connection it accepts.
type gatedListener struct {
	net.Listener
	gate *gate
}

func (l gatedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gatedConn{Conn: conn, gate: l.gate, closed: make(chan struct{})}, nil
}

type gatedConn struct {
	net.Conn
	gate   *gate
	once   sync.Once
	closed chan struct{}
}

func (c *gatedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		return n, err
	}
	return n, c.wait()
}

func (c *gatedConn) Write(b []byte) (int, error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *gatedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *gatedConn) wait() error {
	select {
	case <-c.gate.passage():
		return nil
	case <-c.closed:
		return net.ErrClosed
	}
}
