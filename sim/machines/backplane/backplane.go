package backplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Config says what is wired to what.
type Config struct {
	// Dir is the folder for the sockets. It must exist, and its path be short: a socket's has 107 bytes at most.
	Dir string

	// Boards are the boards, with different names.
	Boards []Board

	// Wires join them. A pin is on one wire at most.
	Wires []Wire

	// Log is told, a line each, what a machine did wrong; nil is silent.
	Log func(format string, args ...any)
}

// Board is a board's GPIO chip.
type Board struct {
	Name  string // of the socket's file too
	Lines int    // 1 to 64
}

// Wire joins pins.
type Wire struct {
	Name   string
	Ends   []Pin
	PullUp bool // high while nobody drives it
}

// Pin is a line of a board.
type Pin struct {
	Board string
	Line  int
}

// Edge is a change of a wire.
type Edge struct {
	Wire string
	High bool
	At   time.Time
	Why  string // who did it: "worker-1 drives", "master lets go"
}

// String is the edge as one line.
func (e Edge) String() string {
	level := "low"
	if e.High {
		level = "high"
	}
	return fmt.Sprintf("%s %s %s (%s)", e.At.Format("15:04:05.000000"), e.Wire, level, e.Why)
}

// Backplane is a set of boards and the wires between them. Make one with New.
type Backplane struct {
	log func(format string, args ...any)

	mu      sync.Mutex // guards everything of the boards, their rings included
	boards  map[string]*board
	wires   map[string]*wire
	edges   []Edge
	changed chan struct{} // closed at the next edge
}

// wire is a wire and what is on it.
type wire struct {
	Wire
	high bool
	held *bool
}

// New checks the configuration and listens on every board's socket, so that machines may be started at once; they are
// served when Run runs. It reports every fault of the configuration.
func New(config Config) (*Backplane, error) {
	b := &Backplane{log: config.Log, boards: map[string]*board{}, wires: map[string]*wire{}, changed: make(chan struct{})}
	if b.log == nil {
		b.log = func(string, ...any) {}
	}
	var faults []error
	for _, board := range config.Boards {
		if board.Name != filepath.Base(board.Name) || b.boards[board.Name] != nil || board.Lines < 1 || board.Lines > 64 {
			faults = append(faults, fmt.Errorf("board %q: a name is unique and that of a file, and there are 1 to 64 lines", board.Name))
			continue
		}
		b.boards[board.Name] = newBoard(b, board)
	}
	taken := map[Pin]bool{}
	for _, w := range config.Wires {
		if b.wires[w.Name] != nil {
			faults = append(faults, fmt.Errorf("wire %q: there are two", w.Name))
		}
		for _, pin := range w.Ends {
			if to := b.boards[pin.Board]; to == nil || pin.Line < 0 || pin.Line >= len(to.lines) || taken[pin] {
				faults = append(faults, fmt.Errorf("wire %q: line %d of board %q is on another wire or does not exist", w.Name, pin.Line, pin.Board))
			}
			taken[pin] = true
		}
		w.Ends = slices.Clone(w.Ends)
		b.wires[w.Name] = &wire{Wire: w, high: w.PullUp}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	for _, board := range b.boards {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(config.Dir, board.name+".gpio"), Net: "unix"})
		if err != nil {
			b.close()
			return nil, fmt.Errorf("board %s: %w", board.name, err)
		}
		board.listener = listener
	}
	return b, nil
}

func (b *Backplane) close() {
	for _, board := range b.boards {
		if board.listener != nil {
			_ = board.listener.Close()
		}
	}
}

// Run serves the boards' machines until the context ends, and returns nil then. It must run once, and removes the sockets.
func (b *Backplane) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, b.close)
	defer stop()
	var serving sync.WaitGroup
	for _, board := range b.boards {
		serving.Go(func() { board.serve(ctx) })
	}
	serving.Wait()
	return nil
}

// Socket returns the path of the socket that a board's machine connects to, for its character device.
func (b *Backplane) Socket(board string) string {
	return b.boards[board].listener.Addr().String()
}

// Names are the names of all wires, in alphabetical order.
func (b *Backplane) Names() []string { return slices.Sorted(maps.Keys(b.wires)) }

// High says whether a wire is high now.
func (b *Backplane) High(wire string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wires[wire].high
}

// Edges returns the edges from the given one on, the first is 0.
func (b *Backplane) Edges(from int) []Edge {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.edges[from:])
}

// Wait returns what Edges does, as soon as there is one, or why the context ended.
func (b *Backplane) Wait(ctx context.Context, from int) ([]Edge, error) {
	for {
		b.mu.Lock()
		edges, changed := slices.Clone(b.edges[from:]), b.changed
		b.mu.Unlock()
		if len(edges) > 0 {
			return edges, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Release lets go of all lines of a board: it was reset, or lost its power, as why says in the edges.
func (b *Backplane) Release(board, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.boards[board].release(board + " " + why)
}

// Hold gives a wire a level, whatever drives it.
func (b *Backplane) Hold(wire string, high bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wires[wire].held = &high
	b.settle(b.wires[wire], "held")
}

// Free ends Hold.
func (b *Backplane) Free(wire string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wires[wire].held = nil
	b.settle(b.wires[wire], "held no more")
}

// Swap exchanges the ends that two wires have on one board, as a person does who plugs them in the wrong way round.
func (b *Backplane) Swap(board, one, other string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first, second := b.wires[one], b.wires[other]
	here := func(p Pin) bool { return p.Board == board }
	i, j := slices.IndexFunc(first.Ends, here), slices.IndexFunc(second.Ends, here)
	first.Ends[i], second.Ends[j] = second.Ends[j], first.Ends[i]
	b.settle(first, "swapped")
	b.settle(second, "swapped")
}

// at returns the wire on a pin; nil where there is none.
func (b *Backplane) at(pin Pin) *wire {
	for _, w := range b.wires {
		if slices.Contains(w.Ends, pin) {
			return w
		}
	}
	return nil
}

// settle finds a wire's level anew, after something that may have changed it.
func (b *Backplane) settle(w *wire, why string) {
	high, driven := false, false
	for _, pin := range w.Ends {
		if line := &b.boards[pin.Board].lines[pin.Line]; line.direction == directionOut {
			driven = true
			high = high || line.output
		}
	}
	if !driven {
		high = w.PullUp
	}
	if w.held != nil {
		high = *w.held
	}
	if high == w.high {
		return
	}
	w.high = high
	b.edges = append(b.edges, Edge{Wire: w.Name, High: high, At: time.Now(), Why: why})
	close(b.changed)
	b.changed = make(chan struct{})
	for _, pin := range w.Ends {
		b.boards[pin.Board].edge(pin.Line, high)
	}
}
