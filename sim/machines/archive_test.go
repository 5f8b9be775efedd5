package machines

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
)

// entry is what a kernel would make of a piece of an archive.
type entry struct {
	name string
	mode uint64
	data string
}

// unpack reads an archive as the kernel's init/initramfs.c does.
func unpack(t *testing.T, archive []byte) []entry {
	t.Helper()
	align := func(n uint64) uint64 { return (n + 3) &^ 3 }
	var entries []entry
	for at := uint64(0); ; {
		head := archive[at:]
		if string(head[:6]) != "070701" {
			t.Fatalf("no entry at %d: %q", at, head[:6])
		}
		field := func(n int) uint64 {
			value, err := strconv.ParseUint(string(head[6+8*n:14+8*n]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		size, length := field(6), field(11)
		name := string(head[110 : 110+length-1])
		if name == "TRAILER!!!" {
			return entries
		}
		data := align(at + 110 + length)
		entries = append(entries, entry{name, field(1), string(archive[data : data+size])})
		at = align(data + size)
	}
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tree/sub/script"), "#!", 0o755)
	write(t, filepath.Join(dir, "tree/text"), "12345", 0o600)
	if err := os.Symlink("sub/script", filepath.Join(dir, "tree/to")); err != nil {
		t.Fatal(err)
	}
	var a archive
	a.add("/order", modeFile|0o644, []byte("a\n"))
	if err := a.tree("usr/lib", filepath.Join(dir, "tree")); err != nil {
		t.Fatal(err)
	}
	if err := a.file("etc/none", filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there was added")
	}
	want := []entry{
		{"order", 0o100644, "a\n"},
		{"usr", 0o040755, ""},
		{"usr/lib", 0o040755, ""},
		{"usr/lib/sub", 0o040755, ""},
		{"usr/lib/sub/script", 0o100755, "#!"},
		{"usr/lib/text", 0o100644, "12345"},
		{"usr/lib/to", 0o120777, "sub/script"},
	}
	if got := unpack(t, a.end()); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

// A machine's own files come last, below what the init copies on a PC and at their place on a board, and not through a link.
func TestOwnFiles(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "deploy/a.service"), "[Unit]", 0o644)
	write(t, filepath.Join(root, "tool"), "x", 0o755)
	config := Config{Files: map[string]string{"/bin/tool": "tool"}, Units: []string{"deploy/a.service"}}
	for _, test := range []struct {
		image Image
		want  []string
	}{
		{Image{}, []string{"overlay", "overlay/usr", "overlay/usr/bin", "overlay/usr/bin/tool", "overlay/etc", "overlay/etc/systemd", "overlay/etc/systemd/system", "overlay/etc/systemd/system/a.service"}},
		{Image{board: true}, []string{"bin", "bin/tool", "etc", "etc/systemd", "etc/systemd/system", "etc/systemd/system/a.service"}},
	} {
		archive, err := test.image.withFiles(root, config)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range unpack(t, archive) {
			got = append(got, e.name)
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
