package board

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/host/hosttest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestBoards compares every board with testdata/boards.txt.
func TestBoards(t *testing.T) {
	var got strings.Builder
	for _, name := range hosttest.Boards() {
		b, err := Read(hosttest.Tree(t, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s\n  %q, %v, limit %v C, GPIO18 on pin %d\n  %q revision %x, %q, %s\n  kernel %q of %q, host %q, boot %q, released outputs %v\n",
			name, b.Model, b.Kind, b.Kind.SoCLimitCelsius(), b.Kind.HeaderPin(18), b.Compatible, b.Revision, b.SoC, b.Architecture,
			b.Kernel, b.Distribution, b.Hostname, b.BootID, b.ReleasedOutputs)
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

// TestLiveSystem: what periph tells of this machine is what the files say.
func TestLiveSystem(t *testing.T) {
	ours, theirs := fromFiles("/"), fromDistro()
	for _, key := range []string{"model name", "Revision"} {
		if ours.processor[key] != theirs.processor[key] {
			t.Errorf("%s: %q here, %q by periph", key, ours.processor[key], theirs.processor[key])
		}
	}
	ours.processor, theirs.processor = nil, nil
	if fmt.Sprint(ours) != fmt.Sprint(theirs) {
		t.Errorf("the files say %v, periph says %v", ours, theirs)
	}
	for _, root := range []string{"", "/"} {
		b, err := Read(root)
		if err != nil || b.Kernel == "" || b.Architecture == "" || b.BootID == "" {
			t.Errorf("root %q: %+v, %v", root, b, err)
		}
	}
}

// TestArchitectureBefore61: uname serves where the kernel has no such file, and
// only for the live system.
func TestArchitectureBefore61(t *testing.T) {
	if machine() == "" {
		t.Error("uname gives no machine")
	}
	if b, _ := Read(hosttest.Tree(t, "rk3328")); b.Architecture != "" {
		t.Errorf("another root got this machine's %s", b.Architecture)
	}
}

func TestRootThatIsNoDirectory(t *testing.T) {
	file := filepath.Join(hosttest.Tree(t, "pc"), "etc/os-release")
	for _, root := range []string{file, filepath.Join(t.TempDir(), "none")} {
		if b, err := Read(root); err == nil || !strings.Contains(err.Error(), root) {
			t.Errorf("%s: %+v, %v", root, b, err)
		}
	}
}

// TestRevisionFromProcessor: old kernels have it in /proc/cpuinfo only.
func TestRevisionFromProcessor(t *testing.T) {
	root := hosttest.Tree(t, "pi-1b")
	if err := os.RemoveAll(filepath.Join(root, "proc/device-tree/system")); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(root); err != nil || b.Revision != 0xe {
		t.Errorf("%x, %v", b.Revision, err)
	}
}

func TestReleasedOutputs(t *testing.T) {
	for value, want := range map[string]Outputs{"Y\n": OutputsKept, "N\n": OutputsDropped, "?\n": OutputsUnknown} {
		root := t.TempDir()
		hosttest.Unpack(t, root, "-- sys/module/pinctrl_rp1/parameters/persist_gpio_outputs --\n"+value)
		if b, err := Read(root); err != nil || b.ReleasedOutputs != want {
			t.Errorf("%q: %v, %v", value, b.ReleasedOutputs, err)
		}
	}
}

func TestDistribution(t *testing.T) {
	for content, want := range map[string]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=Debian\n": "Debian GNU/Linux 12 (bookworm)",
		"NAME='Arch Linux ARM'\n": "Arch Linux ARM",
		"# PRETTY_NAME=No\n":      "",
		"PRETTY_NAME=\n":          "",
		"":                        "",
	} {
		root := t.TempDir()
		hosttest.Unpack(t, root, "-- etc/os-release --\n"+content)
		if b, err := Read(root); err != nil || b.Distribution != want {
			t.Errorf("%q: %q, %v", content, b.Distribution, err)
		}
	}
}
