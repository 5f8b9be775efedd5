package systemd

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

func TestGoingDown(t *testing.T) {
	for state, want := range map[string]bool{"running": false, "degraded": false, "starting": false, "stopping": true} {
		got, err := goingDown(t.Context(), serve(t, dbus.MakeVariant(state)))
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", state, got, err)
		}
	}
}

func TestFailures(t *testing.T) {
	if _, err := goingDown(t.Context(), serve(t, dbus.MakeVariant(7))); err == nil || !strings.Contains(err.Error(), "no text") {
		t.Errorf("a state that is a number: %v", err)
	}
	if _, err := goingDown(t.Context(), "unix:path="+filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "system bus") {
		t.Errorf("no bus: %v", err)
	}
}

// serve is a bus that answers one client: Hello, and the one property.
func serve(t *testing.T, state dbus.Variant) (address string) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = converse(conn, state)
			conn.Close()
		}
		done <- err
	}()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "unix:path=" + path
}

func converse(conn net.Conn, state dbus.Variant) error {
	in := bufio.NewReader(conn)
	for { // the handshake is in lines, see the D-Bus specification, "Authentication Protocol"
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		switch words := strings.Fields(strings.TrimLeft(line, "\x00")); words[0] {
		case "AUTH":
			if len(words) == 1 {
				_, err = fmt.Fprint(conn, "REJECTED EXTERNAL\r\n")
			} else {
				_, err = fmt.Fprint(conn, "OK 1234deadbeef\r\n")
			}
		case "NEGOTIATE_UNIX_FD":
			_, err = fmt.Fprint(conn, "AGREE_UNIX_FD\r\n")
		case "BEGIN":
			return answer(conn, in, state)
		}
		if err != nil {
			return err
		}
	}
}

func answer(conn net.Conn, in *bufio.Reader, state dbus.Variant) error {
	for serial := uint32(1); ; serial++ {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			return nil // the client has gone
		}
		reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()), dbus.FieldSender: dbus.MakeVariant(destination),
		}}
		switch method := call.Headers[dbus.FieldMember].Value(); method {
		case "Hello":
			reply.Body = []any{":1.1"}
		case "Get":
			if len(call.Body) != 2 || call.Body[1] != "SystemState" {
				return fmt.Errorf("asked for %v", call.Body)
			}
			reply.Body = []any{state}
		default:
			return fmt.Errorf("called %v", method)
		}
		reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(reply.Body...))
		var frame bytes.Buffer
		if err := reply.EncodeTo(&frame, binary.LittleEndian); err != nil {
			return err
		}
		raw := frame.Bytes()
		binary.LittleEndian.PutUint32(raw[8:], serial) // EncodeTo leaves the serial to the connection
		if _, err := conn.Write(raw); err != nil {
			return err
		}
	}
}
