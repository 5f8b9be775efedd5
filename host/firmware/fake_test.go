package firmware

import (
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/hosttest"
)

// videocore plays the kernel's vcio driver and the firmware behind it: it checks
// a message as drivers/char/broadcom/vcio.c does and answers what the test set.
type videocore struct {
	t        *testing.T
	allowed  uint32            // the one tag that this node permits; 0: all
	errnos   []unix.Errno      // answers of the next requests instead of a value; 0: none
	codes    []uint32          // word 1 of the next answers; default success
	word     uint32            // the throttling word
	unmarked bool              // leave out bit 31 of a tag's answer, as for an unknown tag
	texts    map[string]string // gencmd's answers
	code     uint32            // gencmd's error number
	asked    int
	closed   bool
}

func (v *videocore) Close() error { v.closed = true; return nil }

func (v *videocore) property(words []uint32) error {
	v.t.Helper()
	v.asked++
	if words[0] != uint32(4*len(words)) || words[0]%4 != 0 || words[1] != 0 || words[len(words)-1] != 0 {
		v.t.Fatalf("malformed message %#x", words)
	}
	if v.allowed != 0 && words[2] != v.allowed {
		return refused(unix.EPERM)
	}
	if len(v.errnos) > 0 {
		errno := v.errnos[0]
		v.errnos = v.errnos[1:]
		if errno != 0 {
			return refused(errno)
		}
	}
	words[1] = success
	if len(v.codes) > 0 {
		words[1] = v.codes[0]
		v.codes = v.codes[1:]
	}
	if v.unmarked {
		return nil
	}
	switch words[2] {
	case tagThrottled:
		if words[3] != 4 || words[5] != 0 {
			v.t.Fatalf("value of %d bytes, mask of bits to clear %#x; want 4 and 0", words[3], words[5])
		}
		words[4], words[5] = response|4, v.word
	case tagGencmd:
		v.gencmd(words)
	default:
		v.t.Fatalf("tag %#x", words[2])
	}
	return nil
}

func (v *videocore) gencmd(words []uint32) {
	if words[3] != gencmdBytes || words[5] != 0 {
		v.t.Fatalf("value of %d bytes, error word %d", words[3], words[5])
	}
	var command []byte
	for i := 0; ; i++ {
		b := byte(words[6+i/4] >> (8 * (i % 4)))
		if b == 0 {
			break
		}
		command = append(command, b)
	}
	text, ok := v.texts[string(command)]
	if !ok {
		text = `error=1 error_msg="Command not registered"`
	}
	for i := range gencmdBytes {
		words[6+i/4] &^= 0xff << (8 * (i % 4))
		if i < len(text) {
			words[6+i/4] |= uint32(text[i]) << (8 * (i % 4))
		}
	}
	words[4], words[5] = response|uint32(len(text)+1), v.code
}

// machine is a board's tree with devices in /dev.
type machine struct {
	root    string
	devices map[string]*videocore // by path below the root
	errnos  map[string]unix.Errno // devices that do not open
}

func newMachine(t *testing.T, board string) *machine {
	return &machine{root: hosttest.Tree(t, board), devices: map[string]*videocore{}, errnos: map[string]unix.Errno{}}
}

func (m *machine) open(t *testing.T) (*Throttling, error) {
	throttling, err := open(m.root, func(path string) (mailbox, error) {
		name := path[len(m.root)+1:]
		if errno := m.errnos[name]; errno != 0 {
			return nil, &fs.PathError{Op: "open", Path: path, Err: errno}
		}
		device, ok := m.devices[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
		}
		device.t = t
		return device, nil
	})
	if err == nil {
		t.Cleanup(func() { _ = throttling.Close() })
	}
	return throttling, err
}

func gencmdNode(word string) *videocore {
	return &videocore{allowed: tagGencmd, texts: map[string]string{
		"get_throttled":     "throttled=" + word,
		"measure_temp":      "temp=48.3'C",
		"measure_clock arm": "frequency(48)=1500345728",
	}}
}
