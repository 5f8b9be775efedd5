package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/bramblemesh/bramble/agent/throttle"
)

const (
	ringSize       = 512 // notices kept for subscribers that are behind
	maxSubscribers = 128 // 64 KiB of transport buffer for each: 8 MiB if none of them reads
	maxFailure     = 500 // bytes of an error's text that are told
)

// reading is one sensor's newest value, or why there is none.
type reading struct {
	value       float64
	failure     string
	unsupported bool // the failure is that there is nothing to read, which is not wrong
}

// flags is the throttling word as subscribers see it. It compares with ==.
type flags struct {
	source  string // "": none
	flag    [throttle.Flags]flagState
	failure string
}

type flagState struct {
	active, known bool
	count         uint64
}

// notice is what no subscriber may miss: an edge of a flag, or an announced shutdown.
type notice struct {
	at       time.Time
	edge     throttle.Edge
	shutdown shutdownKind // 0: an edge
}

// snapshot is a whole state. The sensors are shared and never changed.
type snapshot struct {
	sample   uint64
	at       time.Time
	epoch    int // how often the sensors had changed
	sensors  []Sensor
	readings []reading
	flags    flags

	unwatched error      // why shutdowns are not told of
	done      DoneSignal // how the end of a power-off is signalled; filled in for each message
}

// state is what the sampler writes and the subscribers read.
type state struct {
	first chan struct{} // closed by the first sample

	mu      sync.Mutex
	now     snapshot
	sets    int // the reader's number of the sensors in now
	counter *throttle.Counter
	pending notice // the newest shutdown notice that has not been cancelled
	ring    [ringSize]notice
	head    uint64 // how many notices there have been
	subs    map[*subscription]struct{}
	moved   sync.Cond // a notice has come, or a subscriber has been sent some
}

// subscription is one subscriber's wake-up call. A wake-up that is not taken yet stands for all that follow.
type subscription struct {
	wake   chan struct{}
	cursor uint64 // the next notice to send
	sent   uint64 // every notice before this one has been sent
}

func newState(counter *throttle.Counter) *state {
	s := &state{first: make(chan struct{}), counter: counter, subs: make(map[*subscription]struct{})}
	s.moved.L = &s.mu
	return s
}

// publish makes a sample of what the reader collects, and returns the edges, which are valid until the next publish.
func (s *state) publish(r *reader, at time.Time) []throttle.Edge {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sets != r.sets {
		s.sets = r.sets
		s.now.epoch++
		s.now.sensors = r.sensors
		s.now.readings = make([]reading, len(r.sensors))
	}
	var edges []throttle.Edge
	r.collect(func(i int, p probe) {
		if i < len(s.now.readings) {
			s.now.readings[i] = judge(s.now.sensors[i].Kind, p.value, p.err)
		} else {
			edges = s.step(p.word, p.err)
		}
	})
	for _, e := range edges {
		s.append(notice{at: at, edge: e})
	}
	s.now.at = at
	if s.now.sample++; s.now.sample == 1 {
		close(s.first)
	}
	s.wake()
	return edges
}

// step takes the next throttling word. After a failed read the flags are the last known ones.
func (s *state) step(w word, err error) []throttle.Edge {
	f := &s.now.flags
	if errors.Is(err, errors.ErrUnsupported) {
		*f = flags{}
		return nil
	}
	if f.failure = failureText(err); err != nil {
		return nil
	}
	f.source = w.source
	s.counter.From(w.source)
	edges := s.counter.Step(w.bits, w.known)
	for i := range throttle.Flag(throttle.Flags) {
		active, known := s.counter.Active(i)
		f.flag[i] = flagState{active: active, known: known, count: s.counter.Count(i)}
	}
	return edges
}

// announce passes on a shutdown at once, without waiting for the next sample. What tells nothing new is left out: whoever
// asks for a shutdown announces it, and the system does too. It says whether it was news.
func (s *state) announce(n notice) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n.shutdown == shutdownCancelled:
		s.pending = notice{}
	case s.pending.shutdown == n.shutdown, s.pending.shutdown != 0 && n.shutdown == shutdownUnspecified:
		return false
	default:
		s.pending = n
	}
	s.append(n)
	s.wake()
	s.moved.Broadcast()
	return true
}

