package storm

import (
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// board is one worker, as the world sees it.
type board struct {
	*sim.Board
	name string
	cfg  core.NodeConfig
	pin  *pin // nil without a rail

	starting bool          // its rail rose, and it is not up yet
	down     bool          // its system began a power-off since it last got power
	downAt   time.Duration // when
	heard    time.Duration // when its agent last could speak
	plugged  time.Duration // when somebody pulled its plug last, and put it back
	outage   int           // the master's boot in which it was switched on by itself
	force    *wish         // what allowed the last cut without proof; nil for nothing
	overdue  bool          // the owner's deadline allowed it
}

// pin is a worker's rail, and counts its edges.
type pin struct {
	w    *world
	of   *board
	rail *sim.Rail
}

func (p *pin) On() (bool, error) { return p.rail.On() }

func (p *pin) Set(on bool) error {
	before := p.rail.Gate()
	if before && !on {
		p.w.mayCut(p.of)
	}
	if err := p.rail.Set(on); err != nil {
		return err
	}
	if after := p.rail.Gate(); before != after {
		p.w.edge(p.of, after)
	}
	return nil
}

// build draws the case, its owner's configuration and its beginning.
func (w *world) build() error {
	err := w.assemble(w.drawCase(), func() {
		for i := range w.cfg.Nodes[1:] {
			w.drawNode(&w.cfg.Nodes[i+1])
		}
		w.drawSupply()
	})
	if err != nil {
		return err
	}
	w.swapSome()
	w.pass(w.span(0, 20*time.Second))
	return nil
}

// assemble makes the world of a case; configure says how its owner treats it.
func (w *world) assemble(cfg sim.Config, configure func()) error {
	c, err := sim.New(cfg)
	if err != nil {
		return err
	}
	w.c, w.disk, w.events, w.master = c, &virtual.Memory{}, c.Events(), c.Boards()[0]
	w.cfg = virtual.CoreConfig(c, func(name string) string { return name })
	configure()
	w.supply, w.fixed = w.cfg.Supply.LimitAmperes, w.cfg.Supply.FixedAmperes
	rails := make(map[string]virtual.Rail)
	for _, n := range w.cfg.Nodes[1:] {
		b := &board{Board: c.Board(n.Name), name: n.Name, cfg: n}
		if rail := c.Rail(n.Name); rail != nil {
			b.pin = &pin{w, b, rail}
			rails[n.Name] = b.pin
		}
		w.boards = append(w.boards, b)
	}
	w.shell, err = virtual.New(virtual.Config{
		Case: c, Core: w.cfg, Store: w.disk, Rails: rails, Epoch: time.Unix(w.random.Int64N(4e9), 0).UTC(), KeepsEdges: w.calm || w.chance(0.7),
		Network: w.network, Disk: w.write, Report: w.hear, Dies: w.dies, Effect: w.effect, Began: w.began,
	})
	return err
}

func (w *world) drawCase() sim.Config {
	cfg := sim.Config{Name: "storm", Seed: w.seed, Boards: []sim.BoardConfig{{Name: "master", BootTime: 10 * time.Second}}}
	cfg.Fan.Absent = w.chance(0.75)
	for i := range 2 + w.random.IntN(5) {
		b := sim.BoardConfig{
			Name: fmt.Sprintf("worker-%d", i+1), Kind: sim.Kind(w.random.IntN(2)),
			Rail:     w.chance(0.85),
			BootTime: w.span(5*time.Second, 40*time.Second), StopTime: w.span(5*time.Second, 20*time.Second),
			CheckTime: w.span(10*time.Second, 100*time.Second), CheckChance: 0.1,
			Load: 0.02 + 0.9*w.random.Float64(),
		}
		b.DoneLine = w.chance(0.92)
		b.StartsOff = b.Rail && w.chance(0.25)
		switch n := w.random.IntN(20); {
		case n < 11:
			b.Overlay.ActiveDelay = w.span(50*time.Millisecond, 300*time.Millisecond)
			b.Overlay.InactiveDelay = w.span(50*time.Millisecond, 300*time.Millisecond)
			b.Overlay.Timeout = w.span(time.Second, 20*time.Second)
		case n < 19:
			b.DoneBy = sim.DoneByHelper
		default:
			b.DoneBy = sim.DoneByNone
		}
		cfg.Boards = append(cfg.Boards, b)
	}
	if w.chance(0.5) { // else 15 A, which hardly sags
		cfg.Supply.LimitAmps = 5 + 1.3*float64(len(cfg.Boards))
	}
	return cfg
}

// drawNode draws how the owner treats a worker.
func (w *world) drawNode(n *core.NodeConfig) {
	p := &n.Power
	p.StopDeadline = w.span(20*time.Second, 180*time.Second)
	p.BootDeadline = w.span(30*time.Second, 150*time.Second)
	if w.chance(0.4) {
		p.Grace = w.span(500*time.Millisecond, 15*time.Second)
	}
	p.TrustWiring = w.chance(0.8)
	p.CutWhenHalted = w.chance(0.85)
	if n.Rail && w.chance(0.1) {
		p.Rail = power.RailCommand
	}
	if w.chance(0.05) {
		p.CutStuckAfter = w.span(5*time.Second, time.Minute)
	}
	if w.chance(0.05) {
		p.FenceLostAfter = w.span(30*time.Second, 3*time.Minute)
	}
	if n.Name != "worker-1" && w.chance(0.15) {
		n.After = []string{"worker-1"}
	}
}

// drawSupply draws a limit that is often too small for all, and how starts share it.
func (w *world) drawSupply() {
	s := &w.cfg.Supply
	s.Stagger = w.span(500*time.Millisecond, 5*time.Second)
	s.Settle = w.span(2*time.Second, 10*time.Second)
	s.GiveUp = w.span(20*time.Second, 5*time.Minute)
	all := s.FixedAmperes
	for _, n := range w.cfg.Nodes {
		all += max(n.BootPeakAmperes, n.MaximumAmperes)
	}
	s.LimitAmperes = 0
	if w.chance(0.8) {
		s.LimitAmperes = all * (0.7 + 0.35*w.random.Float64())
	}
	w.cfg.Parallel = 1 + w.random.IntN(4)
	w.cfg.AfterOutage = []string{"last", "start", "stay"}[w.random.IntN(3)]
}

// swapSome swaps two lines whose wiring nobody has vouched for.
func (w *world) swapSome() {
	if !w.chance(0.5) {
		return
	}
	var pair []string
	for _, i := range w.random.Perm(len(w.boards)) {
		if b := w.boards[i]; b.cfg.Power.Line && !b.cfg.Power.TrustWiring && len(pair) < 2 {
			pair = append(pair, b.name)
		}
	}
	if len(pair) == 2 {
		w.fault(sim.Fault{Kind: sim.FaultDoneSwapped, Board: pair[0], Other: pair[1]})
	}
}

// write draws how long a write to the disk takes.
func (w *world) write() time.Duration {
	if w.chance(0.03) {
		return w.span(0, 4*time.Second) // an SD card that tidies up
	}
	return w.span(0, 30*time.Millisecond)
}

// network draws how one request travels.
func (w *world) network(string) virtual.Trip {
	t := virtual.Trip{There: w.span(0, 20*time.Millisecond), Back: w.span(0, 20*time.Millisecond)}
	if w.chance(0.1) {
		t.There = w.span(0, 8*time.Second)
	}
	if w.chance(0.1) {
		t.Back = w.span(0, 8*time.Second)
	}
	t.Lost = w.chance(0.05)
	return t
}
