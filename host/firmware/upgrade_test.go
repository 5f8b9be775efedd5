package firmware

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUpgrade starts with the best source silent, as a Raspberry Pi 5's is now and then, and refused, as it is at boot
// before udev has given it to its group.
func TestUpgrade(t *testing.T) {
	m := newMachine(t, "pi-3b-plus")
	node := gencmdNode("0x50005")
	node.codes = []uint32{0x80000001, 0x80000001}
	m.devices["dev/vcio_gencmd"] = node
	throttling, err := m.open(t)
	if err != nil {
		t.Fatal(err)
	}
	is := func(source string, word, known uint32, denied error) {
		t.Helper()
		if !strings.HasSuffix(throttling.Source(), source) || !errors.Is(throttling.Denied(), denied) {
			t.Errorf("source %s, denied %v; want %s, %v", throttling.Source(), throttling.Denied(), source, denied)
		}
		if w, k, err := throttling.Word(); err != nil || w != word || k != known {
			t.Errorf("word %#x, known %#x, %v", w, k, err)
		}
	}
	is("in0_lcrit_alarm", 0, 0x10001, ErrNoAnswer)
	m.errnos["dev/vcio_gencmd"] = unix.EACCES
	if throttling.Upgrade() {
		t.Error("upgraded to a device that is refused")
	}
	is("in0_lcrit_alarm", 0, 0x10001, fs.ErrPermission)
	old := &videocore{word: 0x20002}
	m.devices["dev/vcio"] = old
	volt := throttling.source
	if !throttling.Upgrade() {
		t.Error("the older node is not taken")
	}
	is("dev/vcio", 0x20002, all, fs.ErrPermission)
	if _, err := volt.word(); err == nil {
		t.Error("the alarm was left open")
	}
	delete(m.errnos, "dev/vcio_gencmd")
	if !throttling.Upgrade() || !old.closed {
		t.Errorf("the best source is not taken, or the older left open: closed %v", old.closed)
	}
	is("dev/vcio_gencmd", 0x50005, all, nil)
	asked := node.asked
	node.closed = false
	if throttling.Upgrade() || node.asked != asked || node.closed {
		t.Error("the best source was given up for itself")
	}
	if throttling.alarm == nil || throttling.name != filepath.Join(m.root, "dev/vcio_gencmd") {
		t.Error("the alarm beside the mailbox was lost")
	}
}
