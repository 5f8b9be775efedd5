// Package doorway bounds how many connections a server holds open at once, over all of its listeners. Each costs memory
// whether it says anything or not, so one too many is closed as soon as it is accepted.
package doorway

import (
	"net"
	"sync"
	"time"
)

// pause is the least time between two calls of Full.
const pause = time.Minute

// Doorway counts open connections. Make one with New. It is safe for concurrent use.
type Doorway struct {
	room chan struct{}
	full func(address net.Addr)

	mu   sync.Mutex
	told time.Time
}

// New makes a doorway for at most so many connections. full is called, at most once a minute, when one more is turned
// away at the listener of the given address; nil is silent. It must not block.
func New(most int, full func(address net.Addr)) *Doorway {
	return &Doorway{room: make(chan struct{}, most), full: full}
}

// Listener is l, whose connections count from Accept to their first Close.
func (d *Doorway) Listener(l net.Listener) net.Listener { return &listener{Listener: l, doorway: d} }

type listener struct {
	net.Listener
	doorway *Doorway
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.doorway.room <- struct{}{}:
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { <-l.doorway.room })}, nil
		default:
			conn.Close()
			l.doorway.tell(l.Addr())
		}
	}
}

func (d *Doorway) tell(address net.Addr) {
	d.mu.Lock()
	now := time.Now()
	due := d.full != nil && (d.told.IsZero() || now.Sub(d.told) >= pause)
	if due {
		d.told = now
	}
	d.mu.Unlock()
	if due {
		d.full(address)
	}
}

// guest is a connection that counts.
type guest struct {
	net.Conn
	leave func()
}

// Close ends the connection and gives its place to another.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
