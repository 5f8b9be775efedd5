package backplane

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// What follows is of QEMU's docs/interop/vhost-user.rst.
const (
	getFeatures         = 1
	setMemTable         = 5
	setVringNum         = 8
	setVringAddr        = 9
	setVringBase        = 10
	getVringBase        = 11
	setVringKick        = 12
	setVringCall        = 13
	getProtocolFeatures = 15
	getQueueNum         = 17
	setVringEnable      = 18
	getConfig           = 24

	headerSize = 12
	version    = 1
	isReply    = 1 << 2
	wantsReply = 1 << 3
	noFile     = 1 << 8 // of the word in setVringKick and setVringCall

	// A guest of virtio 1.0, the interrupts of section 5.18.3, and the vhost-user protocol's own features.
	features         = 1<<32 | 1<<30 | 1<<0
	protocolFeatures = 1<<9 | 1<<3 | 1<<0 // the chip's description, replies, and the number of queues
)

var errShort = errors.New("a message that is too short")

// serve talks to one machine after the other.
func (d *board) serve(ctx context.Context) {
	for {
		conn, err := d.listener.AcceptUnix()
		if err != nil {
			if ctx.Err() == nil {
				d.backplane.log("backplane: board %s: accept: %v", d.name, err)
			}
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		s := &session{board: d, conn: conn}
		if err := s.run(); err != nil && ctx.Err() == nil {
			d.backplane.log("backplane: board %s: its machine broke the protocol: %v", d.name, err)
		}
		stop()
		_ = conn.Close()
	}
}

// session is the conversation with one machine.
type session struct {
	board   *board
	conn    *net.UnixConn
	kicked  sync.WaitGroup
	kickErr error // of a ring, under the backplane's lock; the connection is closed then
}

// message is one of the machine's.
type message struct {
	request, flags uint32
	payload        []byte
	files          []*os.File // whoever keeps one takes it out
}

func (s *session) run() error {
	d := s.board
	lock := &d.backplane.mu
	lock.Lock()
	d.release(d.name + " starts")
	lock.Unlock()
	err := s.talk()
	lock.Lock()
	for i := range d.rings {
		d.rings[i].close()
	}
	d.forget()
	err = errors.Join(err, d.memory.unmap(), s.kickErr)
	d.memory = nil
	lock.Unlock()
	s.kicked.Wait()
	return err
}

// talk answers until the machine is gone.
func (s *session) talk() error {
	for {
		m, err := s.receive()
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.ECONNRESET) {
			return nil // a machine that was killed says no more
		}
		if err != nil {
			return err
		}
		s.board.backplane.mu.Lock()
		reply, err := s.handle(&m)
		s.board.backplane.mu.Unlock()
		for _, file := range m.files {
			_ = file.Close()
		}
		if err != nil {
			return fmt.Errorf("request %d: %w", m.request, err)
		}
		if reply == nil && m.flags&wantsReply != 0 {
			reply = make([]byte, 8)
		}
		if reply != nil {
			if _, err := s.conn.Write(m.header(reply)); err != nil {
				return nil
			}
		}
	}
}

func (m *message) header(reply []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, m.request)
	out = binary.LittleEndian.AppendUint32(out, version|isReply)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(reply)))
	return append(out, reply...)
}

// receive reads a message and the files that came with it.
func (s *session) receive() (message, error) {
	header, beside := make([]byte, headerSize), make([]byte, unix.CmsgSpace(8*4))
	n, beyond, _, _, err := s.conn.ReadMsgUnix(header, beside)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return message{}, err
	}
	var m message
	if m.files, err = filesIn(beside[:beyond]); err != nil {
		return m, err
	}
	if _, err := io.ReadFull(s.conn, header[n:]); err != nil {
		return m, err
	}
	m.request, m.flags = binary.LittleEndian.Uint32(header), binary.LittleEndian.Uint32(header[4:])
	length := binary.LittleEndian.Uint32(header[8:])
	if length > 4096 {
		return m, fmt.Errorf("request %d with %d bytes", m.request, length)
	}
	m.payload = make([]byte, length)
	_, err = io.ReadFull(s.conn, m.payload)
	return m, err
}

