package logind

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const logindsName = ":1.7" // logind's unique name on the fake bus

// bus is a system bus with a logind and a systemd on it: one process, one socket, the wire protocol of D-Bus.
type bus struct {
	t       *testing.T
	address string
	calls   chan string   // each call to logind's manager, by its method
	freed   chan struct{} // each delay lock that was let go

	mu        sync.Mutex
	l         net.Listener
	conns     map[*net.UnixConn]bool
	answers   map[string]*dbus.Error // what a method fails with
	can       string
	preparing bool
	scheduled []any    // kind and microseconds
	locks     [][]any  // of ListInhibitors
	jobs      []string // units that systemd starts
	held      []*os.File
	serial    uint32
	wg        sync.WaitGroup
}

func newBus(t *testing.T) *bus {
	b := &bus{t: t, address: "unix:path=" + filepath.Join(t.TempDir(), "bus"), can: "yes",
		calls: make(chan string, 64), freed: make(chan struct{}, 64), answers: map[string]*dbus.Error{},
		scheduled: []any{"", uint64(0)}}
	b.start()
	t.Cleanup(b.end)
	return b
}

func (b *bus) start() {
	l, err := net.Listen("unix", strings.TrimPrefix(b.address, "unix:path="))
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.l, b.conns = l, map[*net.UnixConn]bool{}
	b.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.serve(conn.(*net.UnixConn)) })
		}
	})
}

// stop is a bus that goes away with all its connections.
func (b *bus) stop() {
	b.mu.Lock()
	b.l.Close()
	for conn := range b.conns {
		conn.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

// end also forgets the locks: one that a client was sent too late to take is let go by nobody.
func (b *bus) end() {
	b.set(func() {
		for _, held := range b.held {
			held.Close()
		}
	})
	b.stop()
}

// set changes the fake under its lock.
func (b *bus) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// serve lets one client in, as in the specification's authentication protocol, and answers its calls.
func (b *bus) serve(conn *net.UnixConn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	in.ReadByte()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch line = strings.TrimSpace(line); {
		case line == "AUTH":
			io.WriteString(conn, "REJECTED EXTERNAL\r\n")
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			io.WriteString(conn, "OK 0123456789abcdef0123456789abcdef\r\n")
		case line == "NEGOTIATE_UNIX_FD":
			io.WriteString(conn, "AGREE_UNIX_FD\r\n")
		}
		if line == "BEGIN" {
			break
		}
	}
	b.set(func() { b.conns[conn] = true })
	defer b.set(func() { delete(b.conns, conn) })
	for {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		b.answer(conn, call)
	}
}

func (b *bus) answer(conn *net.UnixConn, call *dbus.Message) {
	member, _ := call.Headers[dbus.FieldMember].Value().(string)
	face, _ := call.Headers[dbus.FieldInterface].Value().(string)
	b.mu.Lock()
	defer b.mu.Unlock()
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()), dbus.FieldSender: dbus.MakeVariant(logindsName)}}
	if failure := b.answers[member]; failure != nil {
		reply.Type, reply.Body = dbus.TypeError, failure.Body
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(failure.Name)
	} else {
		reply.Body = b.body(member, call.Body)
	}
	b.write(conn, reply)
	for _, v := range reply.Body {
		if fd, ok := v.(dbus.UnixFD); ok {
			syscall.Close(int(fd)) // it has a copy
		}
	}
	if face == service+".Manager" {
		b.calls <- member
	}
}

// body is what a method answers with.
func (b *bus) body(member string, arguments []any) []any {
	switch member {
	case "Hello":
		return []any{":1.42"}
	case "GetNameOwner":
		return []any{logindsName}
	case "CanPowerOff":
		return []any{b.can}
	case "Inhibit":
		return []any{dbus.UnixFD(b.lock())}
	case "ListInhibitors":
		return []any{toStructs[inhibitor](b.locks, func(l []any) inhibitor {
			return inhibitor{l[0].(string), l[1].(string), l[2].(string), l[3].(string), 0, 812}
		})}
	case "ListJobs":
		return []any{toStructs[job](b.jobs, func(unit string) job { return job{7, unit, "start", "waiting", "/job/7", "/unit"} })}
	case "Get":
		return []any{dbus.MakeVariant(map[string]any{
			"InhibitDelayMaxUSec":  uint64(5e6),
			"PreparingForShutdown": b.preparing,
			"ScheduledShutdown":    plan{b.scheduled[0].(string), b.scheduled[1].(uint64)},
		}[arguments[1].(string)])}
	}
	return nil
}

type (
	inhibitor struct {
		What, Who, Why, Mode string
		UID, PID             uint32
	}
	job struct {
		ID                uint32
		Unit, Type, State string
		Job, Object       dbus.ObjectPath
	}
	plan struct {
		Kind         string
		Microseconds uint64
	}
)

func toStructs[T, From any](all []From, convert func(From) T) []T {
	list := make([]T, 0, len(all))
	for _, one := range all {
		list = append(list, convert(one))
	}
	return list
}

// lock makes a delay lock: a pipe whose other end shows when it is let go.
func (b *bus) lock() int {
	held, end, err := os.Pipe()
	if err != nil {
		b.t.Error(err)
	}
	b.held = append(b.held, held)
	b.wg.Go(func() {
		held.Read(make([]byte, 1))
		b.freed <- struct{}{}
	})
	fd, err := syscall.Dup(int(end.Fd()))
	if err != nil {
		b.t.Error(err)
	}
	end.Close()
	return fd
}

// signal sends a signal of logind's manager to every client, from whoever is named.
func (b *bus) signal(from, name string, values ...any) {
	face, member := name[:strings.LastIndexByte(name, '.')], name[strings.LastIndexByte(name, '.')+1:]
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		b.write(conn, &dbus.Message{Type: dbus.TypeSignal, Body: values, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(path)), dbus.FieldInterface: dbus.MakeVariant(face),
			dbus.FieldMember: dbus.MakeVariant(member), dbus.FieldSender: dbus.MakeVariant(from)}})
	}
}

// write sends one message. The number that tells messages apart is put where the header has it.
func (b *bus) write(conn *net.UnixConn, m *dbus.Message) {
	if len(m.Body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(m.Body...))
	}
	files := 0
	for _, v := range m.Body {
		if _, ok := v.(dbus.UnixFD); ok {
			files++
		}
	}
	if files > 0 {
		m.Headers[dbus.FieldUnixFDs] = dbus.MakeVariant(uint32(files))
	}
	var text bytes.Buffer
	fds, err := m.EncodeToWithFDs(&text, binary.LittleEndian)
	if err != nil {
		b.t.Error(err)
		return
	}
	b.serial++
	binary.LittleEndian.PutUint32(text.Bytes()[8:], b.serial)
	var beside []byte
	if len(fds) > 0 {
		beside = syscall.UnixRights(fds...)
	}
	conn.WriteMsgUnix(text.Bytes(), beside, nil) // a client that has gone away misses nothing
}

// called waits until logind has been called.
func (b *bus) called(method string) {
	b.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case got := <-b.calls:
			if got == method {
				return
			}
		case <-deadline:
			b.t.Fatalf("nobody called %s", method)
		}
	}
}
