package gpio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"
)

// stormEdges is the number of edges in a second from which a line is not believed any more. A
// shutdown makes three, a bouncing contact some dozens.
const stormEdges = 1000

// Input is a line whose level and edges this process watches: an input with pull-down, so that a wire
// whose other end has no power reads low. Like an [Output] it holds its line until Close.
type Input struct {
	kernel    requests
	monotonic func() time.Duration
	line      Line
	fd        int
	found     Found
}

// OpenInput returns a line as a watched input: one of the kept descriptors (nil is none) if it is the
// line, with all edges that came since it was last read, otherwise a new request. A kept output
// is refused, since making it an input would switch what it drives.
//
// A line that somebody else holds is a [BusyError]; [ErrNotFound] is wrapped when there is none.
func OpenInput(claim Claim, kept iter.Seq2[string, int]) (*Input, error) {
	return machine{characterDevices{}}.openInput(claim, kept)
}

func (m machine) openInput(claim Claim, kept iter.Seq2[string, int]) (*Input, error) {
	chip, err := m.look(claim.Line)
	if err != nil {
		return nil, err
	}
	info, err := m.line(chip.Name, claim.Line.Offset)
	if err != nil {
		return nil, fmt.Errorf("gpio line %v: %w", claim.Line, err)
	}
	i := &Input{kernel: m.kernel, monotonic: Monotonic, line: claim.Line}
	if i.fd, i.found.Kept = m.pick(claim, chip, info, kept); i.found.Kept {
		err = m.adoptInput(i.fd, claim, info)
	} else if i.fd, err = m.request(chip.Name, claim.Line.Offset, claim.consumer(), mode{direction: watched}); err != nil {
		err = m.refusal(chip, claim.Line, err)
	}
	if err != nil {
		return nil, err
	}
	if i.found.On, err = m.level(i.fd); err != nil {
		return nil, errors.Join(fmt.Errorf("gpio line %v: read: %w", claim.Line, err), i.Close())
	}
	i.found.Input = true
	return i, nil
}

// adoptInput goes on with a descriptor of an earlier process.
func (m machine) adoptInput(fd int, claim Claim, info Info) error {
	switch {
	case info.Output:
		return fmt.Errorf("gpio line %v: it is held as an output of %q: configure another line, or let that rail go first", claim.Line, info.Consumer)
	case info.BothEdges && !info.ActiveLow:
		return nil
	}
	if err := m.configure(fd, mode{direction: watched}, false); err != nil {
		return fmt.Errorf("gpio line %v: watch the kept line: %w", claim.Line, err)
	}
	return nil
}

// Found says how the line was when it was opened. Its level is not more than that: Watch tells it
// together with the edges.
func (i *Input) Found() Found { return i.found }

// FD returns the line's descriptor, to be handed to somebody who keeps it. Never make an os.File of
// it.
func (i *Input) FD() int { return i.fd }

// Close lets the line go, and the edges that were not read yet. No Watch may be running.
func (i *Input) Close() error {
	if i.fd < 0 {
		return fmt.Errorf("gpio line %v: close: %w", i.line, os.ErrClosed)
	}
	fd := i.fd
	i.fd = -1
	return i.kernel.close(fd)
}

// Watch tells the line's level, then every edge with the time that the kernel took it, until the
// context ends, when it returns nil, or until the line fails. It calls see from its own goroutine,
// one call after the other, and may be called once at a time.
//
// The first call comes at once. If edges were queued while nobody watched, it is the level before
// the oldest of them, and they follow; so the calls tell the line's story in its order. Two calls with
// the same level do not follow each other: where the kernel reports an edge to the level that the
// line had, because it came and went faster than it was read, the other level is told first, with the
// same time. After lost edges the level is read again.
func (i *Input) Watch(ctx context.Context, see func(high bool, at time.Time)) error {
	w := watch{input: i, see: see, doubt: true}
	for {
		if err := w.drain(ctx); err != nil {
			return fmt.Errorf("gpio line %v: %w", i.line, err)
		}
		more, err := i.kernel.ready(ctx, i.fd)
		if err != nil {
			return fmt.Errorf("gpio line %v: wait for an edge: %w", i.line, err)
		}
		if !more {
			return nil
		}
	}
}

// watch is what one call of Watch knows.
type watch struct {
	input *Input
	see   func(bool, time.Time)

	known    bool          // the level has been told
	high     bool          // the level that was told last
	sequence uint32        // of the last edge
	doubt    bool          // the level must be read: at first, and after lost edges
	read     time.Duration // when it was read last

	second time.Duration // the beginning of the second in which edges are counted
	edges  int
}

// drain tells all queued edges, and the level where it is in doubt.
func (w *watch) drain(ctx context.Context) error {
	kernel, fd := w.input.kernel, w.input.fd
	for {
		queued, err := kernel.pending(fd)
		if err != nil {
			return err
		}
		if queued {
			if err := w.take(); err != nil || ctx.Err() != nil {
				return err
			}
			continue
		}
		if !w.doubt {
			return nil
		}
		before := w.input.monotonic()
		high, err := kernel.level(fd)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if queued, err = kernel.pending(fd); err != nil {
			return err
		}
		if queued {
			continue // it says what was read, and when
		}
		w.doubt, w.read = false, before
		if !w.known || high != w.high {
			w.tell(high, before)
		}
	}
}

// take tells the next queued edge.
func (w *watch) take() error {
	edge, err := w.input.kernel.next(w.input.fd)
	if err != nil {
		return err
	}
	if w.known && edge.sequence != w.sequence+1 && w.sequence != 0 {
		w.doubt = true
	}
	w.sequence = edge.sequence
	if w.storm(edge.at) {
		return fmt.Errorf("%d edges within a second: check the wire, its pull-down and what runs beside it", w.edges)
	}
	if w.known && edge.high == w.high && edge.at <= w.read {
		return nil // it was under way to the queue when the level was read, and has been told
	}
	if !w.known || w.high == edge.high {
		w.tell(!edge.high, edge.at)
	}
	w.tell(edge.high, edge.at)
	return nil
}

// storm counts an edge.
func (w *watch) storm(at time.Duration) bool {
	if at-w.second >= time.Second {
		w.second, w.edges = at, 0
	}
	w.edges++
	return w.edges >= stormEdges
}

func (w *watch) tell(high bool, at time.Duration) {
	w.known, w.high = true, high
	w.see(high, time.Now().Add(at-w.input.monotonic()))
}
