package firmware

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/hosttest"
)

const all = 0x000f000f

func TestProbeOrder(t *testing.T) {
	full := &videocore{word: 0x20002, texts: gencmdNode("").texts}
	silent := []unix.Errno{unix.EINVAL, unix.EINVAL}
	for _, test := range []struct {
		name    string
		board   string
		devices map[string]*videocore
		errnos  map[string]unix.Errno
		source  string
		word    uint32
		known   uint32
		denied  string
	}{
		{"gencmd first", "pi-4b", map[string]*videocore{"dev/vcio_gencmd": gencmdNode("0x50005"), "dev/vcio": full}, nil,
			"/dev/vcio_gencmd", 0x50005, all, ""},
		{"older node", "pi-4b", map[string]*videocore{"dev/vcio": full}, nil, "/dev/vcio", 0x20002, all, ""},
		{"alarm set", "pi-4b", nil, nil, "/sys/class/hwmon/hwmon1/in0_lcrit_alarm", 0x10001, 0x10001, ""},
		{"alarm clear", "pi-3b-plus", nil, nil, "/sys/class/hwmon/hwmon1/in0_lcrit_alarm", 0, 0x10001, ""},
		{"alarm under another number", "pi-5", nil, nil, "/sys/class/hwmon/hwmon4/in0_lcrit_alarm", 0, 0x10001, ""},
		{"best one refused", "pi-4b", map[string]*videocore{"dev/vcio": full}, map[string]unix.Errno{"dev/vcio_gencmd": unix.EACCES},
			"/dev/vcio", 0x20002, all, "group video"},
		{"all devices refused", "pi-4b", nil, map[string]unix.Errno{"dev/vcio_gencmd": unix.EACCES, "dev/vcio": unix.EPERM},
			"/sys/class/hwmon/hwmon1/in0_lcrit_alarm", 0x10001, 0x10001, "group video"},
		{"gencmd without the command", "pi-4b", map[string]*videocore{"dev/vcio_gencmd": {allowed: tagGencmd}, "dev/vcio": full}, nil,
			"/dev/vcio", 0x20002, all, ""},
		{"gencmd silent", "pi-4b", map[string]*videocore{"dev/vcio_gencmd": {allowed: tagGencmd, errnos: silent}, "dev/vcio": full}, nil,
			"/dev/vcio", 0x20002, all, "vcio_gencmd: the firmware gave no answer"},
		{"tag unknown to the firmware", "pi-4b", map[string]*videocore{"dev/vcio": {unmarked: true}}, nil,
			"/sys/class/hwmon/hwmon1/in0_lcrit_alarm", 0x10001, 0x10001, "vcio: the firmware gave no answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, test.board)
			if test.devices != nil {
				m.devices = test.devices
			}
			m.errnos = test.errnos
			throttling, err := m.open(t)
			if err != nil {
				t.Fatal(err)
			}
			if source := strings.TrimPrefix(throttling.Source(), m.root); source != test.source {
				t.Errorf("source %s", source)
			}
			word, known, err := throttling.Word()
			if err != nil || word != test.word || known != test.known {
				t.Errorf("word %#x, known %#x, %v", word, known, err)
			}
			if denied := throttling.Denied(); (denied != nil) != (test.denied != "") || denied != nil && !strings.Contains(denied.Error(), test.denied) {
				t.Errorf("denied: %v", denied)
			}
		})
	}
}

