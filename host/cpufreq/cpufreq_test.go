package cpufreq

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/host/hosttest"
)

func openBoard(t testing.TB, board string) *Clock {
	t.Helper()
	clock, err := Open(hosttest.Tree(t, board))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clock.Close() })
	return clock
}

func TestBoards(t *testing.T) {
	for board, want := range map[string]uint64{
		"pi-1b": 700_000_000, "pi-3b-plus": 1_400_000_000, "pi-4b": 1_800_000_000, "pi-5": 2_400_000_000,
		"bananapi": 960_000_000, "rk3328": 1_296_000_000,
	} {
		if got, err := openBoard(t, board).Read(); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", board, got, err, want)
		}
	}
	for _, board := range []string{"pc", "container"} {
		if _, err := Open(hosttest.Tree(t, board)); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", board, err)
		}
	}
}

func TestReadFollowsTheKernel(t *testing.T) {
	clock := openBoard(t, "pi-4b")
	for content, want := range map[string]uint64{"600000\n": 600_000_000, "0\n": 0, "-1\n": 0, "<unknown>\n": 0, "": 0} {
		if err := os.WriteFile(clock.Source(), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := clock.Read()
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", content, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "scaling_cur_freq") {
			t.Errorf("%q: %v does not name the file", content, err)
		}
	}
}

func TestClosed(t *testing.T) {
	clock := openBoard(t, "pi-4b")
	if err := clock.Close(); err != nil {
		t.Fatal(err)
	}
	if hertz, err := clock.Read(); err == nil {
		t.Errorf("read %d after close", hertz)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	clock := openBoard(t, "pi-4b")
	if n := testing.AllocsPerRun(100, func() { _, _ = clock.Read() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
