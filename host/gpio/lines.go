package gpio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// maxConsumer is how much of a consumer's label the kernel keeps (GPIO_MAX_NAME_SIZE in
// include/uapi/linux/gpio.h, less the final NUL).
const maxConsumer = 31

// Claim says which line is wanted, for whom and how.
type Claim struct {
	// Line is the pin.
	Line Line

	// Consumer is what other programs are told about the holder, such as bramble/worker-1. The
	// kernel keeps 31 characters; the rest is cut.
	Consumer string

	// ActiveLow makes an output on while its line is low. An input is always active high.
	ActiveLow bool

	// Name is the one that the line's descriptor was kept under by an earlier process. It decides
	// only on kernels before Linux 6.1, which do not say what line a descriptor is.
	Name string
}

func (c Claim) consumer() string { return c.Consumer[:min(len(c.Consumer), maxConsumer)] }

// Found says how a line was when it was opened.
type Found struct {
	// Kept is true when the line's descriptor had been kept, so that there was no moment in which
	// nobody held the line. Otherwise the line was free and has been requested.
	Kept bool
	// Input is true when the line was an input: nobody drove it, and its level was what the pin's
	// pull and the wiring made of it.
	Input bool
	// On is the level that it had, and still has.
	On bool
}

// direction is what a line is requested for.
type direction int

const (
	asIs    direction = iota // as it is: an output stays one, with its level
	driven                   // an output
	watched                  // an input with pull-down whose edges are queued
)

// mode is how a line is requested.
type mode struct {
	direction
	activeLow bool
}

// change is one edge of a watched line.
type change struct {
	sequence uint32 // counts the line's edges since its request, lost ones too
	high     bool
	at       time.Duration // CLOCK_MONOTONIC, taken in the interrupt handler
}

// requests is what this package asks of the kernel for lines whose descriptors it owns. A descriptor
// is a bare number: an os.File would close it when it is collected, and a worker would lose its power.
type requests interface {
	// request requests a free line and returns its descriptor, which is closed on exec.
	request(chip string, offset int, consumer string, m mode) (fd int, err error)
	// configure changes what a requested line is; on is the level of an output.
	configure(fd int, m mode, on bool) error
	// level reads a line, an output as well.
	level(fd int) (on bool, err error)
	// setLevel drives an output.
	setLevel(fd int, on bool) error
	// ready blocks until an edge is queued; it returns false when the context has ended.
	ready(ctx context.Context, fd int) (bool, error)
	// pending says whether an edge is queued.
	pending(fd int) (bool, error)
	// next takes an edge from the queue, which must not be empty.
	next(fd int) (change, error)
	// identify says which line a descriptor is. The error wraps errors.ErrUnsupported where it is
	// a line and the kernel does not say which.
	identify(fd int) (chip string, offset int, err error)
	// close lets a line go.
	close(fd int) error
}

// pick returns the descriptor of a line among those that were kept. The kernel's word counts, since
// a name may be left over from another configuration.
func (m machine) pick(claim Claim, chip Chip, info Info, kept iter.Seq2[string, int]) (fd int, found bool) {
	if kept == nil {
		return 0, false
	}
	for name, fd := range kept {
		device, offset, err := m.identify(fd)
		same := err == nil && device == chip.Name && offset == claim.Line.Offset
		byName := errors.Is(err, errors.ErrUnsupported) && name == claim.Name && info.Used && info.Consumer == claim.consumer()
		if !same && !byName {
			continue
		}
		if _, err := m.level(fd); err == nil { // else its chip has gone, and come back without it
			return fd, true
		}
	}
	return 0, false
}

// Describe says which line a kept descriptor holds and whether it is on, in words for a person, such
// as "gpiochip0/17 is on". The error says that it is no GPIO line, or cannot be read.
func Describe(fd int) (text string, on bool, err error) {
	return machine{characterDevices{}}.describe(fd)
}

func (m machine) describe(fd int) (text string, on bool, err error) {
	where := "a line"
	device, offset, err := m.identify(fd)
	if err == nil {
		where = fmt.Sprintf("%s/%d", device, offset)
	} else if !errors.Is(err, errors.ErrUnsupported) {
		return "", false, err
	}
	if on, err = m.level(fd); err != nil {
		return "", false, fmt.Errorf("%s: %w", where, err)
	}
	if on {
		return where + " is on", true, nil
	}
	return where + " is off", false, nil
}
