package machines

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What could not be made whole is made again; what is whole is not.
func TestOnce(t *testing.T) {
	b := &builder{cache: t.TempDir()}
	var calls int
	fill := func(failure error) (string, error) {
		return b.once("part", func(dir string) error {
			calls++
			write(t, filepath.Join(dir, "piece"), "x", 0o644)
			return failure
		})
	}
	broken := errors.New("no disk")
	if _, err := fill(broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(b.cache); len(left) != 0 {
		t.Errorf("a failure left %v", left)
	}
	write(t, filepath.Join(b.cache, "part.unfinished/old"), "of a killed run", 0o644)
	for range 2 {
		dir, err := fill(nil)
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "piece" {
			t.Errorf("the part has %v", left)
		}
	}
	if calls != 2 {
		t.Errorf("made %d times, want 2", calls)
	}
}

func TestDigest(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "modules", "a")
	seen := map[string]bool{}
	take := func(texts ...string) {
		t.Helper()
		name, err := digest(texts, filepath.Join(root, "modules"))
		if err != nil {
			t.Fatal(err)
		}
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
	write(t, path, "1", 0o644)
	take("6.1")
	take("6.", "1")
	write(t, path, "2", 0o644)
	take("6.1")
	if err := os.Rename(path, path+"b"); err != nil {
		t.Fatal(err)
	}
	take("6.1")
	// The tree may lie anywhere.
	other := t.TempDir()
	write(t, filepath.Join(other, "modules/ab"), "2", 0o644)
	if name, err := digest([]string{"6.1"}, filepath.Join(other, "modules")); err != nil || !seen[name] {
		t.Errorf("another place is another digest: %s, %v", name, err)
	}
}

func TestClosure(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "modules.dep"), `kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko
kernel/fs/jbd2/jbd2.ko: kernel/lib/crc16.ko
kernel/lib/crc16.ko:
kernel/drivers/i2c/i2c-dev.ko.xz:
`, 0o644)
	write(t, filepath.Join(dir, "modules.builtin"), "kernel/drivers/usb/dwc2.ko\n", 0o644)
	got, err := closure(dir, []string{"i2c-dev", "ext4", "jbd2", "dwc2"})
	want := []string{"kernel/drivers/i2c/i2c-dev.ko.xz", "kernel/lib/crc16.ko", "kernel/fs/jbd2/jbd2.ko", "kernel/fs/ext4/ext4.ko"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := closure(dir, []string{"none"}); err == nil || !strings.Contains(err.Error(), "no module none") {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestConfigLimits(t *testing.T) {
	for _, config := range []Config{
		{Name: "a b"},
		{Name: "-a"},
		{Files: map[string]string{"relative": "x"}},
	} {
		if _, err := config.withDefaults(); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
	got, err := Config{}.withDefaults()
	if err != nil || got.Name != "machine" || got.CPUs != 2 || got.MemoryMB != 768 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLastLines(t *testing.T) {
	if got := lastLines("a\n\n b \nc\n", 2); got != "b | c" {
		t.Errorf("got %q", got)
	}
}
