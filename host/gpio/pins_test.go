package gpio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
)

// simulatedLine is a pin with its wire. It keeps its hardware's state whoever requests it, and
// remembers every level that it ever had.
type simulatedLine struct {
	name      string // gpiochip0/17
	direction        // driven or asIs, which is an input, while nobody has requested it
	activeLow bool
	latch     bool // what an output drives
	outside   bool // what the wire or the pull makes of an input
	stale     bool // the kernel has not asked the hardware for the direction since it changed
	fault     error

	history  []bool // physical levels
	queue    []change
	sequence uint32
	arrived  chan struct{} // closed when an edge is queued
	onRead   func()        // at the next reading
}

func (p *simulatedLine) physical() bool {
	if p.direction == driven {
		return p.latch
	}
	return p.outside
}

// change does something to the pin and writes down what came of it.
func (p *simulatedLine) change(f func()) {
	f()
	if now := p.physical(); len(p.history) == 0 || p.history[len(p.history)-1] != now {
		p.history = append(p.history, now)
	}
}

// pin returns a line's pin, an input with pull-down at first.
func (k *simulatedKernel) pin(offset int) *simulatedLine {
	chip := k.devices["gpiochip0"]
	if chip.pins == nil {
		chip.pins = map[int]*simulatedLine{}
	}
	if chip.pins[offset] == nil {
		chip.pins[offset] = &simulatedLine{name: fmt.Sprintf("gpiochip0/%d", offset), arrived: make(chan struct{})}
	}
	return chip.pins[offset]
}

// asOutput makes a pin a free output, as the firmware or a process that has ended may leave it.
func (k *simulatedKernel) asOutput(offset int, level bool) *simulatedLine {
	pin := k.pin(offset)
	pin.change(func() { pin.direction, pin.latch = driven, level })
	return pin
}

// edge makes the wire of a watched line change, and the kernel queue it.
func (k *simulatedKernel) edge(offset int, high bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pin := k.pin(offset)
	pin.outside = high
	pin.sequence++
	if len(pin.queue) == watchedQueue {
		pin.queue = pin.queue[1:]
	}
	pin.queue = append(pin.queue, change{pin.sequence, high, bubbleClock()})
	close(pin.arrived)
	pin.arrived = make(chan struct{})
}

func (k *simulatedKernel) request(chip string, offset int, consumer string, m mode) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.devices[chip].held == nil {
		k.devices[chip].held = map[int]string{}
	}
	if _, held := k.devices[chip].held[offset]; held {
		return -1, syscall.EBUSY
	}
	if len(consumer) > maxConsumer {
		return -1, errors.New("the kernel would cut " + consumer)
	}
	pin := k.pin(offset)
	pin.change(func() { pin.apply(m, false) })
	k.devices[chip].held[offset] = consumer
	if k.open == nil {
		k.open = map[int]*simulatedLine{}
	}
	fd := 100 + offset
	k.open[fd] = pin
	k.requests = append(k.requests, fmt.Sprintf("open %s %s", pin.name, consumer))
	return fd, nil
}

// apply is what linereq_set_config does.
func (p *simulatedLine) apply(m mode, on bool) {
	p.activeLow, p.stale = m.activeLow, false
	switch m.direction {
	case driven:
		p.direction, p.latch = driven, on != m.activeLow
	case watched:
		p.direction = watched
	}
}

func (k *simulatedKernel) at(fd int) (*simulatedLine, error) {
	pin := k.open[fd]
	if pin == nil {
		return nil, syscall.EBADF
	}
	return pin, pin.fault
}

func (k *simulatedKernel) configure(fd int, m mode, on bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	pin, err := k.at(fd)
	if err != nil {
		return err
	}
	k.requests = append(k.requests, "configure "+pin.name)
	pin.change(func() { pin.apply(m, on) })
	return nil
}

func (k *simulatedKernel) level(fd int) (bool, error) {
	k.mu.Lock()
	pin, err := k.at(fd)
	if err != nil {
		k.mu.Unlock()
		return false, err
	}
	hook := pin.onRead
	pin.onRead = nil
	k.mu.Unlock()
	if hook != nil {
		hook()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return pin.physical() != pin.activeLow, nil
}

func (k *simulatedKernel) setLevel(fd int, on bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	pin, err := k.at(fd)
	if err != nil {
		return err
	}
	if pin.direction != driven {
		return syscall.EPERM
	}
	pin.change(func() { pin.latch = on != pin.activeLow })
	return nil
}

func (k *simulatedKernel) ready(ctx context.Context, fd int) (bool, error) {
	for {
		k.mu.Lock()
		pin, err := k.at(fd)
		if err != nil || len(pin.queue) > 0 {
			k.mu.Unlock()
			return true, err
		}
		arrived := pin.arrived
		k.mu.Unlock()
		select {
		case <-ctx.Done():
			return false, nil
		case <-arrived:
		}
	}
}

func (k *simulatedKernel) pending(fd int) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pin, err := k.at(fd)
	return err == nil && len(pin.queue) > 0, err
}

