package gpio

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
)

// Output is a line that this process drives. Its descriptor stays open, and the line as it is, until
// Close or until the process and everyone whom the descriptor was handed to has gone; an Output that
// is merely forgotten lets go of nothing. Its methods may be called from any goroutine.
type Output struct {
	kernel requests
	line   Line
	found  Found

	mu sync.Mutex // a closed descriptor's number may be another line's a moment later
	fd int        // below 0 when closed
}

// OpenOutput returns a line as an output that has the level the line has now, without a glitch.
//
// If one of the kept descriptors (their names and numbers; nil is none) is the line, it is adopted, and
// nobody else can have held the line meanwhile. Otherwise the line is requested as it is, read, and
// made an output of the level that was read: a line that was one stays untouched, and an input is
// driven to what its pull had made of it (pinctrl-bcm2835.c and pinctrl-rp1.c write the level
// before they change the direction).
//
// A line that somebody else holds is a [BusyError]; [ErrNotFound] is wrapped when there is none.
func OpenOutput(claim Claim, kept iter.Seq2[string, int]) (*Output, error) {
	return machine{characterDevices{}}.openOutput(claim, kept)
}

func (m machine) openOutput(claim Claim, kept iter.Seq2[string, int]) (*Output, error) {
	chip, err := m.look(claim.Line)
	if err != nil {
		return nil, err
	}
	info, err := m.line(chip.Name, claim.Line.Offset)
	if err != nil {
		return nil, fmt.Errorf("gpio line %v: %w", claim.Line, err)
	}
	o := &Output{kernel: m.kernel, line: claim.Line}
	if fd, ok := m.pick(claim, chip, info, kept); ok {
		o.fd = fd
		o.found, err = m.adoptOutput(fd, claim, info)
	} else {
		o.fd, o.found, err = m.takeOutput(claim, chip)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// adoptOutput goes on with a descriptor of an earlier process.
func (m machine) adoptOutput(fd int, claim Claim, info Info) (Found, error) {
	on, err := m.level(fd)
	if err != nil {
		return Found{}, fmt.Errorf("gpio line %v: read the kept line: %w", claim.Line, err)
	}
	on = on != (info.ActiveLow != claim.ActiveLow) // what the line's level means now
	if !info.Output || info.ActiveLow != claim.ActiveLow {
		if err := m.configure(fd, mode{driven, claim.ActiveLow}, on); err != nil {
			return Found{}, fmt.Errorf("gpio line %v: make the kept line an output: %w", claim.Line, err)
		}
	}
	return Found{Kept: true, Input: !info.Output, On: on}, nil
}

// takeOutput requests a free line.
func (m machine) takeOutput(claim Claim, chip Chip) (fd int, found Found, err error) {
	fd, err = m.request(chip.Name, claim.Line.Offset, claim.consumer(), mode{asIs, claim.ActiveLow})
	if err != nil {
		return -1, Found{}, m.refusal(chip, claim.Line, err)
	}
	// Only a request makes the kernel ask the hardware for the direction (gpiod_request_commit in
	// drivers/gpio/gpiolib.c); before, it may be what it was when the last holder had the line.
	info, err := m.line(chip.Name, claim.Line.Offset)
	if err == nil {
		found.On, err = m.level(fd)
	}
	if err == nil {
		found.Input = !info.Output
		err = m.configure(fd, mode{driven, claim.ActiveLow}, found.On)
	}
	if err != nil {
		// Letting go of an output may make it an input: better a descriptor that nobody uses.
		if found.Input {
			err = errors.Join(err, m.close(fd))
		}
		return -1, Found{}, fmt.Errorf("gpio line %v: take over: %w", claim.Line, err)
	}
	return fd, found, nil
}

// Found says how the line was when it was opened.
func (o *Output) Found() Found { return o.found }

// Set switches the line on or off. Setting what is set already changes nothing.
func (o *Output) Set(on bool) error {
	return o.use("set", func(fd int) error { return o.kernel.setLevel(fd, on) })
}

// On reads the line's level back, on the header's chips from the pin itself.
func (o *Output) On() (on bool, err error) {
	err = o.use("read", func(fd int) error {
		on, err = o.kernel.level(fd)
		return err
	})
	return on, err
}

// FD returns the line's descriptor, to be handed to somebody who keeps it, and below 0 when the
// output is closed. Never make an os.File of it: it would be closed when that is collected.
func (o *Output) FD() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fd
}

// Close closes this process's descriptor. Unless another process holds it too, the kernel lets go of
// the line, whose level then depends on [Persistence]. A second call returns [os.ErrClosed].
func (o *Output) Close() error {
	return o.use("close", func(fd int) error {
		o.fd = -1
		return o.kernel.close(fd)
	})
}

func (o *Output) use(what string, f func(fd int) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := os.ErrClosed
	if o.fd >= 0 {
		err = f(o.fd)
	}
	if err != nil {
		return fmt.Errorf("gpio line %v: %s: %w", o.line, what, err)
	}
	return nil
}
