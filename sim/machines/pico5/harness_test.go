//go:build system

package pico5

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/sim/machines"
	"github.com/bramblemesh/bramble/sim/machines/backplane"
)

// patience is for whatever has no limit of its own: five translated machines share two processors.
const patience = 4 * time.Minute

// rig is a case under test.
type rig struct {
	*Case
	begun time.Time
	meant map[time.Time]bool // the times of cuts that were to hurt
}

// start runs a case for the length of the test. It leaves the record of wires and cuts in the test's log.
func start(t *testing.T, config Config) rig {
	t.Helper()
	config.Dir, config.Log = t.TempDir(), t.Logf
	c, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	r := rig{c, time.Now(), map[time.Time]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, e := range c.Wires.Edges(0) {
			t.Logf("%9.3f s %v", e.At.Sub(r.begun).Seconds(), e)
		}
	})
	return r
}

// in is the time that a test gives something.
func in(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(t.Context()), limit, fmt.Errorf("not within %v", limit))
	t.Cleanup(cancel)
	return ctx
}

// up waits until a board's machine is up.
func (r rig) up(t *testing.T, name string) *machines.Machine {
	t.Helper()
	m, err := r.Machine(in(t, patience), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sh runs a script that must succeed on a board that is up.
func (r rig) sh(t *testing.T, name, script string) string {
	t.Helper()
	out, err := r.up(t, name).Output(in(t, patience), script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tell starts something on a board that the board may not live to answer.
func (r rig) tell(t *testing.T, name, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(in(t, patience), 20*time.Second)
	defer cancel()
	_, _ = r.up(t, name).Run(ctx, "systemd-run --quiet --no-block sh -c '"+script+"'")
}

// mark is the number of the edge that comes next.
func (r rig) mark() int { return len(r.Wires.Edges(0)) }

// edge waits for the next edge of a wire to a level after a mark, and returns it.
func (r rig) edge(t *testing.T, from int, wire string, high bool) backplane.Edge {
	t.Helper()
	ctx := in(t, patience)
	for {
		edges, err := r.Wires.Wait(ctx, from)
		if err != nil {
			t.Fatalf("%s does not become %v: %v", wire, high, err)
		}
		i := slices.IndexFunc(edges, func(e backplane.Edge) bool { return e.Wire == wire && e.High == high })
		if i >= 0 {
			return edges[i]
		}
		from += len(edges)
	}
}

// state waits until a board is in a state.
func (r rig) state(t *testing.T, name string, want State) {
	t.Helper()
	if err := r.Await(in(t, patience), name, want); err != nil {
		t.Fatal(err)
	}
}

// lastCut waits until a board is off, and returns how it lost its power.
func (r rig) lastCut(t *testing.T, name string) Cut {
	t.Helper()
	r.state(t, name, Off)
	for _, cut := range slices.Backward(r.Cuts()) {
		if cut.Board == name {
			return cut
		}
	}
	t.Fatalf("%s is off and was never cut", name)
	return Cut{}
}
