package backplane

import (
	"encoding/binary"
	"net"
)

// What follows is of the virtio specification 1.2, section 5.18, as include/uapi/linux/virtio_gpio.h has it.
const (
	askNames       = 1
	askDirection   = 2
	tellDirection  = 3
	askValue       = 4
	tellValue      = 5
	tellInterrupt  = 6
	statusOK       = 0
	statusError    = 1
	directionNone  = 0
	directionOut   = 1
	directionIn    = 2
	onRising       = 1
	onFalling      = 2
	eventDisabled  = 0 // the buffer comes back because the interrupt was switched off
	eventInterrupt = 1
	requestSize    = 8
	requestRing    = 0
	eventRing      = 1
	ringCount      = 2
)

// board is a board's chip, and the machine that has it. All of it but the listener belongs to the backplane's lock.
type board struct {
	name      string
	backplane *Backplane
	listener  *net.UnixListener
	lines     []line
	memory    memory
	rings     [ringCount]ring
}

// line is the state of one line.
type line struct {
	direction byte
	output    bool // what it drives while it is an output
	interrupt byte // onRising and onFalling
	pending   bool // an edge that the guest has not been told
	waiting   bool // the guest gave a buffer for the next interrupt
	buffer    chain
}

func newBoard(b *Backplane, config Board) *board {
	return &board{name: config.Name, backplane: b, lines: make([]line, config.Lines)}
}

// space is the chip as the guest's driver finds it described.
func (d *board) space() []byte {
	s := binary.LittleEndian.AppendUint16(nil, uint16(len(d.lines)))
	s = append(s, 0, 0)
	return binary.LittleEndian.AppendUint32(s, uint32(len(d.names())))
}

// names are the lines' names, each with a zero at its end: those of their wires.
func (d *board) names() []byte {
	var names []byte
	for i := range d.lines {
		if w := d.backplane.at(Pin{d.name, i}); w != nil {
			names = append(names, w.Name...)
		}
		names = append(names, 0)
	}
	return names
}

// release forgets everything that a machine has set.
func (d *board) release(why string) {
	for i := range d.lines {
		d.lines[i] = line{}
		d.settle(i, why)
	}
}

func (d *board) settle(number int, why string) {
	if w := d.backplane.at(Pin{d.name, number}); w != nil {
		d.backplane.settle(w, why)
	}
}

// high is what a line reads.
func (d *board) high(number int) bool {
	if w := d.backplane.at(Pin{d.name, number}); w != nil {
		return w.high
	}
	return d.lines[number].direction == directionOut && d.lines[number].output
}

// answer does what a request asks and writes the response, of which it returns the length.
func (d *board) answer(request, response []byte) int {
	clear(response)
	if len(request) < requestSize || len(response) < 2 {
		return 0
	}
	what := binary.LittleEndian.Uint16(request)
	number := int(binary.LittleEndian.Uint16(request[2:]))
	value := binary.LittleEndian.Uint32(request[4:])
	response[0] = statusOK
	if what == askNames {
		copy(response[1:], d.names())
		return len(response)
	}
	if number >= len(d.lines) || !d.change(what, number, value, response) {
		response[0] = statusError
	}
	return len(response)
}

// change does a request for one line; false where that cannot be done.
func (d *board) change(what uint16, number int, value uint32, response []byte) bool {
	at := &d.lines[number]
	switch what {
	case askDirection:
		response[1] = at.direction
	case tellDirection:
		if value > directionIn {
			return false
		}
		at.direction = byte(value)
		if value == directionOut {
			d.settle(number, d.name+" drives")
		} else {
			d.settle(number, d.name+" lets go")
		}
	case askValue:
		if d.high(number) {
			response[1] = 1
		}
	case tellValue:
		if value > 1 {
			return false
		}
		at.output = value == 1
		d.settle(number, d.name+" drives")
	case tellInterrupt:
		// Levels raise no interrupt here: no user of a line can ask for that.
		if value > onRising|onFalling {
			return false
		}
		at.interrupt, at.pending = byte(value), false
		if value == 0 && at.waiting {
			d.finish(number, eventDisabled)
		}
	default:
		return false
	}
	return true
}

// expect takes a buffer with which the guest waits for a line's next interrupt.
func (d *board) expect(c chain) {
	number := int(binary.LittleEndian.Uint16(c.request))
	if number >= len(d.lines) || d.lines[number].waiting {
		return
	}
	at := &d.lines[number]
	at.waiting, at.buffer = true, c
	switch {
	case at.interrupt == 0:
		d.finish(number, eventDisabled)
	case at.pending:
		d.finish(number, eventInterrupt)
	}
}

// edge tells the guest of an edge, if it wants to know.
func (d *board) edge(number int, high bool) {
	at := &d.lines[number]
	if high && at.interrupt&onRising == 0 || !high && at.interrupt&onFalling == 0 {
		return
	}
	at.pending = true
	if at.waiting {
		d.finish(number, eventInterrupt)
	}
}

// finish gives a waiting buffer back.
func (d *board) finish(number int, status byte) {
	at := &d.lines[number]
	at.waiting, at.pending = false, false
	if len(at.buffer.response) == 0 {
		return
	}
	at.buffer.response[0] = status
	d.rings[eventRing].push(at.buffer, 1)
}

// forget drops the buffers that wait for interrupts: the guest's driver has begun anew.
func (d *board) forget() {
	for i := range d.lines {
		d.lines[i].waiting = false
	}
}

// process does all that the guest has put into a ring.
func (d *board) process(number int) error {
	r := &d.rings[number]
	for r.running() {
		c, more, err := r.pop(d.memory)
		if err != nil || !more {
			return err
		}
		if number == eventRing {
			if len(c.request) >= 2 {
				d.expect(c)
			}
			continue
		}
		r.push(c, d.answer(c.request, c.response))
	}
	return nil
}
