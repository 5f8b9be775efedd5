package agent

import (
	"context"
	"errors"
	"time"
)

// Thermal is the board's sensors, of every kind.
type Thermal interface {
	// Sensors lists what there is to read, each with a name that no other has. It is called at the start of each sample
	// and must not block; it may find other sensors than before. The slice is only read until the next call.
	Sensors() []Sensor
	// Read reads sensor i of the newest list, in the unit of its kind. An error that is errors.ErrUnsupported means that
	// the sensor is gone or cannot tell, which is reported and is not a fault of the board. Read may block: package agent says what happens
	// then. It is called for several sensors at once only while one of them blocks, and never twice at once for the same.
	Read(i int) (float64, error)
}

// Throttle is the throttling word of the Raspberry Pi firmware, laid out as package throttle describes.
type Throttle interface {
	// Word reads the word, and says by a mask which of its bits this source can know. It is called once for each sample
	// and may block, as Thermal.Read may. An error that is errors.ErrUnsupported means that this board has no such word;
	// it may be asked again with the next sample all the same.
	Word() (word, known uint32, err error)
	// Source is the path that Word read: it ends in vcio_gencmd, vcio, or in0_lcrit_alarm (rpi_volt's); "" before any
	// could be read. It is called after Word, by the same goroutine.
	Source() string
}

// Light is a lamp on the board that a person can see. It is called by one goroutine at a time. Its errors reach whoever
// asked for it to blink: they name the light and say what to do.
type Light interface {
	// Set switches it.
	Set(on bool) error
	// Restore hands it back to what lit it before the first Set.
	Restore() error
	// Name is what is printed beside it or what the kernel calls it, such as "ACT".
	Name() string
}

// Shutdown tells of shutdowns before they happen.
type Shutdown interface {
	// Watch blocks until the context is done and calls notify, from one goroutine, with each kind that it learns of:
	// "poweroff", "reboot", "cancelled", or "" when the system does not say which. If it returns an error it is
	// called again ten seconds later; errors.ErrUnsupported means that the system has no such notices. notify returns when
	// the subscribers have been sent the notice, within a second: whoever can hold the shutdown back does so until then.
	// A kind that was not known at first may be told again when it is.
	Watch(ctx context.Context, notify func(kind string)) error
}

// What Power may answer beside fs.ErrPermission (this agent may not) and errors.ErrUnsupported (this system cannot).
var (
	// ErrUnderWay means that a shutdown has begun already.
	ErrUnderWay = errors.New("a shutdown is under way already")
	// ErrBlocked means that another program does not let the system go down now.
	ErrBlocked = errors.New("another program blocks shutdowns")
)

// Power ends this boot. Its errors reach whoever asked: they say what stands in the way and what to do. After an error
// nothing has begun.
type Power interface {
	// PowerOff shuts down and leaves the board off. It returns when the system has accepted.
	PowerOff(ctx context.Context) error
	// Reboot shuts down and starts again, likewise.
	Reboot(ctx context.Context) error
	// Ready is the error that PowerOff would return now, as far as is known, and nil if none is. It must not block.
	Ready() error
}

// DoneLine is this board's own end of its done line.
type DoneLine interface {
	// Signal says how the end of a power-off is signalled. It is called with each message and must not block for longer
	// than a few file operations take.
	Signal() DoneSignal
	// Pulse raises the line and lowers it after width, or at once when the context is done; it returns when the line is
	// low. It fails where the line is not this program's to drive.
	Pulse(ctx context.Context, width time.Duration) error
}

// DoneMechanism says who raises the done line at the end of a power-off.
type DoneMechanism int32

// The mechanisms.
const (
	DoneByOverlay DoneMechanism = iota + 1 // the kernel, by the gpio-poweroff overlay
	DoneByHelper                           // bramble-done, called by systemd-shutdown
)

// DoneSignal is how the end of a power-off is signalled. Its zero value is: not at all.
type DoneSignal struct {
	Mechanism DoneMechanism
	Chip      string // the label of the line's GPIO chip
	Line      uint32 // the line's number on that chip
	ActiveLow bool   // the line is low when the signal is given
	Source    string // where the mechanism was found: a path

	// The overlay's delays; 0 for the helper.
	ActiveDelay, InactiveDelay, Timeout time.Duration

	// Trouble says why the signal would not be given and what to do, in one line; empty when it is usable.
	Trouble string
}
