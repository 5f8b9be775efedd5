package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errUnanswered stands in for the value of a sensor whose read has not returned. Its text is constant, so that a sensor
// that hangs is sent once and not with each sample.
var errUnanswered = errors.New("the kernel has not answered this read yet")

// joinGrace is how long the end of Run waits for reads that hang in the kernel.
const joinGrace = time.Second

// probe is one thing to read: a sensor, or the throttling word.
type probe struct {
	busy  bool // a read has not returned
	fresh bool // a read has returned since the sample before
	value float64
	word
	err error
}

// word is the throttling word, which of its bits are known, and where they were read.
type word struct {
	bits, known uint32
	source      string
}

// reader reads everything once a round with one goroutine, and leaves that goroutine behind when a read hangs.
type reader struct {
	thermal  Thermal
	throttle Throttle
	timer    *time.Timer
	wg       sync.WaitGroup

	mu      sync.Mutex
	sensors []Sensor
	sets    int      // how often the sensors have changed
	probes  []*probe // one for each sensor, then the throttling word's
	next    int      // the probe to look at next in this round
	worker  *worker  // the goroutine that reads
}

// worker is one reading goroutine. It ends when start is closed, or after its read if it was left behind meanwhile.
type worker struct {
	start chan struct{}
	done  chan struct{}
	idle  bool // under reader.mu: it has nothing left to read in this round
	left  bool // under reader.mu: it was left behind
}

func newReader(thermal Thermal, throttle Throttle) *reader {
	r := &reader{thermal: thermal, throttle: throttle, timer: time.NewTimer(time.Hour), probes: []*probe{{}}}
	r.timer.Stop()
	return r
}

// round reads everything once. It waits for each read that hangs at most for patience, and once.
func (r *reader) round(patience time.Duration) {
	r.list()
	for {
		w := r.begin()
		w.start <- struct{}{}
		r.timer.Reset(patience)
		select {
		case <-w.done:
			r.timer.Stop()
			return
		case <-r.timer.C:
			if r.leave(w) {
				continue
			}
			<-w.done
			return
		}
	}
}

// list takes over the sensors that there are now. A sensor that was there before keeps its probe, and with it the mark
// that a read of it still hangs.
func (r *reader) list() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = 0
	if r.thermal == nil {
		return
	}
	sensors := r.thermal.Sensors()
	if slices.Equal(sensors, r.sensors) {
		return
	}
	kept := make(map[string]*probe, len(r.sensors))
	for i, s := range r.sensors {
		kept[s.Name] = r.probes[i]
	}
	last := r.probes[len(r.probes)-1]
	r.sets++
	r.sensors, r.probes = slices.Clone(sensors), make([]*probe, 0, len(sensors)+1)
	for _, s := range sensors {
		p := kept[s.Name]
		if p == nil {
			p = &probe{}
		}
		delete(kept, s.Name)
		r.probes = append(r.probes, p)
	}
	r.probes = append(r.probes, last)
}

// begin gives the worker for this round, a new one if the last was left behind.
func (r *reader) begin() *worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.worker == nil {
		w := &worker{start: make(chan struct{}), done: make(chan struct{}, 1)}
		r.worker = w
		r.wg.Go(func() { r.work(w) })
	}
	r.worker.idle = false
	return r.worker
}

// leave leaves a worker behind unless it has just finished.
func (r *reader) leave(w *worker) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.idle {
		return false
	}
	w.left, r.worker = true, nil
	return true
}

func (r *reader) work(w *worker) {
	for range w.start {
		for {
			c, ok := r.claim(w)
			if !ok {
				break
			}
			if !r.read(w, c) {
				return
			}
		}
		w.done <- struct{}{}
	}
}

// claim is one read that a worker has taken on.
type claim struct {
	*probe
	sensor int // -1: the throttling word
	sets   int
}

// claim picks what to read next; there is none at the end of the round. A probe whose read still hangs is passed over.
func (r *reader) claim(w *worker) (claim, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.next < len(r.probes) {
		c := claim{probe: r.probes[r.next], sensor: r.next, sets: r.sets}
		if r.next == len(r.sensors) {
			c.sensor = -1
		}
		r.next++
		if !c.busy {
			c.busy = true
			return c, true
		}
	}
	w.idle = true
	return claim{}, false
}

// read reads one probe, and says whether the worker may go on.
func (r *reader) read(w *worker, c claim) bool {
	var value float64
	var throttling word
	var err error
	switch {
	case c.sensor >= 0:
		value, err = r.thermal.Read(c.sensor)
	case r.throttle != nil:
		throttling.bits, throttling.known, err = r.throttle.Word()
		throttling.source = r.throttle.Source()
	default:
		err = errors.ErrUnsupported
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.busy = false
	if c.sets == r.sets { // else the number may have meant another sensor by the time it was read
		c.value, c.word, c.err, c.fresh = value, throttling, err, true
	}
	return !w.left
}

// collect calls yield with each probe's answer since the collection before, in order, the throttling word's last.
func (r *reader) collect(yield func(i int, p probe)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range r.probes {
		answer := *p
		if !p.fresh {
			answer.err = errUnanswered
		}
		p.fresh = false
		yield(i, answer)
	}
}

// close ends the worker and waits for those left behind, but not for ever.
func (r *reader) close(ctx context.Context) {
	r.mu.Lock()
	if r.worker != nil {
		close(r.worker.start)
	}
	r.mu.Unlock()
	joined := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(joined)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), joinGrace)
	defer cancel()
	select {
	case <-joined:
	case <-ctx.Done():
	}
}
