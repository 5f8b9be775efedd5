package thermal

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/host/hosttest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestBoards compares what every board shows with testdata/boards.txt, which is
// meant to be read: it is the specification of names, kinds and limits.
func TestBoards(t *testing.T) {
	var got strings.Builder
	for _, board := range hosttest.Boards() {
		root := hosttest.Tree(t, board)
		set, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		fmt.Fprintf(&got, "%s\n", board)
		seen := map[string]bool{}
		for i, sensor := range set.Sensors() {
			if seen[sensor.Name] {
				t.Errorf("%s: two sensors are called %s", board, sensor.Name)
			}
			seen[sensor.Name] = true
			fmt.Fprintf(&got, "  %-28s %-5v limit %-6v", sensor.Name, sensor.Kind, sensor.LimitCelsius)
			if sensor.Interval != 0 {
				fmt.Fprintf(&got, " every %v", sensor.Interval)
			}
			celsius, err := set.Read(i)
			if err != nil {
				fmt.Fprintf(&got, " unsupported %v: %s\n", errors.Is(err, errors.ErrUnsupported), strings.ReplaceAll(err.Error(), root, ""))
				continue
			}
			fmt.Fprintf(&got, " %v C\n", celsius)
		}
	}
	golden := filepath.Join("testdata", "boards.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got:\n%s\nwant (-update rewrites it):\n%s", got.String(), want)
	}
}

// A directory that cannot be listed is the one thing that Open refuses.
func TestOpenRefusesAFileForADirectory(t *testing.T) {
	root := t.TempDir()
	hosttest.Unpack(t, root, "-- sys/class/hwmon --\nno directory\n")
	if _, err := Open(root); err == nil || !strings.Contains(err.Error(), "/sys/class/hwmon") {
		t.Errorf("got %v", err)
	}
}
