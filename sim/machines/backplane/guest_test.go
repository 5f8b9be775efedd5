package backplane

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guest is a machine as QEMU presents one to the backplane: memory with two rings, and the messages that say where they are.
type guest struct {
	t      *testing.T
	board  *board
	conn   *net.UnixConn
	memory []byte
	file   *os.File
	queues [ringCount]queue
}

// queue is the guest's side of a ring.
type queue struct {
	at         int // in the memory: descriptors, the ring that is available, and the one that is used
	kick, call *os.File
	sent, seen uint16
}

const (
	ringSize    = 16
	guestBase   = 0x1000_0000 // of the memory, as the guest sees it
	qemuBase    = 0x7f00_0000_0000
	availOffset = 16 * ringSize
	usedOffset  = availOffset + 4 + 2*ringSize + 28 // begins where 4 divides
	buffers     = 0x2000
	pageOffset  = 4096 // of the memory in its file
	memorySize  = 64 << 10
)

// newGuest connects a machine and starts its driver.
func newGuest(t *testing.T, b *Backplane, board string) *guest {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: b.Socket(board)})
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("guest", 0)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{t: t, board: b.boards[board], conn: conn, file: os.NewFile(uintptr(fd), "guest")}
	if err := g.file.Truncate(pageOffset + memorySize); err != nil {
		t.Fatal(err)
	}
	if g.memory, err = unix.Mmap(fd, pageOffset, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.die)
	if got := binary.LittleEndian.Uint64(g.ask(getFeatures, nil)); got&1 == 0 || got>>32&1 == 0 {
		t.Errorf("features %#x", got)
	}
	table := words(1, 0)
	for _, each := range []uint64{guestBase, memorySize, qemuBase, pageOffset} {
		table = binary.LittleEndian.AppendUint64(table, each)
	}
	g.tell(setMemTable, table, g.file)
	g.start()
	return g
}

// start sets both rings up from their beginning, as a driver does that was just loaded.
func (g *guest) start() {
	clear(g.memory)
	for i := range g.queues {
		q := &g.queues[i]
		*q = queue{at: 0x1000 * i, kick: g.event(), call: g.event()}
		number := uint32(i)
		g.tell(setVringNum, words(number, ringSize))
		g.tell(setVringBase, words(number, 0))
		addresses := words(number, 0)
		for _, at := range []int{q.at, q.at + usedOffset, q.at + availOffset, 0} {
			addresses = binary.LittleEndian.AppendUint64(addresses, uint64(qemuBase+at))
		}
		g.tell(setVringAddr, addresses)
		g.tell(setVringCall, words(number, 0), q.call)
		g.tell(setVringKick, words(number, 0), q.kick)
		g.tell(setVringEnable, words(number, 1))
	}
}

func (g *guest) event() *os.File {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
	if err != nil {
		g.t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "event")
	g.t.Cleanup(func() { _ = file.Close() })
	return file
}

func words(values ...uint32) (out []byte) {
	for _, value := range values {
		out = binary.LittleEndian.AppendUint32(out, value)
	}
	return out
}

// die ends the machine as a SIGKILL does.
func (g *guest) die() { _ = g.conn.Close() }

// tell sends a message and wants it acknowledged.
func (g *guest) tell(request uint32, payload []byte, files ...*os.File) {
	g.t.Helper()
	if reply := g.send(request, version|wantsReply, payload, files...); binary.LittleEndian.Uint64(reply) != 0 {
		g.t.Fatalf("request %d is refused", request)
	}
}

func (g *guest) ask(request uint32, payload []byte) []byte {
	g.t.Helper()
	return g.send(request, version, payload)
}

