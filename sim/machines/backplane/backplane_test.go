package backplane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// pair is a master with the rail and the done line of one worker, and a second worker's done line.
func pair() Config {
	return Config{
		Boards: []Board{{"master", 8}, {"worker-1", 4}, {"worker-2", 4}},
		Wires: []Wire{
			{Name: "rail-1", Ends: []Pin{{"master", 1}}},
			{Name: "done-1", Ends: []Pin{{"master", 5}, {"worker-1", 2}}},
			{Name: "done-2", Ends: []Pin{{"master", 6}, {"worker-2", 2}}},
			{Name: "button", Ends: []Pin{{"worker-1", 3}}, PullUp: true},
		},
	}
}

// start runs a backplane for the length of the test.
func start(t *testing.T, config Config) *Backplane {
	t.Helper()
	config.Dir = t.TempDir()
	if config.Log == nil {
		config.Log = func(format string, args ...any) { t.Errorf(format, args...) }
	}
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return b
}

// edges wants all edges up to now to be these, by wire, level and reason.
func edges(t *testing.T, b *Backplane, want ...string) {
	t.Helper()
	var got []string
	all := b.Edges(0)
	for i, e := range all {
		got = append(got, e.String()[len("15:04:05.000000 "):])
		if i > 0 && e.At.Before(all[i-1].At) {
			t.Errorf("edge %d is before the one before it", i)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// wait waits until there are so many edges.
func wait(t *testing.T, b *Backplane, count int) {
	t.Helper()
	if _, err := b.Wait(t.Context(), count-1); err != nil {
		t.Fatal(err)
	}
}

func TestLevelsTravel(t *testing.T) {
	b := start(t, pair())
	master, worker := newGuest(t, b, "master"), newGuest(t, b, "worker-1")
	master.request(tellDirection, 5, directionIn)
	if worker.request(askDirection, 2, 0) != directionNone || worker.request(askValue, 3, 0) != 1 {
		t.Error("a line is not as it was made")
	}
	worker.drive(2, 1)
	if master.request(askValue, 5, 0) != 1 || worker.request(askValue, 2, 0) != 1 || worker.request(askDirection, 2, 0) != directionOut {
		t.Error("a level does not arrive")
	}
	worker.request(tellValue, 2, 0)
	if master.request(askValue, 5, 0) != 0 {
		t.Error("a level stays")
	}
	worker.request(tellValue, 2, 1)
	worker.request(tellDirection, 2, directionNone)
	if master.request(askValue, 5, 0) != 0 || b.High("done-1") {
		t.Error("a line that was let go still drives")
	}
	// A level that is written to an input is for the time when it drives.
	worker.request(tellValue, 2, 1)
	worker.request(tellDirection, 3, directionIn)
	master.drive(1, 0)
	master.request(tellValue, 1, 1)
	edges(t, b, "done-1 high (worker-1 drives)", "done-1 low (worker-1 drives)", "done-1 high (worker-1 drives)", "done-1 low (worker-1 lets go)",
		"rail-1 high (master drives)")
}

func TestInterrupts(t *testing.T) {
	b := start(t, pair())
	master, worker := newGuest(t, b, "master"), newGuest(t, b, "worker-1")
	master.request(tellDirection, 5, directionIn)
	master.request(tellInterrupt, 5, onRising|onFalling)
	master.watch(5)
	master.taken(eventRing)
	worker.drive(2, 1)
	master.interrupted(5)
	// What happens before the guest waits again is told once.
	worker.request(tellValue, 2, 0)
	worker.request(tellValue, 2, 1)
	master.watch(5)
	master.interrupted(5)
	master.watch(5)
	master.quiet()
	// A buffer comes back when the interrupt is switched off, and at once while it is.
	master.request(tellInterrupt, 5, 0)
	disabled := func() {
		if slot, response := master.take(eventRing); slot != 5 || response[0] != eventDisabled {
			t.Errorf("got %d, %v", slot, response)
		}
	}
	disabled()
	master.watch(5)
	disabled()
	master.request(tellInterrupt, 5, onFalling)
	master.watch(5)
	worker.request(tellValue, 2, 0)
	master.interrupted(5)
	master.watch(5)
	worker.request(tellValue, 2, 1)
	master.quiet()
}

func TestWhatCannotBeAsked(t *testing.T) {
	b := start(t, pair())
	g := newGuest(t, b, "worker-1")
	for _, ask := range [][3]byte{{askValue, 4, 0}, {tellDirection, 0, 3}, {tellValue, 0, 2}, {tellInterrupt, 0, 4}, {9, 0, 0}} {
		g.put(requestRing, 0, []byte{ask[0], 0, ask[1], 0, ask[2], 0, 0, 0}, 2)
		if _, response := g.take(requestRing); len(response) != 2 || response[0] != statusError {
			t.Errorf("%v: got %v", ask, response)
		}
	}
	g.request(askValue, 0, 0)
}

// A chip says how many lines it has and what they are called.
func TestDescription(t *testing.T) {
	b := start(t, pair())
	g := newGuest(t, b, "worker-1")
	reply := g.ask(getConfig, append(words(0, 8, 0), make([]byte, 8)...))
	names := "\x00\x00done-1\x00button\x00"
	if want := []byte{4, 0, 0, 0, byte(len(names)), 0, 0, 0}; !slices.Equal(reply[12:], want) {
		t.Errorf("got %v, want %v", reply[12:], want)
	}
	g.put(requestRing, 0, []byte{askNames, 0, 0, 0, 0, 0, 0, 0}, 1+len(names))
	if _, response := g.take(requestRing); string(response) != "\x00"+names {
		t.Errorf("got %q", response)
	}
}

// The pins of a processor that has halted stay as they are; those of one that was reset, or has no power, do not.
func TestEndsOfMachines(t *testing.T) {
	b := start(t, pair())
	master, worker := newGuest(t, b, "master"), newGuest(t, b, "worker-1")
	worker.drive(2, 1)
	worker.die()
	if master.request(askValue, 5, 0) != 1 {
		t.Error("the line of a halted board fell")
	}
	b.Release("worker-1", "lost its power")
	if master.request(askValue, 5, 0) != 0 {
		t.Error("the line of a board without power stays")
	}
	worker = newGuest(t, b, "worker-1")
	worker.drive(2, 1)
	worker.die()
	// Also a machine that starts has let go of everything.
	worker = newGuest(t, b, "worker-1")
	if worker.request(askValue, 2, 0) != 0 {
		t.Error("the line of a board that starts is high")
	}
	edges(t, b, "done-1 high (worker-1 drives)", "done-1 low (worker-1 lost its power)", "done-1 high (worker-1 drives)", "done-1 low (worker-1 starts)")
}

// A driver that is loaded again finds the chip working, and the interrupts of the one before are not its own.
func TestDriverStartsAnew(t *testing.T) {
	b := start(t, pair())
	master, worker := newGuest(t, b, "master"), newGuest(t, b, "worker-1")
	master.request(tellInterrupt, 5, onRising)
	master.watch(5)
	master.taken(eventRing)
	for i := range uint32(ringCount) {
		if reply := master.ask(getVringBase, words(i, 0)); reply[4] == 0 {
			t.Errorf("ring %d was not used", i)
		}
	}
	master.start()
	worker.drive(2, 1)
	master.quiet()
	master.watch(5)
	master.interrupted(5) // the edge that nobody was told
	if master.request(askValue, 5, 0) != 1 {
		t.Error("a level was lost")
	}
}

func TestFaultsOfWires(t *testing.T) {
	b := start(t, pair())
	one, two := newGuest(t, b, "worker-1"), newGuest(t, b, "worker-2")
	one.drive(2, 1)
	b.Swap("master", "done-1", "done-2")
	master := newGuest(t, b, "master")
	if master.request(askValue, 5, 0) != 0 || master.request(askValue, 6, 0) != 1 {
		t.Error("the wires are not swapped")
	}
	b.Hold("done-2", true)
	b.Hold("done-1", false)
	if master.request(askValue, 5, 0) != 1 || master.request(askValue, 6, 0) != 0 {
		t.Error("the wires are not held")
	}
	b.Free("done-2")
	b.Free("done-1")
	two.drive(2, 0)
	edges(t, b, "done-1 high (worker-1 drives)", "done-2 high (held)", "done-1 low (held)", "done-2 low (held no more)", "done-1 high (held no more)")
}

// A machine that breaks the protocol is cut off, and the next one is served.
func TestBrokenMachines(t *testing.T) {
	for name, breaks := range map[string]func(g *guest){
		"a descriptor outside its memory": func(g *guest) {
			g.descriptor(&g.queues[requestRing], 0, 0x10, requestSize, 0, 0)
			g.offer(&g.queues[requestRing], 0)
		},
		"a descriptor that is not there": func(g *guest) { g.offer(&g.queues[requestRing], ringSize) },
		"a chain that is a circle": func(g *guest) {
			g.descriptor(&g.queues[requestRing], 0, guestBase, requestSize, hasNext, 0)
			g.offer(&g.queues[requestRing], 0)
		},
		"a ring outside its memory": func(g *guest) { g.raw(setVringAddr, make([]byte, 40)) },
		"a ring that is not there":  func(g *guest) { g.raw(setVringNum, words(7, 16)) },
		"a short message":           func(g *guest) { g.raw(setVringNum, nil) },
		"a long one":                func(g *guest) { g.raw(setVringNum, make([]byte, 5000)) },
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan string, 1)
			config := pair()
			config.Log = func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }
			b := start(t, config)
			breaks(newGuest(t, b, "worker-1"))
			if got := <-said; !strings.Contains(got, "worker-1") {
				t.Errorf("got %q", got)
			}
			newGuest(t, b, "worker-1").request(askValue, 0, 0)
		})
	}
}

// raw sends a message that is not to be answered.
func (g *guest) raw(request uint32, payload []byte) {
	g.t.Helper()
	if _, err := g.conn.Write(append(words(request, version, uint32(len(payload))), payload...)); err != nil {
		g.t.Fatal(err)
	}
}

func TestConfigFaults(t *testing.T) {
	_, err := New(Config{Dir: t.TempDir(), Boards: []Board{{"a", 2}, {"a", 2}, {"b/c", 2}, {"d", 0}}, Wires: []Wire{
		{Name: "one", Ends: []Pin{{"a", 0}, {"a", 2}}},
		{Name: "one", Ends: []Pin{{"a", 0}, {"e", 0}}},
	}})
	for _, want := range []string{`board "a"`, `board "b/c"`, `board "d"`, `line 2 of board "a"`, `line 0 of board "a"`, `board "e"`, `wire "one": there are two`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

func TestWaitEnds(t *testing.T) {
	b := start(t, pair())
	because := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(because)
	if got, err := b.Wait(ctx, 0); !errors.Is(err, because) {
		t.Errorf("got %v, %v", got, err)
	}
	b.Hold("button", false)
	wait(t, b, 1)
	edges(t, b, "button low (held)")
}
