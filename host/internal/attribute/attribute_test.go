package attribute

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *File {
	t.Helper()
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func TestIntReadsTheValueAnew(t *testing.T) {
	path := write(t, "51540\n")
	file := open(t, path)
	for _, step := range []struct {
		content string
		want    int64
	}{{"51540\n", 51540}, {"-25500\n", -25500}, {"0", 0}, {" 7 \n", 7}} {
		if err := Write(path, step.content); err != nil {
			t.Fatal(err)
		}
		if got, err := file.Int(); err != nil || got != step.want {
			t.Errorf("content %q: got %d, %v; want %d", step.content, got, err, step.want)
		}
	}
}

func TestIntRefusesWhatIsNoNumber(t *testing.T) {
	for _, content := range []string{"", "\n", "hot", "12.5", "0x10", "1 2", strings.Repeat("9", 40)} {
		if got, err := open(t, write(t, content)).Int(); err == nil {
			t.Errorf("content %q read as %d", content, got)
		}
	}
}

// A pread of the unmapped first page of /proc/self/mem is an EIO that a real
// kernel makes.
func TestIntGivesTheKernelsError(t *testing.T) {
	_, err := open(t, "/proc/self/mem").Int()
	if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "/proc/self/mem") {
		t.Errorf("got %v, want EIO that names the file", err)
	}
}

func TestIntErrors(t *testing.T) {
	file := open(t, write(t, "1"))
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINVAL, unix.ENODATA, unix.EIO, unix.ENODEV} {
		file.pread = func(int, []byte, int64) (int, error) { return -1, errno }
		if _, err := file.Int(); !errors.Is(err, errno) {
			t.Errorf("%v: got %v", errno, err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = file.Int() }); n != 0 {
			t.Errorf("%v allocates %v times", errno, n)
		}
	}
}

func TestIntGoesOnAfterASignal(t *testing.T) {
	file := open(t, write(t, "42\n"))
	interrupted := 0
	file.pread = func(fd int, p []byte, offset int64) (int, error) {
		if interrupted++; interrupted < 3 {
			return -1, unix.EINTR
		}
		return unix.Pread(fd, p, offset)
	}
	if got, err := file.Int(); err != nil || got != 42 {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestMoved(t *testing.T) {
	path := write(t, "1")
	file := open(t, path)
	if file.Moved() {
		t.Error("moved at once")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !file.Moved() {
		t.Error("not moved though removed")
	}
	if err := os.WriteFile(path, []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !file.Moved() {
		t.Error("not moved though another file has its place")
	}
}

func TestCloseTwiceAndReadAfter(t *testing.T) {
	file := open(t, write(t, "1"))
	if err := errors.Join(file.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Int(); !errors.Is(err, unix.EBADF) {
		t.Errorf("read after close: %v", err)
	}
}

func TestMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	_, openErr := Open(path)
	_, textErr := Text(path)
	for _, err := range []error{openErr, textErr, Write(path, "1")} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v", err)
		}
	}
}

func TestText(t *testing.T) {
	for content, want := range map[string]string{
		"cpu-thermal\n":               "cpu-thermal",
		"Raspberry Pi 4 Model B\x00":  "Raspberry Pi 4 Model B",
		"a\xff\xfeb\x1b[31m\n":        "ab[31m",
		"  Sensor 1 \n":               "Sensor 1",
		strings.Repeat("long ", 2000): strings.TrimSpace(strings.Repeat("long ", 2000)[:4096]),
	} {
		if got, err := Text(write(t, content)); err != nil || got != want {
			t.Errorf("%.30q: got %.30q, %v", content, got, err)
		}
	}
}

func TestPath(t *testing.T) {
	for _, root := range []string{"", "/"} {
		if got := Path(root, "sys", "class/net"); got != "/sys/class/net" {
			t.Errorf("root %q: %s", root, got)
		}
	}
	if got := Path("/tmp/tree", "/sys"); got != "/tmp/tree/sys" {
		t.Error(got)
	}
	if got := Path("testdata", "sys"); got != "testdata/sys" {
		t.Error(got)
	}
}

func TestIntAllocatesNothing(t *testing.T) {
	file := open(t, write(t, "51540\n"))
	if n := testing.AllocsPerRun(100, func() { _, _ = file.Int() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkInt(b *testing.B) {
	path := filepath.Join(b.TempDir(), "value")
	if err := os.WriteFile(path, []byte("51540\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	file := open(b, path)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := file.Int(); err != nil {
			b.Fatal(err)
		}
	}
}
