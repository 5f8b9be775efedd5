package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// simulatedKernel behaves like the GPIO character devices: chips move to other numbers, lines
// are held, numbers of edges restart with a request, and every request is written down.
type simulatedKernel struct {
	mu       sync.Mutex
	devices  map[string]*simulatedChip // by name below /dev
	requests []string                  // "request gpiochip0/17 bramble/tach", "release gpiochip0/17"
	open     map[int]*simulatedLine    // by descriptor
	silent   bool                      // does not say which line a descriptor is, as before Linux 6.1
	persist  bool                      // outputs stay when they are let go, as on Raspberry Pi's kernels
}

type simulatedChip struct {
	label   string
	lines   int
	fault   error // of opening it
	names   map[int]string
	held    map[int]string // consumer by offset
	noIRQ   bool
	watcher map[int]*simulatedWatcher
	pins    map[int]*simulatedLine
}

type simulatedWatcher struct {
	mu       sync.Mutex // held while the handler runs
	handle   func(edge)
	sequence uint32
	closed   bool
}

func (w *simulatedWatcher) fall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.sequence++
	w.handle(edge{w.sequence, bubbleClock()})
}

// header is a Pi 4 as Raspberry Pi OS shows it.
func header() *simulatedKernel {
	return &simulatedKernel{devices: map[string]*simulatedChip{
		"gpiochip0": {label: "pinctrl-bcm2711", lines: 58, names: map[int]string{2: "SDA1", 17: "GPIO17", 27: "GPIO27"}},
		"gpiochip1": {label: "raspberrypi-exp-gpio", lines: 8, names: map[int]string{2: "PWR_LED_OFF"}},
		"gpiochip4": {fault: errNotChip}, // a symbolic link to gpiochip0
	}}
}

func (k *simulatedKernel) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := []string{}
	for name := range k.devices {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (k *simulatedKernel) chip(name string) (Chip, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	chip := k.devices[name]
	if chip == nil {
		return Chip{}, fs.ErrNotExist
	}
	if chip.fault != nil {
		return Chip{}, chip.fault
	}
	return Chip{Name: name, Label: chip.label, Lines: chip.lines}, nil
}

func (k *simulatedKernel) line(name string, offset int) (Info, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	chip := k.devices[name]
	if offset < 0 || offset >= chip.lines {
		return Info{}, syscall.EINVAL
	}
	consumer, held := chip.held[offset]
	info := Info{Name: chip.names[offset], Used: held, Consumer: consumer}
	if pin := chip.pins[offset]; pin != nil {
		info.Output, info.ActiveLow, info.BothEdges = pin.direction == driven, held && pin.activeLow, pin.direction == watched
		if !held && pin.stale {
			info.Output = !info.Output // what it was at the last request
		}
	}
	return info, nil
}

func (k *simulatedKernel) watch(name string, offset int, consumer string, handle func(edge)) (func() error, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	chip, line := k.devices[name], fmt.Sprintf("%s/%d", name, offset)
	k.requests = append(k.requests, "request "+line+" "+consumer)
	if _, held := chip.held[offset]; held {
		return nil, syscall.EBUSY
	}
	if chip.noIRQ {
		return nil, syscall.ENXIO
	}
	if len(consumer) > 31 {
		return nil, errors.New("the kernel would cut " + consumer)
	}
	if chip.watcher == nil {
		chip.watcher, chip.held = map[int]*simulatedWatcher{}, map[int]string{}
	}
	chip.watcher[offset] = &simulatedWatcher{handle: handle}
	chip.held[offset] = consumer
	watcher := chip.watcher[offset]
	return func() error {
		for range 3 { // edges go on until the line is closed, which waits for the handler
			watcher.fall()
		}
		watcher.mu.Lock()
		watcher.closed = true
		watcher.mu.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(chip.watcher, offset)
		delete(chip.held, offset)
		k.requests = append(k.requests, "release "+line)
		return nil
	}, nil
}

// fall lets a line fall once. Nobody hears it while nobody watches.
func (k *simulatedKernel) fall(name string, offset int) {
	k.mu.Lock()
	watcher := k.devices[name].watcher[offset]
	k.mu.Unlock()
	if watcher != nil {
		watcher.fall()
	}
}

// lose lets a line fall as often while the kernel's queue is full.
func (k *simulatedKernel) lose(name string, offset, edges int) {
	k.devices[name].watcher[offset].sequence += uint32(edges)
}

func (k *simulatedKernel) wantRequests(t *testing.T, want ...string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Equal(k.requests, want) {
		t.Errorf("requests:\n%q\nwant:\n%q", k.requests, want)
	}
}