func (g *guest) send(request, flags uint32, payload []byte, files ...*os.File) []byte {
	g.t.Helper()
	var fds []int
	for _, file := range files {
		raw, err := file.SyscallConn()
		if err != nil {
			g.t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
	}
	message := append(words(request, flags, uint32(len(payload))), payload...)
	if _, _, err := g.conn.WriteMsgUnix(message, unix.UnixRights(fds...), nil); err != nil {
		g.t.Fatal(err)
	}
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(g.conn, header); err != nil {
		g.t.Fatalf("request %d: %v", request, err)
	}
	reply := make([]byte, binary.LittleEndian.Uint32(header[8:]))
	if _, err := io.ReadFull(g.conn, reply); err != nil {
		g.t.Fatal(err)
	}
	return reply
}

// put puts a request of two descriptors into a ring; slot says which of its places they take.
func (g *guest) put(ring, slot int, request []byte, response int) {
	g.t.Helper()
	q := &g.queues[ring]
	where := buffers + ring*0x4000 + slot*0x100
	copy(g.memory[where:], request)
	clear(g.memory[where+0x80 : where+0x80+response])
	g.descriptor(q, 2*slot, guestBase+where, len(request), hasNext, 2*slot+1)
	g.descriptor(q, 2*slot+1, guestBase+where+0x80, response, forDevice, 0)
	g.offer(q, 2*slot)
}

// offer puts a chain of descriptors into a ring.
func (g *guest) offer(q *queue, head int) {
	g.t.Helper()
	binary.LittleEndian.PutUint16(g.memory[q.at+availOffset+4+2*int(q.sent%ringSize):], uint16(head))
	q.sent++
	binary.LittleEndian.PutUint16(g.memory[q.at+availOffset+2:], q.sent)
	if _, err := q.kick.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) descriptor(q *queue, number, address, length int, flags, next int) {
	d := g.memory[q.at+16*number:]
	binary.LittleEndian.PutUint64(d, uint64(address))
	binary.LittleEndian.PutUint32(d[8:], uint32(length))
	binary.LittleEndian.PutUint16(d[12:], uint16(flags))
	binary.LittleEndian.PutUint16(d[14:], uint16(next))
}

// take waits until something comes back from a ring, and returns its slot and the response.
func (g *guest) take(ring int) (slot int, response []byte) {
	g.t.Helper()
	q := &g.queues[ring]
	for binary.LittleEndian.Uint16(g.memory[q.at+usedOffset+2:]) == q.seen {
		_ = q.call.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := q.call.Read(make([]byte, 8)); err != nil {
			g.t.Fatalf("nothing comes back from ring %d: %v", ring, err)
		}
	}
	used := g.memory[q.at+usedOffset+4+8*int(q.seen%ringSize):]
	q.seen++
	slot = int(binary.LittleEndian.Uint32(used)) / 2
	where := buffers + ring*0x4000 + slot*0x100 + 0x80
	return slot, g.memory[where : where+int(binary.LittleEndian.Uint32(used[4:]))]
}

// request makes one request about a line and returns its value.
func (g *guest) request(what, line, value int) int {
	g.t.Helper()
	g.put(requestRing, 0, append([]byte{byte(what), 0, byte(line), 0}, words(uint32(value))...), 2)
	_, response := g.take(requestRing)
	if len(response) != 2 || response[0] != statusOK {
		g.t.Fatalf("request %d for line %d: got %v", what, line, response)
	}
	return int(response[1])
}

// drive makes a line an output with a level, as the kernel's driver does.
func (g *guest) drive(line, level int) {
	g.t.Helper()
	g.request(tellValue, line, level)
	g.request(tellDirection, line, directionOut)
}

// watch waits for the next interrupt of a line.
func (g *guest) watch(line int) {
	g.t.Helper()
	g.put(eventRing, line, []byte{byte(line), 0}, 1)
}

// interrupted wants the next interrupt to be of a line.
func (g *guest) interrupted(line int) {
	g.t.Helper()
	if slot, response := g.take(eventRing); slot != line || len(response) != 1 || response[0] != eventInterrupt {
		g.t.Fatalf("line %d says %v, want an interrupt of line %d", slot, response, line)
	}
}

// taken makes sure that the backplane has all that was put into a ring.
func (g *guest) taken(ring int) {
	g.t.Helper()
	g.board.backplane.mu.Lock()
	defer g.board.backplane.mu.Unlock()
	if err := g.board.process(ring); err != nil {
		g.t.Fatal(err)
	}
}

// quiet wants nothing to have come back from the ring of interrupts.
func (g *guest) quiet() {
	g.t.Helper()
	g.taken(eventRing)
	q := &g.queues[eventRing]
	if binary.LittleEndian.Uint16(g.memory[q.at+usedOffset+2:]) != q.seen {
		g.t.Error("an interrupt that should not have been")
	}
}
