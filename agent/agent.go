package agent

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bramblemesh/bramble/agent/throttle"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/hashicorp/go-hclog"
)

const (
	shutdownRetry = 10 * time.Second
	noticeGrace   = time.Second // for the subscribers to be sent a notice, while the shutdown waits
	logEvery      = time.Minute // between two lines about the same flag: a weak supply may flap once a second
)

// Agent samples one board and serves what it finds. Make one with [New]; it runs once.
type Agent struct {
	config   Config
	state    *state
	reader   *reader
	keeper   *keeper
	blinker  *blinker
	ending   *ending
	wire     *wire
	running  atomic.Bool
	stopOnce sync.Once
	stopping chan struct{} // closed when subscriptions have to end

	failing map[string]bool           // sensors that have been logged as failing; the sampler's own
	logged  [throttle.Flags]time.Time // when a rise of each flag was last logged; the sampler's own
}

// New checks the configuration, reports all its faults at once, and reads the counts of this boot from StatePath. Counts
// that cannot be read are logged and start anew. Nothing runs until [Agent.Run] or [Agent.Serve].
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	keeper := newKeeper(cfg.StatePath, cfg.Logger)
	return &Agent{
		config:   cfg,
		state:    newState(throttle.New(cfg.BootID, keeper.load())),
		reader:   newReader(cfg.Thermal, cfg.Throttle),
		keeper:   keeper,
		blinker:  newBlinker(cfg.Light, cfg.Logger),
		ending:   &ending{book: openBook(cfg.OperationsPath, cfg.BootID, cfg.Logger)},
		wire:     &wire{line: cfg.DoneLine},
		stopping: make(chan struct{}),
		failing:  make(map[string]bool),
	}, nil
}

// Run samples until the context is done, then ends every subscription, puts the light back, keeps the counts and returns
// nil. An agent runs once.
func (a *Agent) Run(ctx context.Context) error {
	if !a.running.CompareAndSwap(false, true) {
		return errors.New("agent: it has run already: make another with New")
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer a.stop()
	keep, sampled := context.WithCancel(context.WithoutCancel(ctx)) // the last sample's counts are kept too
	wg.Go(func() { a.keeper.run(keep, a.state.throttling) })
	wg.Go(func() { a.blinker.run(ctx) })
	if a.config.Shutdown != nil {
		wg.Go(func() { a.watchShutdown(ctx) })
	}
	a.sampleUntilDone(ctx)
	sampled()
	a.reader.close(ctx)
	return nil
}

// stop ends every subscription.
func (a *Agent) stop() { a.stopOnce.Do(func() { close(a.stopping) }) }

// sampleUntilDone takes a sample at each multiple of the interval since its start.
func (a *Agent) sampleUntilDone(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		a.sample()
		due = following(due, time.Now(), a.config.Interval)
		timer.Reset(time.Until(due))
	}
}

// following is the next deadline after now on the grid that due is on.
func following(due, now time.Time, interval time.Duration) time.Time {
	next := due.Add(interval)
	if late := now.Sub(next); late >= 0 {
		next = next.Add((late/interval + 1) * interval)
	}
	return next
}

// sample reads the board once and publishes what it found. Its age counts from before the first read.
func (a *Agent) sample() {
	at := time.Now()
	sets := a.state.sets
	a.reader.round(a.config.Interval / 4)
	edges := a.state.publish(a.reader, at)
	if len(edges) > 0 {
		a.tellEdges(at, edges)
	}
	a.keeper.changed(a.state.counter.State())
	if a.state.sets != sets {
		clear(a.failing)
		a.config.Logger.Info("sensors changed", "to", len(a.state.now.sensors))
	}
	for i, r := range a.state.now.readings {
		a.tellFailure(a.state.now.sensors[i].Name, r)
	}
	a.tellFailure("throttling", reading{failure: a.state.now.flags.failure})
	a.config.Alive()
}

// tellFailure logs when a sensor stops answering, and when it answers again.
func (a *Agent) tellFailure(sensor string, r reading) {
	if a.failing[sensor] == (r.failure != "") {
		return
	}
	if r.failure == "" {
		delete(a.failing, sensor)
		a.config.Logger.Info("sensor answers again", "sensor", sensor)
		return
	}
	a.failing[sensor] = true
	level := hclog.Warn
	if r.unsupported {
		level = hclog.Info
	}
	a.config.Logger.Log(level, "sensor does not answer", "sensor", sensor, "error", r.failure)
}

func (a *Agent) tellEdges(at time.Time, edges []throttle.Edge) {
	for _, e := range edges {
		if !e.Active || !a.logged[e.Flag].IsZero() && at.Sub(a.logged[e.Flag]) < logEvery {
			continue
		}
		a.logged[e.Flag] = at
		a.config.Logger.Warn("throttling flag rose", "state", e.Flag.String())
	}
}

// watchShutdown passes on what the shutdown port learns, and tries again when it fails.
func (a *Agent) watchShutdown(ctx context.Context) {
	notify := func(kind string) {
		a.announce(parseShutdown(kind))
		ctx, cancel := context.WithTimeout(ctx, noticeGrace)
		defer cancel()
		a.state.settle(ctx)
	}
	for {
		well := time.AfterFunc(shutdownRetry/2, func() { a.state.watches(nil) })
		err := a.config.Shutdown.Watch(ctx, notify)
		well.Stop()
		if ctx.Err() != nil {
			return
		}
		if a.state.watches(err) {
			a.config.Logger.Warn("shutdowns are not watched, will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(shutdownRetry):
		}
	}
}

// announce tells the subscribers of a shutdown. No pulse is on the done line by then, nor until it is called off: a watcher
// takes a line that rises after this for the end of the board.
func (a *Agent) announce(kind shutdownKind) {
	if kind != shutdownCancelled {
		a.wire.bar(announced)
	}
	if a.state.announce(notice{at: time.Now(), shutdown: kind}) {
		a.config.Logger.Info("shutdown announced", "state", kind.String())
	}
	if kind == shutdownCancelled {
		a.wire.clear(announced)
	}
}

// doneSignal is how the end of a power-off is signalled.
func (a *Agent) doneSignal() DoneSignal {
	if a.config.DoneLine == nil {
		return DoneSignal{}
	}
	return a.config.DoneLine.Signal()
}

// snapshot is the whole state for one caller. It waits for the first sample.
func (a *Agent) snapshot(ctx context.Context) (*agentv1.GetNodeResponse, error) {
	select {
	case <-a.state.first:
	case <-a.stopping:
		return nil, errStopping
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var now snapshot
	a.state.whole(&now)
	now.done = a.doneSignal()
	return &agentv1.GetNodeResponse{
		Node:            a.node(now),
		Readings:        readingsToWire(now.sensors, now.readings),
		Throttling:      flagsToWire(now.flags),
		AgeMilliseconds: milliseconds(time.Since(now.at)),
	}, nil
}