func (k *simulatedKernel) next(fd int) (change, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pin, err := k.at(fd)
	if err != nil {
		return change{}, err
	}
	e := pin.queue[0]
	pin.queue = pin.queue[1:]
	return e, nil
}

func (k *simulatedKernel) identify(fd int) (string, int, error) {
	pin := k.open[fd]
	if pin == nil {
		return "", 0, fmt.Errorf("descriptor %d is a socket and no gpio line", fd)
	}
	if k.silent {
		return "", 0, errors.ErrUnsupported
	}
	return parseLine("pos:\t0\ngpio-chip:\tgpiochip0\ngpio-line:\t" + strings.TrimPrefix(pin.name, "gpiochip0/") + "\n")
}

func (k *simulatedKernel) close(fd int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	pin := k.open[fd]
	if pin == nil {
		return syscall.EBADF
	}
	delete(k.open, fd)
	delete(k.devices["gpiochip0"].held, fd-100)
	k.requests = append(k.requests, "close "+pin.name)
	pin.change(func() {
		pin.activeLow = false
		if pin.direction != driven || !k.persist { // bcm2835_pmx_free
			pin.stale = pin.direction == driven
			pin.direction = asIs
		}
	})
	return nil
}

// restart is a new process: whoever kept the descriptors hands them over.
func (k *simulatedKernel) restart(names map[int]string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for fd, name := range names {
			if !yield(name, fd) {
				return
			}
		}
	}
}

func (p *simulatedLine) wantHistory(t *testing.T, want ...bool) {
	t.Helper()
	if !slices.Equal(p.history, want) {
		t.Errorf("%s had the levels %v, want %v", p.name, p.history, want)
	}
}

// The kernel side that needs no GPIO: descriptors of pipes are waited for in the same way.
func TestReadyWithAPipe(t *testing.T) {
	var kernel characterDevices
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(r.Fd())
	if queued, err := kernel.pending(fd); queued || err != nil {
		t.Errorf("an empty pipe: %v, %v", queued, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel) // before or while it waits: both must end
	if more, err := kernel.ready(ctx, fd); more || err != nil {
		t.Errorf("the context has ended: %v, %v", more, err)
	}
	if _, err := w.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if more, err := kernel.ready(t.Context(), fd); !more || err != nil {
		t.Errorf("there is something to read: %v, %v", more, err)
	}
	if queued, err := kernel.pending(fd); !queued || err != nil {
		t.Errorf("there is something to read: %v, %v", queued, err)
	}
	if more, err := kernel.ready(ctx, fd); more || err != nil {
		t.Errorf("an ended context goes first: %v, %v", more, err)
	}
	w.Close()
	if _, err := kernel.ready(t.Context(), fd); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("nobody at the other end: %v", err)
	}
	if _, err := kernel.pending(fd); err == nil {
		t.Error("nobody at the other end, and no error")
	}
	if _, _, err := kernel.identify(fd); err == nil || !strings.Contains(err.Error(), "no gpio line") {
		t.Errorf("a pipe: %v", err)
	}
	if _, err := kernel.level(fd); err == nil {
		t.Error("a pipe has a level")
	}
	if _, _, err := Describe(fd); err == nil {
		t.Error("a pipe is described")
	}
}

func TestParseLine(t *testing.T) {
	chip, offset, err := parseLine("pos:\t0\nflags:\t02000000\nmnt_id:\t15\nino:\t1054\ngpio-chip:\tgpiochip11\ngpio-line:\t27\n")
	if err != nil || chip != "gpiochip11" || offset != 27 {
		t.Errorf("%s/%d, %v", chip, offset, err)
	}
	if _, _, err := parseLine("pos:\t0\nflags:\t02000000\n"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an older kernel: %v", err)
	}
	for _, bad := range []string{"gpio-chip:\tgpiochip0\n", "gpio-chip:\tgpiochip0\ngpio-line:\t1\ngpio-line:\t2\n", "gpio-line:\tx\n"} {
		if _, _, err := parseLine(bad); err == nil || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestFlagsOfARequest(t *testing.T) {
	for m, want := range map[mode]uapi.LineFlagV2{
		{asIs, false}:    0, // nothing else may be asked of a line that stays as it is, but
		{asIs, true}:     uapi.LineFlagV2ActiveLow,
		{driven, false}:  uapi.LineFlagV2Output,
		{driven, true}:   uapi.LineFlagV2Output | uapi.LineFlagV2ActiveLow,
		{watched, false}: uapi.LineFlagV2Input | uapi.LineFlagV2EdgeRising | uapi.LineFlagV2EdgeFalling | uapi.LineFlagV2BiasPullDown,
	} {
		if m.flags() != want {
			t.Errorf("%+v: %x, want %x", m, m.flags(), want)
		}
	}
}
