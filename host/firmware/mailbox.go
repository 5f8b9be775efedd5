package firmware

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The message of the mailbox property interface, in words of 32 bits:
//
//	[0] bytes in all      [1] 0; the answer has 0x80000000, or 0x80000001 for a failure
//	[2] tag               [3] bytes of the value buffer
//	[4] 0; the answer has 0x80000000 | bytes of the value
//	[5] the value ...     [n] 0, the end
//
// (github.com/raspberrypi/firmware/wiki/Mailbox-property-interface; the layouts of
// the two tags are those of raspberrypi/utils vcgencmd/vcgencmd.c and of the
// kernel's drivers/hwmon/raspberrypi-hwmon.c.)
const (
	success  = 0x80000000
	response = 0x80000000

	tagThrottled = 0x00030046
	tagGencmd    = 0x00030080

	gencmdBytes = 1024 // what vcgencmd has always sent
	gencmdText  = 6    // the word where the text begins; word 5 is the error number
)

// mailbox is the one call that the kernel's vcio devices offer: it sends words
// and overwrites them with the answer.
type mailbox interface {
	property(words []uint32) error
}

// device is a vcio device.
type device struct{ fd int }

func openDevice(path string) (mailbox, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &device{fd}, nil
}

// request is _IOWR(100, 0, char *), whose size field is that of a pointer: a
// 32-bit program uses another number, also on a 64-bit kernel.
func request(pointerBytes uintptr) uintptr {
	const readWrite, magic = 3, 100
	return readWrite<<30 | pointerBytes<<16 | magic<<8
}

func (d *device) property(words []uint32) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), request(unsafe.Sizeof(uintptr(0))), uintptr(unsafe.Pointer(&words[0])))
	if errno != 0 {
		return refused(errno)
	}
	return nil
}

// Close closes the device. A second call does nothing.
func (d *device) Close() error {
	if d.fd < 0 {
		return nil
	}
	fd := d.fd
	d.fd = -1
	return unix.Close(fd)
}

func closeMailbox(m mailbox) error {
	if c, ok := m.(interface{ Close() error }); ok {
		return c.Close()
	}
	return nil
}

// answered checks the code of a whole message.
func answered(words []uint32) error {
	if words[1] != success {
		return fmt.Errorf("%w: response %#08x", ErrNoAnswer, words[1])
	}
	return nil
}

// tag asks for the word by its tag.
type tag struct {
	gencmd
	words [7]uint32
}

func (s *tag) word() (uint32, error) {
	err := retried(s.mailbox, func() { s.words = throttledMessage() }, s.words[:])
	if err != nil {
		return 0, err
	}
	return parseThrottled(s.words)
}

// throttledMessage asks for the word with 0 for the mask of bits to clear:
// anything else would take events away from other readers.
func throttledMessage() [7]uint32 {
	const value = 4
	return [7]uint32{7 * 4, 0, tagThrottled, value, 0, 0, 0}
}

// parseThrottled wants the firmware's mark on the value: without it, word 5 is
// still the 0 that was sent, and would read as "all is well".
func parseThrottled(words [7]uint32) (uint32, error) {
	if words[2] != tagThrottled || words[4]&response == 0 || words[4]&^response < 4 {
		return 0, fmt.Errorf("%w: tag %#08x came back as %#08x with %#08x", ErrNoAnswer, uint32(tagThrottled), words[2], words[4])
	}
	return words[5], nil
}

// gencmd asks by text.
type gencmd struct {
	mailbox mailbox
	message [gencmdText + gencmdBytes/4 + 1]uint32
	text    [gencmdBytes]byte
}

func (s *gencmd) known() uint32 { return now | now<<History }

func (s *gencmd) close() error { return closeMailbox(s.mailbox) }

func (s *gencmd) word() (uint32, error) {
	text, err := s.ask("get_throttled")
	if err != nil {
		return 0, err
	}
	return parseThrottledText(text)
}

// ask returns the firmware's text, valid until the next question. Unlike a tag's
// value a text proves itself, so the mark in word 4 is not asked for: vcgencmd
// does not either.
func (s *gencmd) ask(command string) ([]byte, error) {
	if err := retried(s.mailbox, func() { fillGencmd(&s.message, command) }, s.message[:]); err != nil {
		return nil, err
	}
	length := 0
	for ; length < gencmdBytes; length++ {
		b := byte(s.message[gencmdText+length/4] >> (8 * (length % 4)))
		if b == 0 {
			break
		}
		s.text[length] = b
	}
	text := s.text[:length]
	switch code := s.message[gencmdText-1]; {
	case length == gencmdBytes:
		return nil, errors.New("the firmware's text has no end")
	case code != 0:
		return nil, fmt.Errorf("the firmware answers error %d, %.80q: %w", code, text, errors.ErrUnsupported)
	case length == 0:
		return nil, fmt.Errorf("%w: its text is empty", ErrNoAnswer)
	}
	return text, nil
}

// fillGencmd writes the message that asks for command. Text is packed from the
// low byte up, as on every processor that has this firmware.
func fillGencmd(message *[gencmdText + gencmdBytes/4 + 1]uint32, command string) {
	*message = [len(message)]uint32{uint32(len(message)) * 4, 0, tagGencmd, gencmdBytes}
	for i := range len(command) {
		message[gencmdText+i/4] |= uint32(command[i]) << (8 * (i % 4))
	}
}
