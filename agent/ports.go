package agent

import "context"

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
	// called again ten seconds later.
	Watch(ctx context.Context, notify func(kind string)) error
}
