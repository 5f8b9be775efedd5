package hosttest

import (
	"os"
	"path/filepath"
	"testing"
)

// Every link in every tree leads somewhere inside it, as in a kernel's; only the
// broken tree has one that does not.
func TestTreesAreWhole(t *testing.T) {
	boards := Boards()
	if len(boards) < 9 {
		t.Fatalf("only %v", boards)
	}
	for _, board := range boards {
		root := Tree(t, board)
		dangling := 0
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type() == os.ModeSymlink {
				if _, err := os.Stat(path); err != nil {
					dangling++
					if board != "broken" {
						t.Errorf("%s: %v", board, err)
					}
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if board == "broken" && dangling == 0 {
			t.Error("the broken tree has no dangling link")
		}
	}
}

func TestUnpack(t *testing.T) {
	root := t.TempDir()
	Unpack(t, root, "a comment\n-- sys/one --\n1\n-- sys/two -> one --\n-- model --\n\"Pi\\x00\"\n-- empty --\n")
	for name, want := range map[string]string{"sys/one": "1\n", "sys/two": "1\n", "model": "Pi\x00", "empty": ""} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