// filesIn takes the descriptors out of what came beside a message.
func filesIn(beside []byte) ([]*os.File, error) {
	controls, err := unix.ParseSocketControlMessage(beside)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, control := range controls {
		numbers, err := unix.ParseUnixRights(&control)
		if err != nil {
			return files, err
		}
		for _, number := range numbers {
			// QEMU's own events do not block either, and the flag is shared with it.
			if err := unix.SetNonblock(number, true); err != nil {
				return files, err
			}
			files = append(files, os.NewFile(uintptr(number), "vhost-user"))
		}
	}
	return files, nil
}

// handle does what a message says; a reply of nil is none, or an acknowledgement.
func (s *session) handle(m *message) (reply []byte, err error) {
	d := s.board
	switch m.request {
	case getFeatures:
		return binary.LittleEndian.AppendUint64(nil, features), nil
	case getProtocolFeatures:
		return binary.LittleEndian.AppendUint64(nil, protocolFeatures), nil
	case getQueueNum:
		return binary.LittleEndian.AppendUint64(nil, ringCount), nil
	case getConfig:
		return d.config(m.payload)
	case setMemTable:
		// The rings may still be in the memory as it was told before, which is the same memory.
		next, err := mapMemory(m.payload, m.files)
		d.memory = append(next, d.memory...)
		return nil, err
	case setVringNum, setVringAddr, setVringBase, getVringBase, setVringKick, setVringCall, setVringEnable:
		return s.ring(m)
	}
	return nil, nil // what else there is, changes nothing here
}

// config answers with a part of the chip's description: offset, size and flags, and then that many bytes.
func (d *board) config(payload []byte) ([]byte, error) {
	const head = 12
	if len(payload) < head {
		return nil, errShort
	}
	offset, size := binary.LittleEndian.Uint32(payload), binary.LittleEndian.Uint32(payload[4:])
	space := d.space()
	if offset > uint32(len(space)) || size > uint32(len(space))-offset {
		return nil, fmt.Errorf("%d bytes at %d of a description of %d", size, offset, len(space))
	}
	return append(payload[:head:head], space[offset:offset+size]...), nil
}

// ring does what a message says about one of the rings.
func (s *session) ring(m *message) ([]byte, error) {
	if len(m.payload) < 8 {
		return nil, errShort
	}
	d := s.board
	first, second := binary.LittleEndian.Uint32(m.payload), binary.LittleEndian.Uint32(m.payload[4:])
	flags := first
	if m.request == setVringKick || m.request == setVringCall {
		first &= 0xff
	}
	if first >= ringCount {
		return nil, fmt.Errorf("ring %d", first)
	}
	r := &d.rings[first]
	switch m.request {
	case setVringNum:
		r.size = second
	case setVringAddr:
		if len(m.payload) < 40 {
			return nil, errShort
		}
		at := func(i int) uint64 { return binary.LittleEndian.Uint64(m.payload[i:]) }
		return nil, r.place(d.memory, at(8), at(16), at(24))
	case setVringBase:
		if first == eventRing && r.next != uint16(second) {
			d.forget()
		}
		r.next = uint16(second)
	case getVringBase:
		r.stop()
		return binary.LittleEndian.AppendUint32(m.payload[:4:4], uint32(r.next)), nil
	case setVringEnable:
		r.enabled = second != 0
		return nil, d.process(int(first))
	case setVringKick, setVringCall:
		return nil, s.events(m, int(first), flags&noFile == 0)
	}
	return nil, nil
}

// events takes the file with which the guest says that there is something in a ring, or the one with which we do.
func (s *session) events(m *message, number int, file bool) error {
	r := &s.board.rings[number]
	to := &r.kick
	if m.request == setVringCall {
		to = &r.call
	}
	if *to != nil {
		_ = (*to).Close()
		*to = nil
	}
	if !file && m.request == setVringCall {
		return nil // the guest looks by itself
	}
	if !file || len(m.files) != 1 {
		return errors.New("a ring without events")
	}
	taken := m.files[0]
	*to, m.files = taken, nil
	if m.request == setVringCall {
		return nil
	}
	s.kicked.Go(func() { s.follow(number, taken) })
	return s.board.process(number)
}

// follow works whenever the guest says that there is something in a ring, until its kick is closed.
func (s *session) follow(number int, kick *os.File) {
	count := make([]byte, 8)
	for {
		if _, err := kick.Read(count); err != nil {
			return
		}
		s.board.backplane.mu.Lock()
		if s.board.rings[number].kick == kick {
			if err := s.board.process(number); err != nil && s.kickErr == nil {
				s.kickErr = err
				_ = s.conn.Close()
			}
		}
		s.board.backplane.mu.Unlock()
	}
}
