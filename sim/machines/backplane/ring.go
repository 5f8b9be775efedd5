package backplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is the guest's memory, as far as it is shared.
type memory []region

// region is a piece of it, which has an address in the guest and one in QEMU.
type region struct {
	guest, user uint64
	bytes       []byte
	mapping     []byte // what was mapped; bytes begin somewhere in it
}

var errAddress = errors.New("an address outside the guest's memory")

// at returns length bytes at an address; of is which of a region's addresses is meant.
func (m memory) at(address, length uint64, of func(region) uint64) ([]byte, error) {
	for _, r := range m {
		if from := address - of(r); address >= of(r) && from < uint64(len(r.bytes)) && length <= uint64(len(r.bytes))-from {
			return r.bytes[from : from+length : from+length], nil
		}
	}
	return nil, fmt.Errorf("%w: %d bytes at %#x", errAddress, length, address)
}

func inGuest(r region) uint64 { return r.guest }
func inQEMU(r region) uint64  { return r.user }

// mapMemory maps the regions that a message describes, each in the file beside it.
func mapMemory(payload []byte, files []*os.File) (memory, error) {
	const head, each = 8, 32
	if len(payload) < head {
		return nil, errShort
	}
	count := int(binary.LittleEndian.Uint32(payload))
	if count != len(files) || len(payload) < head+each*count {
		return nil, fmt.Errorf("%d regions of memory in %d files", count, len(files))
	}
	var m memory
	for i, file := range files {
		at := payload[head+each*i:]
		size, offset := binary.LittleEndian.Uint64(at[8:]), binary.LittleEndian.Uint64(at[24:])
		raw, err := file.SyscallConn()
		if err != nil {
			return nil, errors.Join(err, m.unmap())
		}
		var mapping []byte
		failed := raw.Control(func(fd uintptr) {
			mapping, err = unix.Mmap(int(fd), 0, int(offset+size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		})
		if err := errors.Join(failed, err); err != nil {
			return nil, errors.Join(fmt.Errorf("map the guest's memory: %w", err), m.unmap())
		}
		m = append(m, region{
			guest:   binary.LittleEndian.Uint64(at),
			user:    binary.LittleEndian.Uint64(at[16:]),
			bytes:   mapping[offset:],
			mapping: mapping,
		})
	}
	return m, nil
}

func (m memory) unmap() error {
	var faults []error
	for _, r := range m {
		faults = append(faults, unix.Munmap(r.mapping))
	}
	return errors.Join(faults...)
}

// What follows is of the virtio specification 1.2, section 2.7: split virtqueues.
const (
	hasNext     = 1
	forDevice   = 2 // the device writes to it
	noInterrupt = 1
)

// ring is a queue of requests in the guest's memory.
type ring struct {
	size              uint32 // a power of two
	desc, avail, used []byte // nil until the guest's driver has said where they are
	next              uint16 // of avail
	enabled           bool
	kick              *os.File // readable when there is something new; nil while the ring is stopped
	call              *os.File // interrupts the guest; nil for one that looks by itself
}

func (r *ring) running() bool { return r.enabled && r.kick != nil && r.used != nil }

// place finds the ring in the guest's memory.
func (r *ring) place(m memory, desc, used, avail uint64) error {
	if r.size == 0 || r.size > 1<<15 || r.size&(r.size-1) != 0 || desc%16 != 0 || used%4 != 0 || avail%4 != 0 {
		return fmt.Errorf("a ring of %d at %#x, %#x and %#x", r.size, desc, used, avail)
	}
	var faults [3]error
	r.desc, faults[0] = m.at(desc, uint64(16*r.size), inQEMU)
	r.used, faults[1] = m.at(used, uint64(4+8*r.size), inQEMU)
	r.avail, faults[2] = m.at(avail, uint64(4+2*r.size), inQEMU)
	return errors.Join(faults[:]...)
}

// chain is a request and where its response goes.
type chain struct {
	head              uint16
	request, response []byte
}

// word is the first word of a ring's part, flags and index, which the other side changes at any time.
func word(part []byte) *uint32 { return (*uint32)(unsafe.Pointer(&part[0])) }

// pop takes the next request; false if there is none.
func (r *ring) pop(m memory) (c chain, more bool, err error) {
	if uint16(atomic.LoadUint32(word(r.avail))>>16) == r.next {
		return chain{}, false, nil
	}
	slot := uint32(r.next) & (r.size - 1)
	c.head = binary.LittleEndian.Uint16(r.avail[4+2*slot:])
	r.next++
	at := c.head
	for range r.size {
		if uint32(at) >= r.size {
			return chain{}, false, fmt.Errorf("descriptor %d of %d", at, r.size)
		}
		d := r.desc[16*int(at):]
		piece, err := m.at(binary.LittleEndian.Uint64(d), uint64(binary.LittleEndian.Uint32(d[8:])), inGuest)
		if err != nil {
			return chain{}, false, err
		}
		flags := binary.LittleEndian.Uint16(d[12:])
		if flags&forDevice != 0 {
			c.response = piece
		} else {
			c.request = append(c.request, piece...)
		}
		if flags&hasNext == 0 {
			return c, true, nil
		}
		at = binary.LittleEndian.Uint16(d[14:])
	}
	return chain{}, false, errors.New("a chain of descriptors without an end")
}

// push gives a request back, with the bytes of the response that were written.
func (r *ring) push(c chain, written int) {
	if r.used == nil {
		return
	}
	index := uint16(atomic.LoadUint32(word(r.used)) >> 16)
	slot := r.used[4+8*(uint32(index)&(r.size-1)):]
	binary.LittleEndian.PutUint32(slot, uint32(c.head))
	binary.LittleEndian.PutUint32(slot[4:], uint32(written))
	atomic.StoreUint32(word(r.used), uint32(index+1)<<16)
	if r.call == nil || atomic.LoadUint32(word(r.avail))&noInterrupt != 0 {
		return
	}
	// It counts; a full counter has told the guest already.
	_, _ = r.call.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// stop ends the use of a ring, until it gets another kick.
func (r *ring) stop() {
	if r.kick != nil {
		_ = r.kick.Close() // whoever waits for it ends
		r.kick = nil
	}
}

// close forgets a ring: its machine is gone.
func (r *ring) close() {
	r.stop()
	if r.call != nil {
		_ = r.call.Close()
	}
	*r = ring{}
}
