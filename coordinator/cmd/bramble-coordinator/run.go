package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/credentials"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/keeper"
)

// run looks after the case until a signal.
func (c *cli) run(ctx context.Context) error {
	logger, err := c.log.Logger("coordinator", c.stderr)
	if err != nil {
		return daemon.UsageError{Err: err}
	}
	cfg, err := config.Load(c.config)
	if err != nil {
		return err
	}
	err = daemon.Run(ctx, logger, func(ctx context.Context) error { return c.serve(ctx, cfg, logger) })
	if errors.Is(err, daemon.ErrInterrupted) {
		return fmt.Errorf("%w: a fan may not be at full: run bramble-coordinator safe", err)
	}
	return err
}

// serve does everything between the first file that is opened and the last. Nothing of the hardware is touched before
// it is known that nobody else drives it, and before the map that `safe` needs is written.
func (c *cli) serve(ctx context.Context, cfg *config.Config, logger hclog.Logger) (err error) {
	if err := makeDirectory(c.below("")); err != nil {
		return err
	}
	held, err := lock(c.below("coordinator.lock"))
	if err != nil {
		return err
	}
	defer held.Close()
	live := coordinator.Config{Core: cfg.Core, Logger: logger}
	live.Core.Version, live.Core.Seed = daemon.Version(), rand.Uint64()
	if err := identify(&live, cfg, logger); err != nil {
		return err
	}
	if live.Listeners, err = daemon.ListenAll(cfg.Listen); err != nil {
		return err
	}
	defer func() {
		for _, l := range live.Listeners {
			_ = l.Close() // again, where it ran
		}
	}()
	if err := writeMap(c.mapPath(), applied{Case: cfg.Core.Case, Hardware: hardware(cfg)}); err != nil {
		return err
	}
	fans, err := c.attach(ctx, &live, cfg, logger)
	defer func() {
		for _, p := range fans {
			err = errors.Join(err, p.close())
		}
	}()
	if err != nil {
		return err
	}
	kept, err := c.power(&live, cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.memory()) }()
	live.Alive = alive(cfg, kept.patience.tick(logger), logger)
	coordinator, err := coordinator.New(live)
	if err != nil {
		return err
	}
	return work(ctx, coordinator, fans, kept, logger)
}

// work runs the coordinator and what goes beside it until a signal, and then until everything has been left in order.
func work(asked context.Context, c *coordinator.Coordinator, fans []*port, kept kept, logger hclog.Logger) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(asked))
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	for _, p := range fans {
		if p.tach != nil {
			beside.Go(func() {
				if err := p.tach.Run(ctx); err != nil {
					logger.Error("tach ended", "fan", p.fan.Name, "error", err)
				}
			})
		}
	}
	if kept.lines != nil {
		beside.Go(func() { kept.lines.Run(ctx, logger) })
	}
	beside.Go(func() {
		leave(asked.Done(), ctx, c, kept.rails, kept.patience, logger)
		cancel()
	})
	return c.Run(ctx)
}

// kept is what outlives this process, and how much there is to leave in order.
type kept struct {
	lines  *keeper.Store // nil without rails and done lines
	memory func() error  // closes the store
	rails  int
	// patience is systemd's, while that takes its time.
	patience *patience
}

// power connects rails and done lines, where there are any, and the memory of every case that has nodes: workers without
// a rail are powered off, restarted and in maintenance, too.
func (c *cli) power(live *coordinator.Config, cfg *config.Config, logger hclog.Logger) (k kept, err error) {
	k.memory, k.patience = func() error { return nil }, &patience{}
	k.rails = len(cfg.Hardware.Rails)
	wired := k.rails+len(cfg.Hardware.DoneLines) > 0
	if wired {
		if k.lines, err = keeper.Open(c.below("rails.sock")); err != nil {
			logger.Warn("what an earlier run kept of the rails could not be asked for; they are taken over as they are", "error", err)
		}
		warnings, err := wire(live, cfg, k.lines)
		for _, w := range warnings {
			logger.Warn("power", "error", w)
		}
		if err != nil {
			return k, err
		}
	}
	if len(cfg.Core.Nodes) == 0 {
		return k, nil
	}
	memory, closeMemory, err := remember(c.at(cfg.State))
	switch {
	case err == nil:
	case wired:
		logger.Error("operations and proofs cannot be kept, so nothing will be switched", "error", err)
	default: // nothing can be cut, so that a person who just looks needs no folder
		logger.Warn("operations and maintenance are forgotten when this program ends", "error", err)
		return k, nil
	}
	live.Clock, live.Hardware.Store, k.memory = c.clock, memory, closeMemory
	return k, nil
}

// hardware is what the map says: the fans, which alone have a safe state that somebody must bring them to. No fans is an
// empty list, which another reader can tell from a damaged map.
func hardware(cfg *config.Config) config.Hardware {
	return config.Hardware{Fans: append([]config.Fan{}, cfg.Hardware.Fans...)}
}

// identify gives every connection over TCP its credentials.
func identify(live *coordinator.Config, cfg *config.Config, logger hclog.Logger) error {
	if cfg.TLS == nil {
		return nil
	}
	source, err := identity.Load(*cfg.TLS, logger.Named("identity"))
	if err != nil {
		return err
	}
	live.ServerCredentials = source.Server()
	live.Credentials = map[string]credentials.TransportCredentials{}
	for _, n := range cfg.Core.Nodes {
		if !isSocket(n.Address) {
			live.Credentials[n.Name] = source.Client()
		}
	}
	return nil
}

// attach connects fans to this machine. It also returns what was opened when it fails.
func (c *cli) attach(ctx context.Context, live *coordinator.Config, cfg *config.Config, logger hclog.Logger) ([]*port, error) {
	live.Hardware.Fans = map[string]coordinator.Fan{}
	var fans []*port
	for _, f := range cfg.Hardware.Fans {
		p, err := newPort(f, c.machine)
		if err != nil {
			return fans, err
		}
		if err := p.open(ctx, firstWait); err != nil {
			logger.Error("fan's output is not to be had, it is tried again", "fan", f.Name, "error", err)
		}
		fans = append(fans, p)
		live.Hardware.Fans[f.Name] = p
	}
	return fans, nil
}

// alive is called by the control loop after each tick. The first one is when the case is looked after: the listeners
// accept, and each fan has its duty.
func alive(cfg *config.Config, more func(), logger hclog.Logger) func() {
	feed, atLeast := daemon.Watchdog(logger)
	if atLeast > 0 && atLeast < core.Interval {
		logger.Warn("WatchdogSec is shorter than two control ticks and will fire without need", "reason", fmt.Sprintf("set it to %s or more", 3*core.Interval))
	}
	ready := false
	return func() {
		if !ready {
			ready = true
			logger.Info("looking after the case", "address", cfg.Listen)
			daemon.Ready(logger)
			daemon.Status(logger, fmt.Sprintf("case %s: %d nodes, %d fans", cfg.Core.Case, len(cfg.Core.Nodes), len(cfg.Core.Fans)))
		}
		feed()
		more()
	}
}
