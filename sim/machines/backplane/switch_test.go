package backplane

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// cable is a machine's end of a port.
type cable struct {
	t    *testing.T
	conn net.Conn
}

func (c cable) send(to, from byte, text string) {
	c.t.Helper()
	frame := append([]byte{to, 0, 0, 0, 0, to, from, 0, 0, 0, 0, from, 8, 0}, text...)
	if _, err := c.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
		c.t.Fatal(err)
	}
}

// hears wants the next frame to carry a text.
func (c cable) hears(text string) {
	c.t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.conn, head); err != nil {
		c.t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(c.conn, frame); err != nil {
		c.t.Fatal(err)
	}
	if got := string(frame[14:]); got != text {
		c.t.Errorf("got %q, want %q", got, text)
	}
}

func TestSwitch(t *testing.T) {
	s, err := NewSwitch(t.TempDir(), "a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	plug := func(name string) cable {
		conn, err := net.Dial("unix", s.Socket(name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return cable{t, conn}
	}
	a, b, c := plug("a"), plug("b"), plug("c")
	const everybody = 0xff
	a.send(everybody, 1, "hello")
	b.hears("hello")
	c.hears("hello")
	b.send(1, 2, "for a alone")
	a.hears("for a alone")
	s.Plug("a", false)
	a.send(2, 1, "nobody hears this")
	// What a sent is behind it when a's own next frame arrives.
	b.send(1, 2, "nor a this")
	b.send(3, 2, "not known yet, so to all")
	c.hears("not known yet, so to all")
	a.send(2, 1, "nor this")
	c.send(2, 3, "for b alone")
	b.hears("for b alone")
	// The next machine on a port takes it over.
	_ = b.conn.Close()
	b = plug("b")
	b.send(3, 2, "back")
	c.hears("back")
	c.send(everybody, 3, "still here")
	b.hears("still here")
}