// settle waits until every subscriber there is now has been sent all notices so far, or the context is done.
func (s *state) settle(ctx context.Context) {
	head := s.notices()
	s.await(ctx, func() bool {
		for sub := range s.subs {
			if sub.sent < head {
				return false
			}
		}
		return true
	})
}

// named waits until it is known which kind of shutdown is pending, and says whether one is.
func (s *state) named(ctx context.Context) bool {
	pending := false
	s.await(ctx, func() bool {
		pending = s.pending.shutdown != 0
		return s.pending.shutdown != shutdownUnspecified
	})
	return pending
}

// await waits for a condition, which is called under the lock, or for the end of the context.
func (s *state) await(ctx context.Context, condition func() bool) {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.moved.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !condition() && ctx.Err() == nil {
		s.moved.Wait()
	}
}

func (s *state) notices() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// delivered takes note that all of a message has been sent.
func (s *state) delivered(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.sent != sub.cursor {
		sub.sent = sub.cursor
		s.moved.Broadcast()
	}
}

// watches takes note of whether shutdowns are told of, and says whether that is news.
func (s *state) watches(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.now.unwatched
	s.now.unwatched = err
	return failureText(before) != failureText(err)
}

func (s *state) append(n notice) {
	s.ring[s.head%ringSize] = n
	s.head++
}

func (s *state) wake() {
	for sub := range s.subs {
		select {
		case sub.wake <- struct{}{}:
		default:
		}
	}
}

// subscribe adds a subscriber, which is woken at once if there is a sample.
func (s *state) subscribe() (*subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subs) >= maxSubscribers {
		return nil, errCrowded
	}
	sub := &subscription{wake: make(chan struct{}, 1)}
	s.subs[sub] = struct{}{}
	if s.now.sample > 0 {
		sub.wake <- struct{}{}
	}
	return sub, nil
}

func (s *state) unsubscribe(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, sub)
	s.moved.Broadcast()
}

// open copies the whole state, with the shutdown that is pending, and puts the subscription's cursor behind it.
func (s *state) open(sub *subscription, into *snapshot) []notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.cursor = s.head
	s.copy(into)
	if s.pending.shutdown != 0 {
		return []notice{s.pending}
	}
	return nil
}

// follow copies the whole state and the notices since the last call.
func (s *state) follow(sub *subscription, into *snapshot) ([]notice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head-sub.cursor > ringSize {
		return nil, errBehind
	}
	var notices []notice
	for ; sub.cursor < s.head; sub.cursor++ {
		notices = append(notices, s.ring[sub.cursor%ringSize])
	}
	s.copy(into)
	return notices, nil
}

// whole copies the whole state.
func (s *state) whole(into *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copy(into)
}

func (s *state) copy(into *snapshot) {
	readings := append(into.readings[:0], s.now.readings...)
	*into = s.now
	into.readings = readings
}

func (s *state) throttling() throttle.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counter.State()
}

// judge refuses a value that its kind cannot have, so that every reading fits its field of the contract.
func judge(kind SensorKind, value float64, err error) reading {
	if err != nil {
		return reading{failure: failureText(err), unsupported: errors.Is(err, errors.ErrUnsupported)}
	}
	var low, high float64
	switch {
	case kind.isTemperature():
		low, high = -273.15, 10_000
	case kind == CPUClock:
		high = 1e12
	case kind == LinkSpeed:
		high = math.MaxUint32
	default:
		return reading{failure: "the sensor is of an unknown kind"}
	}
	if !(value >= low && value <= high) {
		return reading{failure: fmt.Sprintf("the sensor gave %v, which cannot be", value)}
	}
	return reading{value: value}
}

// failureText is an error as it is told: one line of valid UTF-8, never empty, and not longer than a message can bear.
func failureText(err error) string {
	if err == nil {
		return ""
	}
	text := strings.Join(strings.Fields(validText(err.Error())), " ")
	if text == "" {
		return "failed without a reason"
	}
	if len(text) > maxFailure {
		text = strings.ToValidUTF8(text[:maxFailure], "")
	}
	return text
}
