package agent

import (
	"context"
	"math"
	"slices"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

const (
	defaultDeadBand = 0.1
	maxDeadBand     = 10
	// Temperatures come in thousandths of a degree: this much less than the dead band is rounding, not a smaller change.
	rounding = 1e-6
)

// watch sends one subscriber its messages until the context is done, the agent stops, or send fails.
func (a *Agent) watch(ctx context.Context, deadBand float64, send func(*agentv1.WatchResponse) error) error {
	sub, err := a.state.subscribe()
	if err != nil {
		return err
	}
	defer a.state.unsubscribe(sub)
	f := follower{deadBand: deadBand}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.stopping:
			return errStopping
		case <-sub.wake:
		}
		m, err := f.message(a, sub)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		if err := send(m); err != nil {
			return err
		}
		a.state.delivered(sub)
	}
}

// follower knows what one subscriber has been sent.
type follower struct {
	deadBand     float64
	sequence     uint64
	sample       uint64
	epoch        int
	sent         []reading
	flags        flags
	capabilities []Capability
	done         DoneSignal
	now          snapshot // reused for each message
}

// message is the next one for this subscriber, or nil when it has been sent everything.
func (f *follower) message(a *Agent, sub *subscription) (*agentv1.WatchResponse, error) {
	var notices []notice
	var err error
	if f.sequence == 0 {
		notices = a.state.open(sub, &f.now)
	} else if notices, err = a.state.follow(sub, &f.now); err != nil {
		return nil, err
	}
	if f.now.sample == 0 || f.now.sample == f.sample && len(notices) == 0 {
		return nil, nil
	}
	f.now.done = a.doneSignal()
	capabilities := a.config.capabilities(f.now)
	anew := f.sequence == 0 || f.now.epoch != f.epoch || f.now.done != f.done || !slices.Equal(capabilities, f.capabilities)
	f.capabilities, f.done = capabilities, f.now.done
	m := f.changes(time.Now(), notices, anew)
	if anew {
		m.Node = a.node(f.now)
	}
	return m, nil
}

// changes is what differs between the newest state and what was sent, and becomes what was sent. If the node is told anew,
// all readings differ.
func (f *follower) changes(now time.Time, notices []notice, anew bool) *agentv1.WatchResponse {
	f.sequence++
	f.sample = f.now.sample
	m := &agentv1.WatchResponse{
		Sequence:        f.sequence,
		Sample:          f.now.sample,
		AgeMilliseconds: milliseconds(now.Sub(f.now.at)),
	}
	if anew {
		f.epoch, f.sent = f.now.epoch, append(f.sent[:0], f.now.readings...)
		m.Readings = readingsToWire(f.now.sensors, f.now.readings)
	} else {
		for i, r := range f.now.readings {
			if !f.moved(f.now.sensors[i].Kind, f.sent[i], r) {
				continue
			}
			f.sent[i] = r
			m.Readings = append(m.Readings, readingToWire(i, f.now.sensors[i].Kind, r))
		}
	}
	if f.sequence == 1 || f.flags != f.now.flags {
		f.flags = f.now.flags
		m.Throttling = flagsToWire(f.flags)
	}
	for _, n := range notices {
		if n.shutdown == 0 {
			m.FlagEdges = append(m.FlagEdges, edgeToWire(n, now))
		} else {
			m.ShutdownNotices = append(m.ShutdownNotices, shutdownToWire(n, now))
		}
	}
	return m
}

// moved says whether a reading is worth a message. A failure that comes, goes or changes always is.
func (f *follower) moved(kind SensorKind, sent, now reading) bool {
	if sent.failure != "" || now.failure != "" {
		return sent.failure != now.failure
	}
	if !kind.isTemperature() {
		return sent.value != now.value
	}
	return math.Abs(now.value-sent.value) >= f.deadBand-rounding
}

// deadBand is the one that a request asks for.
func deadBand(asked float64) (float64, error) {
	if !(asked >= 0 && asked <= maxDeadBand) {
		return 0, badRequest("dead_band_celsius: %v is not allowed: 0 (meaning %v) to %v", asked, defaultDeadBand, maxDeadBand)
	}
	if asked == 0 {
		return defaultDeadBand, nil
	}
	return asked, nil
}

func milliseconds(d time.Duration) uint64 { return uint64(max(d, 0) / time.Millisecond) }
