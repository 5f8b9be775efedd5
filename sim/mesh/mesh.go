// Package mesh runs a whole case in one process: a simulated case, an agent for every board of it that is up, and the
// coordinator, talking gRPC over a Network. It is the same agent and coordinator that run on boards; only the hardware
// below them is simulated. It runs on the clock, so inside a testing/synctest bubble a virtual hour takes less than a
// second.
//
// Agents live as long as their boards: they end with a shutdown or a cut of power and start again with a new boot id.
// A board whose agent the case calls silent keeps its connections, and nothing passes through them.
//
// Package virtual has the same case without agents, sockets or goroutines, repeatable to the byte.
package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// look is how often the mesh looks which boards came up, went down or fell silent.
const look = 100 * time.Millisecond

// Config says what to run. Only Case is required.
type Config struct {
	// Case is the simulated case. Run ties it to the clock.
	Case *sim.Case
	// Core configures the coordinator. The zero value means virtual.CoreConfig of the case and the network.
	Core core.Config
	// Store outlasts the mesh. nil means that nothing does. Each mesh is a new boot of its master.
	Store coordinator.Store
	// Network carries the streams. nil means Memory.
	Network Network
	// Logger takes the logs of agents and coordinator. nil means none.
	Logger hclog.Logger
}

// Mesh is a case in one process. Make one with New.
type Mesh struct {
	cfg         Config
	coordinator *coordinator.Coordinator
	listener    net.Listener
}

// New makes a mesh. It listens for the coordinator's clients at once, so that a name that is taken is known before
// anything runs.
func New(cfg Config) (*Mesh, error) {
	if cfg.Case == nil {
		return nil, errors.New("mesh: no case")
	}
	if cfg.Network == nil {
		cfg.Network = &Memory{}
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.Core.Nodes == nil {
		cfg.Core = virtual.CoreConfig(cfg.Case, cfg.Network.Address)
	}
	listener, err := cfg.Network.Listen(CoordinatorSocket)
	if err != nil {
		return nil, fmt.Errorf("mesh: %w", err)
	}
	c, err := coordinator.New(coordinator.Config{
		Core:      cfg.Core,
		Hardware:  hardware(cfg.Case, cfg.Store),
		Dial:      cfg.Network.Dial,
		Listeners: []net.Listener{listener},
		Logger:    cfg.Logger.Named("coordinator"),
	})
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("mesh: %w", err)
	}
	return &Mesh{cfg: cfg, coordinator: c, listener: listener}, nil
}

// Coordinator is the mesh's coordinator, for what an embedding program would do with it.
func (m *Mesh) Coordinator() *coordinator.Coordinator { return m.coordinator }

// Run runs case, agents and coordinator until ctx ends, the master has shut down or one of them fails, and joins them all.
// It may be called once.
func (m *Mesh) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed []error
	)
	start := func(what string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				mu.Lock()
				failed = append(failed, fmt.Errorf("%s: %w", what, err))
				mu.Unlock()
			}
			cancel()
		})
	}
	start("case", m.cfg.Case.Run)
	for _, board := range m.cfg.Case.Boards() {
		start(board.Name(), func(ctx context.Context) error { return m.attend(ctx, board) })
	}
	start("master", m.waitForHalt)
	start("coordinator", m.coordinator.Run)
	wg.Wait()
	return errors.Join(failed...)
}

// waitForHalt returns when the master has halted, on which the coordinator runs: the first board, unless that has a rail.
func (m *Mesh) waitForHalt(ctx context.Context) error {
	master := m.cfg.Case.Boards()[0]
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for m.cfg.Case.Rail(master.Name()) != nil || master.State() != sim.StateHalted {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// attend keeps the agent of one board: started when the board is up, ended when it goes down.
func (m *Mesh) attend(ctx context.Context, board *sim.Board) error {
	gate := newGate()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	var (
		boot   string
		none   = func() error { return nil }
		stop   = none
		broken = make(chan error, 1)
	)
	for {
		if up := board.AgentRuns(); boot != "" && (!up || board.BootID() != boot) {
			if err := stop(); err != nil {
				return err
			}
			boot, stop = "", none
		} else if up && boot == "" {
			boot = board.BootID()
			var err error
			if stop, err = m.startAgent(ctx, board, boot, gate, broken); err != nil {
				return err
			}
		}
		gate.set(boot == "" || !board.Silent())
		select {
		case <-ticker.C:
		case err := <-broken:
			return err
		case <-ctx.Done():
			gate.set(true)
			return stop()
		}
	}
}

// startAgent starts the agent of a board for one boot. The returned function ends and joins it; an agent that ends by
// itself says why on broken.
func (m *Mesh) startAgent(ctx context.Context, board *sim.Board, boot string, gate *gate, broken chan<- error) (stop func() error, err error) {
	listener, err := m.cfg.Network.Listen(board.Name())
	if err != nil {
		return nil, err
	}
	ports := boardPorts{board}
	booted := time.Now()
	a, err := agent.New(agent.Config{
		Name: board.Name(), Version: "simulated", BootID: boot,
		Uptime:   func() time.Duration { return time.Since(booted) },
		Board:    agent.Board{Model: board.Model(), LimitCelsius: board.LimitCelsius()},
		Thermal:  ports,
		Throttle: ports,
		Light:    ports,
		Shutdown: board,
		Power:    ports,
		DoneLine: ports,
		Logger:   m.cfg.Logger.Named(board.Name()),
	})
	if err != nil {
		listener.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		err := a.Serve(ctx, gatedListener{listener, gate})
		if ctx.Err() != nil {
			err = nil
		} else {
			broken <- err
		}
		done <- err
	}()
	return func() error {
		cancel()
		gate.set(true) // what is frozen could not end
		return <-done
	}, nil
}