func TestOpenFails(t *testing.T) {
	silent := func() *videocore { return &videocore{errnos: []unix.Errno{unix.EINVAL, unix.ETIMEDOUT}} }
	partial := &videocore{codes: []uint32{0x80000001, 0x80000001}}
	for _, test := range []struct {
		name    string
		devices map[string]*videocore
		errnos  map[string]unix.Errno
		want    error
		says    []string
	}{
		{"nothing there", nil, nil, errors.ErrUnsupported, []string{"/dev/vcio_gencmd", "rpi_volt"}},
		{"no access to gencmd", nil, map[string]unix.Errno{"dev/vcio_gencmd": unix.EACCES}, fs.ErrPermission,
			[]string{"group video", "usermod -aG video", `KERNEL=="vcio_gencmd"`}},
		{"no access to the older node", nil, map[string]unix.Errno{"dev/vcio": unix.EACCES}, fs.ErrPermission, []string{`KERNEL=="vcio"`}},
		{"device policy", nil, map[string]unix.Errno{"dev/vcio_gencmd": unix.EPERM}, fs.ErrPermission, []string{"DeviceAllow=", "vcio_gencmd r"}},
		{"tag forbidden", map[string]*videocore{"dev/vcio": {allowed: 0x00030047}}, nil, fs.ErrPermission, []string{"dev/vcio", "forbids"}},
		{"silent", map[string]*videocore{"dev/vcio_gencmd": silent()}, nil, ErrNoAnswer, []string{"vcio_gencmd"}},
		{"partial", map[string]*videocore{"dev/vcio": partial}, nil, ErrNoAnswer, []string{"0x80000001"}},
		{"gencmd refused, older node silent", map[string]*videocore{"dev/vcio": silent()}, map[string]unix.Errno{"dev/vcio_gencmd": unix.EACCES},
			fs.ErrPermission, []string{"group video"}},
		{"gencmd silent, older node refused", map[string]*videocore{"dev/vcio_gencmd": silent()}, map[string]unix.Errno{"dev/vcio": unix.EACCES},
			ErrNoAnswer, []string{"vcio_gencmd"}},
		{"too many files", nil, map[string]unix.Errno{"dev/vcio": unix.EMFILE}, unix.EMFILE, []string{"dev/vcio"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, "pi-4b-debian")
			if test.devices != nil {
				m.devices = test.devices
			}
			m.errnos = test.errnos
			_, err := m.open(t)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if errors.Is(err, errors.ErrUnsupported) != (test.want == errors.ErrUnsupported) {
				t.Errorf("%v is taken for unsupported, or not", err)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
			for path, device := range m.devices {
				if !device.closed {
					t.Errorf("%s was left open", path)
				}
			}
		})
	}
}

// TestBoardsWithoutDetector: unknown is not "fine".
func TestBoardsWithoutDetector(t *testing.T) {
	for _, board := range []string{"pi-1b", "bananapi", "rk3328", "pc", "broken", "container"} {
		if _, err := Open(hosttest.Tree(t, board)); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", board, err)
		}
	}
}

func TestWordIsAskedTwice(t *testing.T) {
	for _, answers := range []*videocore{
		{errnos: []unix.Errno{0, unix.EINVAL, 0, unix.EINVAL, unix.EINVAL, 0}},
		{codes: []uint32{success, 0x80000001, success, 0x80000001, 0x80000001, success}},
	} {
		answers.word = 0x5
		m := newMachine(t, "pi-4b-debian")
		m.devices["dev/vcio"] = answers
		throttling, err := m.open(t)
		if err != nil {
			t.Fatal(err)
		}
		if word, known, err := throttling.Word(); err != nil || word != 5 || known != all {
			t.Errorf("one refusal: %#x, %#x, %v", word, known, err)
		}
		if word, known, err := throttling.Word(); !errors.Is(err, ErrNoAnswer) || word != 0 || known != 0 {
			t.Errorf("two refusals: %#x, %#x, %v", word, known, err)
		}
		if word, _, err := throttling.Word(); err != nil || word != 5 || answers.asked != 6 {
			t.Errorf("afterwards: %#x, %v, %d questions", word, err, answers.asked)
		}
	}
}

