package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/mesh"
)

// onTheClock runs the plan with agents and coordinator over unix sockets.
func (p *plan) onTheClock(ctx context.Context, t terminal, kept coordinator.Store) (sum summary, err error) {
	dir, remove, err := p.socketFolder()
	if err != nil {
		return summary{}, fmt.Errorf("sockets: %w; name another folder with --socket-dir", err)
	}
	defer remove()
	sockets := mesh.Sockets(dir)
	m, err := mesh.New(mesh.Config{Case: p.c, Store: kept, Network: sockets})
	if err != nil {
		return summary{}, err
	}
	if p.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.duration)
		defer cancel()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	live := t.live && !p.json && !p.plain
	fmt.Fprintln(p.lines, p.welcome(sockets))
	lines := p.lines
	if live {
		lines = nil // the view shows them
	}
	o := newObserver(p, lines)
	var (
		group  sync.WaitGroup
		runErr error
	)
	group.Go(func() {
		defer stop()
		runErr = m.Run(ctx)
	})
	group.Go(func() { p.follow(ctx, m, o) })
	group.Go(func() { p.hear(ctx, m, o) })
	if live {
		err = p.view(ctx, sockets, o, t)
		stop()
	}
	group.Wait()
	if p.c.Boards()[0].State() == sim.StateHalted {
		o.say(p.c.Boards()[0].Name(), "has shut down, and the coordinator with it: the case is off")
	}
	return o.finish(), errors.Join(err, runErr)
}

// follow looks at the case until ctx ends.
func (p *plan) follow(ctx context.Context, m *mesh.Mesh, o *observer) {
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			nodes := m.Coordinator().Nodes()
			for _, n := range nodes {
				o.presence(n)
			}
			o.look(nodes, m.Coordinator().Fans())
		}
	}
}

// hear follows what the coordinator tells its subscribers until ctx ends.
func (p *plan) hear(ctx context.Context, m *mesh.Mesh, o *observer) {
	for event, err := range m.Coordinator().Watch(ctx) {
		if err != nil {
			if ctx.Err() == nil {
				o.say("simulator", "events were lost: "+err.Error())
			}
			return
		}
		o.hear(event)
	}
}

// view shows the case until the person quits or ctx ends.
func (p *plan) view(ctx context.Context, sockets mesh.Sockets, o *observer, t terminal) error {
	v, closeView, err := newView(ctx, p, sockets, o)
	if err != nil {
		return err
	}
	defer closeView()
	_, err = tea.NewProgram(v, tea.WithContext(ctx), tea.WithAltScreen(), tea.WithInput(t.in), tea.WithOutput(t.out), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// welcome says where everything is and what to try.
func (p *plan) welcome(sockets mesh.Sockets) string {
	coordinator := sockets.Address(mesh.CoordinatorSocket)
	first := p.c.Boards()[len(p.c.Boards())-1].Name()
	return fmt.Sprintf(`%s, %d boards, scenario %s: sockets in %s
try, in another terminal:
  go run ./coordinator/cmd/bramblectl --address %s watch
  go run ./coordinator/cmd/bramblectl --address %[5]s fan set 60%% --for 1m
  go run ./coordinator/cmd/bramblectl --address %[5]s power off worker-2 --wait
  go tool -modfile=tools/go.mod grpcurl -plaintext -unix %[6]s bramble.agent.v1.AgentService/Watch
`, p.c.Config().Name, len(p.c.Boards()), p.scenario.Name, string(sockets), coordinator, filepath.Join(string(sockets), first+".sock"))
}
