// Package hosttest holds kernel trees of real kinds of boards for tests: what a
// Raspberry Pi 3B+, a Banana Pi or a PC shows under /proc, /sys and /etc, as far
// as bramble reads it. They are written after the drivers' sources and published
// listings; numbers in them are examples.
//
// A tree is one text file in testdata. A line "-- path --" begins a file, whose
// content are the lines up to the next such line; "-- path -> target --" makes a
// symbolic link, as /sys/class is full of. Content that begins with a double
// quote is a Go string literal, for the device tree's NUL-terminated strings.
package hosttest

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

//go:embed testdata/*.txt
var trees embed.FS

// Boards returns the names of all trees, sorted.
func Boards() []string {
	entries, err := fs.ReadDir(trees, "testdata")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = strings.TrimSuffix(entry.Name(), ".txt")
	}
	return names
}

// Tree unpacks the named board's tree into a directory of its own, which goes
// away with the test, and returns it. It is the root to give to the packages
// under host.
func Tree(t testing.TB, board string) (root string) {
	t.Helper()
	text, err := trees.ReadFile("testdata/" + board + ".txt")
	if err != nil {
		t.Fatalf("no kernel tree %q; there are %v", board, Boards())
	}
	root = t.TempDir()
	Unpack(t, root, string(text))
	return root
}

// Unpack adds the files of a tree's text to root, over what is there.
func Unpack(t testing.TB, root, text string) {
	t.Helper()
	var name string
	var content strings.Builder
	finish := func() {
		if name != "" {
			put(t, root, name, content.String())
		}
		content.Reset()
	}
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSuffix(line, "\n")
		if marked, ok := strings.CutPrefix(trimmed, "-- "); ok && strings.HasSuffix(marked, " --") {
			finish()
			name = strings.TrimSuffix(marked, " --")
			continue
		}
		content.WriteString(line)
	}
	finish()
}

func put(t testing.TB, root, name, content string) {
	t.Helper()
	name, target, link := strings.Cut(name, " -> ")
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if link {
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if strings.HasPrefix(content, `"`) {
		literal, err := strconv.Unquote(strings.TrimSpace(content))
		if err != nil {
			t.Fatalf("%s: %q is no string literal: %v", name, content, err)
		}
		content = literal
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
