package pico5

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bramblemesh/bramble/sim/machines"
)

// State is what a board does.
type State int

// The states of a board.
const (
	Off      State = iota // no power
	Starting              // a machine runs, and is not up yet
	Up                    // its systemd has started all it had to
	Halted                // it has power, and its machine has switched itself off
	Broken                // it has power, and no machine, or one that did not come up; the log says why
)

func (s State) String() string {
	return [...]string{"off", "starting", "up", "halted", "broken"}[s]
}

// Cut is a board that lost its power.
type Cut struct {
	Board string
	At    time.Time     // of the rail's edge
	Took  time.Duration // until its machine was gone
	Was   State
	Hurt  string // why its disk is hurt, "" if it is not
}

// String is the cut as one line.
func (c Cut) String() string {
	disk := "clean"
	if c.Hurt != "" {
		disk = "HURT: " + c.Hurt
	}
	return fmt.Sprintf("%s %s cut while %v, gone %v later, disk %s", c.At.Format("15:04:05.000000"), c.Board, c.Was, c.Took.Round(time.Microsecond), disk)
}

// board is a place for a machine, which runs while the place has power.
type board struct {
	of     *Case
	name   string
	rail   string // the wire that gives it power
	config machines.Config
	resets bool // switching off is a reset to its pins

	mu      sync.Mutex
	state   State
	machine *machines.Machine // while Up
	changed chan struct{}     // closed at the next change of the two
}

// run gives the board a machine whenever its rail rises, and takes it away when that falls.
func (b *board) run(ctx context.Context) error {
	for at := 0; ; {
		rise, err := b.edge(ctx, at, true)
		if err != nil {
			return nil
		}
		fall, err := b.powered(ctx, rise.next)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		at = fall
	}
}

// place is an edge, and the number of the one after it.
type place struct {
	at   time.Time
	next int
}

// edge waits for the next edge of the rail to a level, from the number of an edge on.
func (b *board) edge(ctx context.Context, from int, high bool) (place, error) {
	for {
		edges, err := b.of.Wires.Wait(ctx, from)
		if err != nil {
			return place{}, err
		}
		for _, edge := range edges {
			from++
			if edge.Wire == b.rail && edge.High == high {
				return place{edge.At, from}, nil
			}
		}
	}
}

// powered runs the board's machines until the rail falls, and returns the number of the edge after that; or until ctx ends.
func (b *board) powered(ctx context.Context, from int) (int, error) {
	powered, cut := context.WithCancel(ctx)
	var falling sync.WaitGroup
	var fall place
	falling.Go(func() {
		defer cut()
		fall, _ = b.edge(ctx, from, false)
	})
	for powered.Err() == nil {
		if !b.machineRuns(powered) {
			<-powered.Done()
		}
	}
	gone := time.Now()
	was, _, _ := b.now()
	defer b.set(Off, nil) // when all of it is known
	falling.Wait()
	if ctx.Err() != nil {
		return 0, nil
	}
	b.of.Wires.Release(b.name, "lost its power")
	why, err := hurt(context.WithoutCancel(ctx), b.config.Disk)
	if err != nil {
		return 0, err
	}
	b.of.cut(Cut{Board: b.name, At: fall.at, Took: max(0, gone.Sub(fall.at)), Was: was, Hurt: why})
	return fall.next, nil
}

// machineRuns starts a machine and returns when it is gone, or was killed because powered ended: true if the board is to
// start again by itself.
func (b *board) machineRuns(powered context.Context) bool {
	m, err := b.of.image.PowerOn(powered, b.config)
	if err != nil {
		if powered.Err() == nil {
			b.of.log("board %s: %v", b.name, err)
			b.set(Broken, nil)
		}
		return false
	}
	b.set(Starting, nil)
	var booting sync.WaitGroup
	booting.Go(func() {
		switch err := m.Up(powered); {
		case err == nil:
			b.of.log("board %s is up", b.name)
			b.set(Up, m)
		case powered.Err() == nil && !m.Over():
			b.of.log("board %s: %v", b.name, err)
			b.set(Broken, nil)
		}
	})
	_ = m.Wait(powered)
	m.Kill()
	booting.Wait()
	switch {
	case powered.Err() != nil:
		return false
	case m.End() == machines.Reset:
		b.set(Starting, nil)
		b.of.Wires.Release(b.name, "was reset")
		b.of.log("board %s has reset itself", b.name)
		return true
	case m.End() == machines.PoweredOff:
		if b.resets {
			b.of.Wires.Release(b.name, "was reset")
		}
		b.of.log("board %s has switched itself off", b.name)
		b.set(Halted, nil)
	default:
		b.of.log("board %s: its QEMU ended by itself: see %s", b.name, m.Console())
		b.set(Broken, nil)
	}
	return false
}

func (b *board) set(state State, m *machines.Machine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.machine = state, m
	close(b.changed)
	b.changed = make(chan struct{})
}

// now returns what the board is doing, and a channel that is closed when that changes.
func (b *board) now() (State, *machines.Machine, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state, b.machine, b.changed
}
