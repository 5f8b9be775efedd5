package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/host/systemd"
	"github.com/bramblemesh/bramble/internal/daemon"
)

const (
	// stateWait is how long systemd may take to say whether the machine goes down, and stateTries how often it is asked: in
	// a shutdown it has much to do, and an answer that is missed cuts the workers.
	stateWait  = 3 * time.Second
	stateTries = 5
	// requestWait is how long the request to stop the workers may take to be on disk, where the disk may hang.
	requestWait = time.Minute
	// grant is how much time is asked for at a time, and asking how often: a worker that hangs must not make systemd kill
	// this process while it still follows the others.
	grant  = 30 * time.Second
	asking = 10 * time.Second
)

// leave ends the coordinator once a signal has asked for it. If the whole machine goes down, the workers are stopped
// first, in order, while there is a network: where the rails fall with this machine, they would be cut while running.
func leave(asked <-chan struct{}, over context.Context, c *coordinator.Coordinator, rails int, more *patience, logger hclog.Logger) {
	select {
	case <-asked:
	case <-over.Done():
		return
	}
	if rails == 0 {
		return
	}
	more.ask(logger)
	if !goingDown(over, systemd.GoingDown, logger) {
		return
	}
	answer, err := stopWorkers(over, c)
	if err != nil {
		logger.Error("the workers are not stopped before this machine goes down", "error", err)
		return
	}
	if answer.Operation == nil {
		return
	}
	logger.Info("this machine goes down: stopping the workers first", "operation", answer.Operation.ID)
	follow(over, c, answer.Operation.ID, logger)
}

func stopWorkers(ctx context.Context, c *coordinator.Coordinator) (core.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	return c.Request(ctx, core.Request{
		Kind: core.OperationStopCase, By: "this machine's shutdown", Reason: "the machine that switches the workers goes down", Shutdown: true,
	})
}

// goingDown asks systemd. One that cannot be asked is taken not to shut down: a restart of the service must never stop
// the workers.
func goingDown(ctx context.Context, ask func(context.Context) (bool, error), logger hclog.Logger) bool {
	for try := 1; ; try++ {
		down, err := askOnce(ctx, ask)
		if err == nil {
			return down
		}
		if try == stateTries || errors.Is(err, fs.ErrNotExist) { // there is no bus, so no systemd
			logger.Warn("systemd does not say whether this machine goes down; the workers are left as they are", "error", err)
			return false
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return false
		}
	}
}

func askOnce(ctx context.Context, ask func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, stateWait)
	defer cancel()
	return ask(ctx)
}

// patience keeps systemd from killing this process while it stops the workers, for as long as the control loop lives:
// systemd's watchdog does not look after a service that stops.
type patience struct{ asked atomic.Bool }

// ask asks for time at once, and from then on by tick.
func (p *patience) ask(logger hclog.Logger) {
	daemon.Extend(logger, grant)
	p.asked.Store(true)
}

// tick returns what the control loop calls once a second.
func (p *patience) tick(logger hclog.Logger) func() {
	var last time.Time
	return func() {
		if now := time.Now(); p.asked.Load() && now.Sub(last) >= asking {
			last = now
			daemon.Extend(logger, grant)
		}
	}
}

// follow reports an operation until it has ended.
func follow(ctx context.Context, c *coordinator.Coordinator, id string, logger hclog.Logger) {
	told := ""
	for o, err := range c.WatchOperation(ctx, id) {
		if err != nil {
			logger.Error("the stop of the workers is not followed any more", "operation", id, "error", err)
			return
		}
		if line := progress(o); line != told {
			told = line
			logger.Info("stopping the workers", "operation", id, "state", line)
			daemon.Status(logger, "stopping the workers: "+line)
		}
		if o.State == core.OperationFailed {
			logger.Error("a worker is not known to be off", "operation", id, "reason", o.Message)
		}
	}
}

// progress is how far each node is, in one line.
func progress(o core.OperationView) string {
	parts := make([]string, len(o.Steps))
	for i, s := range o.Steps {
		parts[i] = fmt.Sprintf("%s %s", s.Node, s.State)
		if n := len(s.Milestones); n > 0 && s.State == core.StepRunning {
			parts[i] = s.Node + " " + s.Milestones[n-1].Name
		}
	}
	return strings.Join(parts, ", ")
}
