package pico5

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/machines"
	"github.com/bramblemesh/bramble/sim/machines/backplane"
)

// Config describes a case.
type Config struct {
	// Workers is their number, 1 to 4; 0 means 4.
	Workers int

	// Dir is where the disks are, which are made anew. It needs half a gigabyte for each machine.
	Dir string

	// Log is told, a line each, what happens; nil is silent.
	Log func(format string, args ...any)
}

// Case is a case of virtual machines. Make one with New.
type Case struct {
	Wires   *backplane.Backplane
	Network *backplane.Switch
	Heat    *sim.Case // of the reference case, all of whose boards it has

	image  *machines.Image
	log    func(format string, args ...any)
	boards []*board
	dir    string // of the sockets

	mu   sync.Mutex
	cuts []Cut
}

const (
	master = "master"
	mains  = "mains" // the wire that gives the master its power

	// Lines of the chips.
	railLine   = 0 // of the master: worker N's is N
	doneLine   = 8 // of the master: worker N's is N more
	workerDone = 2 // of a worker
	boardLines = 16
)

func worker(n int) string { return fmt.Sprint("worker-", n) }

// RailWire is the name of the wire that switches worker-n's power.
func RailWire(n int) string { return fmt.Sprint("rail-", n) }

// DoneWire is the name of the wire on which worker-n says that it has shut down.
func DoneWire(n int) string { return fmt.Sprint("done-", n) }

// New makes a case with the power off: the image, a disk for each machine, and the sockets of its wires. Run must follow.
func New(ctx context.Context, config Config) (*Case, error) {
	if config.Workers == 0 {
		config.Workers = 4
	}
	if config.Workers < 1 || config.Workers > 4 {
		return nil, fmt.Errorf("case: %d workers, and there can be 1 to 4", config.Workers)
	}
	simulated, err := sim.New(sim.Pico5())
	if err != nil {
		return nil, fmt.Errorf("case: %w", err)
	}
	c := &Case{log: config.Log, Heat: simulated}
	if c.log == nil {
		c.log = func(string, ...any) {}
	}
	image, err := settled(ctx, c.log)
	if err != nil {
		return nil, fmt.Errorf("case: %w", err)
	}
	c.image = image
	if c.dir, err = os.MkdirTemp("", "case-"); err != nil { // short: a socket's path has 107 bytes at most
		return nil, fmt.Errorf("case: %w", err)
	}
	if err := c.wire(ctx, config); err != nil {
		return nil, errors.Join(fmt.Errorf("case: %w", err), os.RemoveAll(c.dir))
	}
	return c, nil
}

// wire makes the boards, and what joins them.
func (c *Case) wire(ctx context.Context, config Config) error {
	plan := backplane.Config{Dir: c.dir, Log: c.log, Wires: []backplane.Wire{{Name: mains}}}
	names := []string{master}
	for n := 1; n <= config.Workers; n++ {
		names = append(names, worker(n))
		plan.Wires = append(plan.Wires,
			backplane.Wire{Name: RailWire(n), Ends: []backplane.Pin{{Board: master, Line: railLine + n}}},
			backplane.Wire{Name: DoneWire(n), Ends: []backplane.Pin{{Board: master, Line: doneLine + n}, {Board: worker(n), Line: workerDone}}})
	}
	for _, name := range names {
		plan.Boards = append(plan.Boards, backplane.Board{Name: name, Lines: boardLines})
	}
	var err error
	if c.Wires, err = backplane.New(plan); err != nil {
		return err
	}
	if c.Network, err = backplane.NewSwitch(c.dir, names...); err != nil {
		return err
	}
	for n, name := range names {
		b := &board{of: c, name: name, rail: RailWire(n), changed: make(chan struct{})}
		if name == master {
			b.rail, b.resets = mains, true
		}
		b.config = machines.Config{
			Name:     name,
			CPUs:     1,
			MemoryMB: 384,
			Disk:     filepath.Join(config.Dir, name+".img"),
			GPIO:     c.Wires.Socket(name),
			Ethernet: c.Network.Socket(name),
		}
		if err := c.image.Disk(ctx, b.config.Disk); err != nil {
			return err
		}
		c.boards = append(c.boards, b)
	}
	return nil
}

// Run plugs the case in and runs it until the context ends; every machine is gone when it returns.
func (c *Case) Run(ctx context.Context) error {
	wires, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var below, boards sync.WaitGroup
	faults := make([]error, len(c.boards))
	below.Go(func() { _ = c.Wires.Run(wires) })
	below.Go(func() { _ = c.Network.Run(wires) })
	below.Go(func() { c.heat(wires) })
	c.Mains(true)
	for i, b := range c.boards {
		boards.Go(func() { faults[i] = b.run(ctx) })
	}
	boards.Wait()
	cancel()
	below.Wait()
	return errors.Join(append(faults, os.RemoveAll(c.dir))...)
}

// Mains switches the master's power, which is a person's to switch.
func (c *Case) Mains(on bool) { c.Wires.Hold(mains, on) }

// Boards are the names of all boards, the master's first.
func (c *Case) Boards() []string {
	var names []string
	for _, b := range c.boards {
		names = append(names, b.name)
	}
	return names
}

// State returns what a board does now.
func (c *Case) State(name string) State {
	state, _, _ := c.board(name).now()
	return state
}

// Await waits until a board is in a state.
func (c *Case) Await(ctx context.Context, name string, want State) error {
	for {
		state, _, changed := c.board(name).now()
		if state == want {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("board %s is %v and not %v: %w", name, state, want, context.Cause(ctx))
		}
	}
}

// Machine waits until a board's machine is up, and returns it. After a reset or a cut it is another one.
func (c *Case) Machine(ctx context.Context, name string) (*machines.Machine, error) {
	if err := c.Await(ctx, name, Up); err != nil {
		return nil, err
	}
	if _, m, _ := c.board(name).now(); m != nil {
		return m, nil
	}
	return c.Machine(ctx, name)
}

func (c *Case) board(name string) *board {
	return c.boards[slices.IndexFunc(c.boards, func(b *board) bool { return b.name == name })]
}

func (c *Case) cut(cut Cut) {
	c.log("%v", cut)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts = append(c.cuts, cut)
}

// Cuts returns all boards that lost their power, in order.
func (c *Case) Cuts() []Cut {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.cuts)
}
