package gpio

import (
	"errors"
	"fmt"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

// queue is the number of edges that the kernel keeps for us: its maximum for one line, six
// seconds of a fan at 5,000 rpm (GPIO_V2_LINES_MAX * 16 in drivers/gpio/gpiolib-cdev.c).
const queue = 1024

// edge is one falling edge.
type edge struct {
	sequence uint32        // counts all edges since the request, lost ones too
	at       time.Duration // CLOCK_MONOTONIC, taken in the interrupt handler
}

// Monotonic reads CLOCK_MONOTONIC, the clock of the kernel's edge stamps.
func Monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic("gpio: CLOCK_MONOTONIC: " + err.Error()) // every Linux has it
	}
	return time.Duration(now.Nano())
}

// characterDevices is the kernel, through go-gpiocdev.
type characterDevices struct{}

func (characterDevices) names() []string { return gpiocdev.Chips() }

func (characterDevices) chip(name string) (Chip, error) {
	c, err := gpiocdev.NewChip(name)
	if errors.Is(err, gpiocdev.ErrNotCharacterDevice) {
		return Chip{}, errNotChip
	}
	if err != nil {
		return Chip{}, err
	}
	defer c.Close()
	return Chip{Name: c.Name, Label: c.Label, Lines: c.Lines()}, nil
}

func (characterDevices) line(chip string, offset int) (Info, error) {
	c, err := gpiocdev.NewChip(chip)
	if err != nil {
		return Info{}, err
	}
	defer c.Close()
	info, err := c.LineInfo(offset)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Name:      info.Name,
		Used:      info.Used,
		Consumer:  info.Consumer,
		Output:    info.Config.Direction == gpiocdev.LineDirectionOutput,
		ActiveLow: info.Config.ActiveLow,
		BothEdges: info.Config.EdgeDetection == gpiocdev.LineEdgeBoth,
	}, nil
}

func (characterDevices) watch(chip string, offset int, consumer string, handle func(edge)) (func() error, error) {
	c, err := gpiocdev.NewChip(chip)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if c.UapiAbiVersion() < 2 {
		return nil, fmt.Errorf("%w: this kernel numbers no edges; Linux 5.10 does", errors.ErrUnsupported)
	}
	line, err := c.RequestLine(offset,
		gpiocdev.AsInput,
		gpiocdev.WithPullUp,
		gpiocdev.WithFallingEdge,
		gpiocdev.WithEventBufferSize(queue),
		gpiocdev.WithConsumer(consumer),
		gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
			handle(edge{e.LineSeqno, e.Timestamp})
		}))
	if err != nil {
		return nil, err
	}
	return line.Close, nil
}
