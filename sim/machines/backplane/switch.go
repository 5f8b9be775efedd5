package backplane

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
)

// Switch is an Ethernet switch. Each of its ports is a socket for one machine at a time, as QEMU's network device
// "stream" speaks it: frames, each after its length in four bytes, the first is the highest.
type Switch struct {
	mu    sync.Mutex
	ports map[string]*port
	known map[[6]byte]*port // where an address was last seen
}

// port is one of a switch's.
type port struct {
	name     string
	listener *net.UnixListener
	out      chan []byte // frames on their way to the machine
	plugged  bool
}

const (
	frameMost  = 64 << 10
	framesKept = 256 // for a machine that takes none; more are lost, as on any Ethernet
)

// NewSwitch listens on a socket for each port, below a folder with a short path; machines may be started at once, and
// are connected when Run runs.
func NewSwitch(dir string, names ...string) (*Switch, error) {
	s := &Switch{ports: map[string]*port{}, known: map[[6]byte]*port{}}
	for _, name := range names {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name+".net"), Net: "unix"})
		if err != nil {
			s.close()
			return nil, fmt.Errorf("port %s: %w", name, err)
		}
		s.ports[name] = &port{name: name, listener: listener, out: make(chan []byte, framesKept), plugged: true}
	}
	return s, nil
}

func (s *Switch) close() {
	for _, p := range s.ports {
		_ = p.listener.Close()
	}
}

// Socket returns the path of the socket of a port.
func (s *Switch) Socket(name string) string { return s.ports[name].listener.Addr().String() }

// Plug puts the cable of a port in, as it is at first, or pulls it out. The machine does not see it but by the silence.
func (s *Switch) Plug(name string, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports[name].plugged = in
}

// Run connects the ports until the context ends, and returns nil then. It must run once, and removes the sockets.
func (s *Switch) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	var serving sync.WaitGroup
	for _, p := range s.ports {
		serving.Go(func() {
			for {
				conn, err := p.listener.Accept()
				if err != nil {
					return
				}
				s.serve(ctx, p, conn)
			}
		})
	}
	serving.Wait()
	return nil
}

// serve moves the frames of one machine until it is gone.
func (s *Switch) serve(ctx context.Context, p *port, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case frame := <-p.out:
				if _, err := conn.Write(frame); err != nil {
					return // reading fails as well
				}
			}
		}
	})
	in := bufio.NewReader(conn)
	for {
		frame, err := readFrame(in)
		if err != nil {
			break
		}
		s.forward(p, frame)
	}
	cancel()
	_ = conn.Close()
	writing.Wait()
}

// readFrame reads a frame, and leaves its length before it.
func readFrame(in io.Reader) ([]byte, error) {
	const head, ethernetHeader = 4, 14
	var length [head]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < ethernetHeader || n > frameMost {
		return nil, errors.New("no frame has this length")
	}
	frame := append(length[:], make([]byte, n)...)
	_, err := io.ReadFull(in, frame[head:])
	return frame, err
}

// forward sends a frame to the port of its address, or to all others if that is not known.
func (s *Switch) forward(from *port, frame []byte) {
	to, source := [6]byte(frame[4:10]), [6]byte(frame[10:16])
	s.mu.Lock()
	defer s.mu.Unlock()
	if !from.plugged {
		return
	}
	s.known[source] = from
	only := s.known[to]
	for _, p := range s.ports {
		if p == from || !p.plugged || only != nil && p != only {
			continue
		}
		select {
		case p.out <- frame:
		default:
		}
	}
}
