package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bramblemesh/bramble/agent/throttle"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/hashicorp/go-hclog"
)

func TestFlagEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		stream := r.watch(0)
		r.receive(stream)
		for _, step := range []struct {
			word  uint32
			edges string
			sent  bool // the state of the flags
		}{
			{0x50005, "under-voltage 1 up, throttled 1 up", true},
			{0x50005, "", false},
			{0x50000, "under-voltage 1 down, throttled 1 down", true},
			{0x00000, "", false}, // another program cleared the history
			{0x10000, "under-voltage 2 up, under-voltage 2 down", true},
		} {
			aligned()
			r.set(func(b *board) { b.word = step.word })
			m := r.receive(stream)
			if got := describeEdges(m.GetFlagEdges()); got != step.edges {
				t.Errorf("%#x: edges %q, want %q", step.word, got, step.edges)
			}
			if sent := m.GetThrottling() != nil; sent != step.sent {
				t.Errorf("%#x: flags sent: %v", step.word, m.GetThrottling())
			}
			for _, e := range m.GetFlagEdges() {
				if e.GetAgeMilliseconds() != 0 {
					t.Errorf("%#x: edge %v", step.word, e)
				}
			}
		}
	})
}

func describeEdges(edges []*agentv1.FlagEdge) string {
	var all []string
	for _, e := range edges {
		way := " down"
		if e.GetActive() {
			way = " up"
		}
		all = append(all, throttle.Flag(e.GetFlag()-1).String()+" "+string(rune('0'+e.GetCount()))+way)
	}
	return strings.Join(all, ", ")
}

func TestWordThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.word = 0x10001
		r := start(t, b, nil)
		stream := r.watch(0)
		r.receive(stream)
		aligned()
		r.set(func(b *board) { b.wordErr = errors.New("the firmware gave no answer") })
		m := r.receive(stream)
		if m.GetThrottling().GetError() != "the firmware gave no answer" || !m.GetThrottling().GetFlags()[0].GetActive() || len(m.GetFlagEdges()) != 0 {
			t.Errorf("after a failed read: %v", m)
		}
		if m = r.receive(stream); m.GetThrottling() != nil {
			t.Errorf("the same failure is sent again: %v", m.GetThrottling())
		}
		for _, c := range r.node().GetNode().GetCapabilities() {
			if c.GetKind() == agentv1.CapabilityKind_CAPABILITY_KIND_THROTTLING &&
				(c.GetState() != agentv1.CapabilityState_CAPABILITY_STATE_FAILED || c.GetDetail() == "") {
				t.Errorf("capability: %v", c)
			}
		}
		aligned()
		r.set(func(b *board) { b.wordErr, b.word = nil, 0x10000 })
		if m = r.receive(stream); describeEdges(m.GetFlagEdges()) != "under-voltage 1 down" || m.GetThrottling().GetError() != "" {
			t.Errorf("after it answered again: %v", m)
		}
		aligned()
		r.set(func(b *board) { b.source, b.known = "/sys/class/hwmon/hwmon2/in0_lcrit_alarm", 0x10001 })
		m = r.receive(stream)
		if m.GetThrottling().GetSource() != agentv1.ThrottlingSource_THROTTLING_SOURCE_RPI_VOLT || len(m.GetThrottling().GetFlags()) != 1 || m.GetNode() == nil {
			t.Errorf("from another source: %v", m)
		}
		aligned()
		r.set(func(b *board) { b.wordErr = errors.ErrUnsupported })
		m = r.receive(stream)
		if m.GetThrottling().GetSource() != 0 || len(m.GetThrottling().GetFlags()) != 0 || m.GetThrottling().GetError() != "" || m.GetNode() == nil {
			t.Errorf("unsupported: %v", m)
		}
	})
}