func TestMeasure(t *testing.T) {
	for _, node := range []string{"dev/vcio_gencmd", "dev/vcio"} {
		m := newMachine(t, "pi-4b")
		m.devices[node] = gencmdNode("0x0")
		if node == "dev/vcio" {
			m.devices[node].allowed = 0
		}
		throttling, err := m.open(t)
		if err != nil {
			t.Fatal(err)
		}
		if celsius, err := throttling.MeasureTemperature(); err != nil || celsius != 48.3 {
			t.Errorf("%s: %v, %v", node, celsius, err)
		}
		if hertz, err := throttling.MeasureClock(); err != nil || hertz != 1500345728 {
			t.Errorf("%s: %v, %v", node, hertz, err)
		}
		delete(m.devices[node].texts, "measure_temp")
		if _, err := throttling.MeasureTemperature(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "measure_temp") {
			t.Errorf("%s: a firmware without the command: %v", node, err)
		}
	}
	throttling, err := newMachine(t, "pi-4b").open(t)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := throttling.MeasureClock(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("rpi_volt measures a clock: %v", err)
	}
}

func TestAlarmErrors(t *testing.T) {
	m := newMachine(t, "pi-4b")
	throttling, err := m.open(t)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.root, "sys/class/hwmon/hwmon1/in0_lcrit_alarm")
	for _, content := range []string{"", "2\n", "yes\n"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if word, known, err := throttling.Word(); err == nil || word != 0 || known != 0 {
			t.Errorf("%q: %#x, %#x, %v", content, word, known, err)
		}
	}
	if err := throttling.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := throttling.Word(); err == nil {
		t.Error("word after close")
	}
}

// TestRealFilesAreNoMailbox sends the real ioctl to what is no vcio device.
func TestRealFilesAreNoMailbox(t *testing.T) {
	for _, path := range []string{"/dev/null", filepath.Join(hosttest.Tree(t, "pc"), "etc/os-release")} {
		m, err := openDevice(path)
		if err != nil {
			t.Fatal(err)
		}
		words := throttledMessage()
		if err := m.property(words[:]); !errors.Is(err, unix.ENOTTY) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", path, err)
		}
		if err := errors.Join(closeMailbox(m), closeMailbox(m)); err != nil {
			t.Error(err)
		}
		if err := m.property(words[:]); !errors.Is(err, unix.EBADF) {
			t.Errorf("%s after close: %v", path, err)
		}
	}
	if _, err := openDevice(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestWordAllocatesNothing(t *testing.T) {
	for _, node := range []string{"dev/vcio_gencmd", "dev/vcio", "none"} {
		m := newMachine(t, "pi-4b")
		throttling, err := open(m.root, func(path string) (mailbox, error) {
			if path == filepath.Join(m.root, node) {
				return flat{}, nil
			}
			return nil, fs.ErrNotExist
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _, _ = throttling.Word() }); n != 0 {
			t.Errorf("%s: %v allocations", node, n)
		}
	}
}

// The kernel's driver clears the history before anybody has read it: only its alarm still knows of the dip.
func TestDipThatTheKernelCleared(t *testing.T) {
	m := newMachine(t, "pi-3b-plus")
	node := gencmdNode("0x0")
	m.devices["dev/vcio_gencmd"] = node
	throttling, err := m.open(t)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.root, "sys/class/hwmon/hwmon1/in0_lcrit_alarm")
	for i, step := range []struct {
		word, alarm string
		want        uint32
	}{
		{"0x0", "0", 0},
		{"0x0", "1", 0x10000}, // a dip between the two, which the driver has cleared
		{"0x0", "1", 0},       // the same dip
		{"0x0", "0", 0},
		{"0x10000", "0", 0x10000}, // a dip that was read in time
		{"0x0", "1", 0},           // and cleared then
		{"0x0", "0", 0},
		{"0x1", "1", 1}, // raised now: the alarm tells nothing new
		{"0xe000a", "0", 0xe000a},
		{"0xe000a", "1", 0xf000a},
	} {
		node.texts["get_throttled"] = "throttled=" + step.word
		if err := os.WriteFile(path, []byte(step.alarm+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if word, known, err := throttling.Word(); word != step.want || known != 0xf000f || err != nil {
			t.Errorf("step %d: word %#x with alarm %s gives %#x, %#x, %v; want %#x", i, step.word, step.alarm, word, known, err, step.want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if word, _, err := throttling.Word(); word != 0xe000a || err != nil {
		t.Errorf("without its alarm: %#x, %v", word, err)
	}
}
