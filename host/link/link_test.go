package link

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/hosttest"
)

func openTree(t testing.TB, root string) *Ports {
	t.Helper()
	ports, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Close() })
	return ports
}

func TestBoards(t *testing.T) {
	for board, want := range map[string]string{
		"pi-1b":        "eth0 100",
		"pi-3b-plus":   "eth0 1000",
		"pi-4b-debian": "end0 0",
		"bananapi":     "eth0 1000",
		"rk3328":       "eth0 100",
		"pc":           "enp3s0 1000, enp4s0 unsupported, enx02 2500",
		"broken":       "",
		"container":    "",
	} {
		ports := openTree(t, hosttest.Tree(t, board))
		var got []string
		for i, name := range ports.Names() {
			speed, err := ports.Read(i)
			switch {
			case errors.Is(err, errors.ErrUnsupported):
				got = append(got, name+" unsupported")
			case err != nil:
				t.Errorf("%s: %v", board, err)
			default:
				got = append(got, fmt.Sprint(name, " ", speed))
			}
		}
		if list := strings.Join(got, ", "); list != want {
			t.Errorf("%s: %s; want %s", board, list, want)
		}
	}
}

// script is a kernel file whose answer is set by the test.
type script struct {
	value int64
	errno unix.Errno
}

func (s *script) Int() (int64, error) {
	if s.errno != 0 {
		return 0, &fs.PathError{Op: "read", Path: "file", Err: s.errno}
	}
	return s.value, nil
}
func (s *script) Moved() bool  { return false }
func (s *script) Close() error { return nil }

func TestRead(t *testing.T) {
	carrier, speed := &script{}, &script{}
	ports, err := open(hosttest.Tree(t, "pi-4b"), func(path string) (input, error) {
		if strings.HasSuffix(path, "carrier") {
			return carrier, nil
		}
		return speed, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		carrier, speed script
		want           uint32
		err            error
	}{
		{"up", script{value: 1}, script{value: 1000}, 1000, nil},
		{"fallen back", script{value: 1}, script{value: 10}, 10, nil},
		{"cable pulled", script{value: 0}, script{value: -1}, 0, nil},
		{"set down", script{errno: unix.EINVAL}, script{errno: unix.EINVAL}, 0, nil},
		{"went down between the two", script{value: 1}, script{errno: unix.EINVAL}, 0, errors.ErrUnsupported},
		{"speed unknown", script{value: 1}, script{value: -1}, 0, errors.ErrUnsupported},
		{"speed unknown, 16 bits", script{value: 1}, script{value: 65535}, 0, errors.ErrUnsupported},
		{"speed unknown, 32 bits", script{value: 1}, script{value: 4294967295}, 0, errors.ErrUnsupported},
		{"adapter pulled", script{errno: unix.ENODEV}, script{}, 0, errors.ErrUnsupported},
		{"broken", script{errno: unix.EIO}, script{}, 0, unix.EIO},
		{"broken speed", script{value: 1}, script{errno: unix.ETIMEDOUT}, 0, unix.ETIMEDOUT},
	} {
		*carrier, *speed = test.carrier, test.speed
		got, err := ports.Read(0)
		if got != test.want || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("%s: %d, %v", test.name, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "eth0") {
			t.Errorf("%s: %v does not name the port", test.name, err)
		}
		if test.err == unix.EIO && errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v is no missing port", test.name, err)
		}
	}
	if _, err := ports.Read(1); err == nil {
		t.Error("a port that does not exist was read")
	}
}

// TestAdapterPulledAndPlugged: a USB adapter goes, comes back, and another joins.
func TestAdapterPulledAndPlugged(t *testing.T) {
	root := hosttest.Tree(t, "pi-1b")
	ports := openTree(t, root)
	rescan := func(want bool) {
		t.Helper()
		if changed, err := ports.Rescan(); err != nil || changed != want {
			t.Errorf("changed %v, %v; want %v", changed, err, want)
		}
	}
	rescan(false)
	class, aside := filepath.Join(root, "sys/class/net/eth0"), filepath.Join(root, "aside")
	if err := os.Rename(class, aside); err != nil {
		t.Fatal(err)
	}
	rescan(true)
	rescan(false)
	if _, err := ports.Read(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("pulled: %v", err)
	}
	if err := os.Rename(aside, class); err != nil {
		t.Fatal(err)
	}
	hosttest.Unpack(t, root, `
-- sys/class/net/eth1/type --
1
-- sys/class/net/eth1/device/vendor --
0x10ec
-- sys/class/net/eth1/carrier --
0
-- sys/class/net/eth1/speed --
-1
`)
	rescan(true)
	if names := ports.Names(); !slices.Equal(names, []string{"eth0", "eth1"}) {
		t.Errorf("ports %v", names)
	}
	if speed, err := ports.Read(0); err != nil || speed != 100 {
		t.Errorf("plugged: %d, %v", speed, err)
	}
}

// TestReplacedBetweenScans: the adapter went and came back under its name.
func TestReplacedBetweenScans(t *testing.T) {
	root := hosttest.Tree(t, "pi-1b")
	ports := openTree(t, root)
	dir := filepath.Join(root, "sys/class/net/eth0")
	for name, value := range map[string]string{"carrier": "1\n", "speed": "10\n"} {
		if err := errors.Join(os.Remove(filepath.Join(dir, name)), os.WriteFile(filepath.Join(dir, name), []byte(value), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if changed, err := ports.Rescan(); err != nil || !changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	if speed, err := ports.Read(0); err != nil || speed != 10 {
		t.Errorf("%d, %v", speed, err)
	}
}

func TestClosed(t *testing.T) {
	ports := openTree(t, hosttest.Tree(t, "pi-4b"))
	if err := errors.Join(ports.Close(), ports.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := ports.Read(0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	ports := openTree(t, hosttest.Tree(t, "pc")) // one of them does not tell its speed
	n := testing.AllocsPerRun(100, func() {
		for i := range ports.ports {
			_, _ = ports.Read(i)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