// TestCountsSurviveARestart restarts the agent within a boot and after another one.
func TestCountsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags.json")
	count := func(t *testing.T, boot string, words ...uint32) (n uint64) {
		synctest.Test(t, func(t *testing.T) {
			b := newBoard()
			b.word = words[0]
			r := start(t, b, func(c *Config) { c.StatePath, c.BootID = path, boot })
			for _, word := range words[1:] {
				aligned()
				r.set(func(b *board) { b.word = word })
				aligned()
			}
			synctest.Wait()
			n = r.node().GetThrottling().GetFlags()[0].GetCount()
		})
		return n
	}
	if n := count(t, "boot-1", 0x10000, 0x10001, 0x10000, 0x10001); n != 3 {
		t.Errorf("the first run counts %d", n)
	}
	if n := count(t, "boot-1", 0x10001, 0x10000); n != 3 {
		t.Errorf("after a restart within the boot: %d", n)
	}
	if n := count(t, "boot-1", 0, 0x10000); n != 4 {
		t.Errorf("after another: %d", n)
	}
	if n := count(t, "boot-2", 0x10001); n != 1 {
		t.Errorf("in the next boot: %d", n)
	}
	if err := os.WriteFile(path, []byte(`{"boot_id":"boot-2","counts":[7`), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := count(t, "boot-2", 0x10001); n != 1 {
		t.Errorf("from a damaged file: %d", n)
	}
	if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// TestAnotherSourceIsNoDip goes from the firmware's history to rpi_volt's alarm and back.
func TestAnotherSourceIsNoDip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.word = 0x10000
		r := start(t, b, nil)
		stream := r.watch(0)
		r.receive(stream)
		for _, step := range []struct {
			source      string
			word, known uint32
		}{{"/sys/class/hwmon/hwmon2/in0_lcrit_alarm", 0, 0x10001}, {"/dev/vcio_gencmd", 0x10000, 0xf000f}} {
			aligned()
			r.set(func(b *board) { b.source, b.word, b.known = step.source, step.word, step.known })
			m := r.receive(stream)
			if len(m.GetFlagEdges()) != 0 || m.GetThrottling().GetFlags()[0].GetCount() != 1 {
				t.Errorf("from %s: %v", step.source, m)
			}
		}
	})
}

// TestNoWritesWhileNothingChanges removes the file: only a change brings it back.
func TestNoWritesWhileNothingChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags.json")
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.word = 0x50005
		r := start(t, b, func(c *Config) { c.StatePath = path })
		if err := os.Remove(path); err != nil {
			t.Fatalf("the first sample was not kept: %v", err)
		}
		aligned()
		time.Sleep(time.Hour)
		if _, err := os.Stat(path); err == nil {
			t.Error("written again though nothing changed")
		}
		r.set(func(b *board) { b.word = 0x50000 })
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := os.Stat(path); err != nil {
			t.Errorf("a change is not kept: %v", err)
		}
	})
}

// TestStateThatCannotBeKept shows that a full or missing disk stops nothing, and is tried again.
func TestStateThatCannotBeKept(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "missing")
	path := filepath.Join(directory, "flags.json")
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.word = 0x50005
		log := &lines{}
		r := start(t, b, func(c *Config) { c.StatePath, c.Logger = path, log.logger() })
		time.Sleep(time.Minute)
		if n := r.node().GetThrottling().GetFlags()[0].GetCount(); n != 1 {
			t.Errorf("counts %d", n)
		}
		if err := os.Mkdir(directory, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepRetry)
		synctest.Wait()
		if state, err := readState[throttle.State](path, maxStateFile); err != nil || state.Counts[0] != 1 {
			t.Errorf("kept %v, %v", state, err)
		}
		if n := log.count("are not kept"); n != 1 {
			t.Errorf("%d lines about it:\n%s", n, log)
		}
		if log.count("kept again") != 1 {
			t.Errorf("no line that it is kept again:\n%s", log)
		}
	})
}

// TestLastChangeIsKept changes the counts at the very moment at which the agent stops.
func TestLastChangeIsKept(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // the keeper sees both at once and takes either first
		k := newKeeper(filepath.Join(t.TempDir(), "flags.json"), hclog.NewNullLogger())
		last := throttle.State{BootID: "boot-1", Word: 1}
		k.changed(last)
		k.run(ctx, func() throttle.State { return last })
		if kept, err := readState[throttle.State](k.path, maxStateFile); err != nil || kept != last {
			t.Fatalf("kept %v, %v", kept, err)
		}
	}
}
