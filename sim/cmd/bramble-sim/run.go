package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/sim"
)

// options are the flags of run.
type options struct {
	profile   string
	nodes     int
	supply    float64
	seed      uint64
	speed     string
	duration  time.Duration
	scenario  string
	socketDir string
	store     string
	json      bool
	plain     bool
}

func runCommand(t terminal) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "run", Short: "Run the case until its time is up, or until Ctrl-C", Args: commandline.Takes(),
		Long: `Run the case until its time is up, or until Ctrl-C.

On a terminal the case is shown live, with keys that break something. Elsewhere each change is a line. With --json the
lines go to standard error, and standard output ends with one JSON object that sums the run up.

At --speed 1 agents and coordinator talk over unix sockets that other programs can use. At another speed the run is
virtual: without sockets, single-threaded, and the same bytes for the same seed.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o, t) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.profile, "case", "pico5", "the `PROFILE` to simulate: "+strings.Join(sim.Profiles(), " or "))
	flags.IntVar(&o.nodes, "nodes", 0, "simulate `N` boards instead of a profile")
	flags.Float64Var(&o.supply, "supply", 0, "the most that the supply gives, in `AMPERES` (default: the profile's)")
	flags.Uint64Var(&o.seed, "seed", 1, "of noise, boot times and random loads")
	flags.StringVar(&o.speed, "speed", "1", "so many virtual seconds in a second, or max")
	flags.DurationVar(&o.duration, "for", 0, "end after this time of the case, such as 30s (default: until Ctrl-C; virtual runs: the scenario's own length)")
	flags.StringVar(&o.scenario, "scenario", "idle", "loads and faults over time: a `NAME` that 'bramble-sim scenarios' lists, or a YAML file")
	flags.StringVar(&o.socketDir, "socket-dir", "", "put the sockets into `DIR` (default: a new folder under the system's temporary one)")
	flags.StringVar(&o.store, "store", "", "keep operations, proofs and events in `FILE`, for the next run too (default: in memory)")
	flags.BoolVar(&o.json, "json", false, "end with one JSON object that sums the run up")
	flags.BoolVar(&o.plain, "plain", false, "print lines on a terminal too")
	return cmd
}

// plan is what a run is about, checked as a whole before anything starts.
type plan struct {
	options
	c        *sim.Case
	scenario sim.Scenario
	speed    float64 // +Inf for max
	lines    io.Writer
}

func run(ctx context.Context, o options, t terminal) error {
	p, err := prepare(o, t)
	if err != nil {
		return err
	}
	if o.duration > 0 {
		p.duration = o.duration
	}
	kept, closeStore, err := openStore(o.store)
	if err != nil {
		return err
	}
	var sum summary
	if p.speed == 1 {
		sum, err = p.onTheClock(ctx, t, kept)
	} else {
		sum, err = p.virtual(ctx, kept)
	}
	if err = errors.Join(err, closeStore()); err != nil || !o.json {
		return err
	}
	return json.NewEncoder(t.out).Encode(sum)
}

func prepare(o options, t terminal) (*plan, error) {
	p := &plan{options: o, lines: t.out}
	if o.json {
		p.lines = t.err
	}
	var err error
	if p.speed, err = parseSpeed(o.speed); err != nil {
		return nil, daemon.UsageError{Err: err}
	}
	if o.duration < 0 {
		return nil, daemon.UsageError{Err: fmt.Errorf("--for %s: must not be negative", o.duration)}
	}
	if p.speed != 1 && o.socketDir != "" {
		return nil, daemon.UsageError{Err: fmt.Errorf("--socket-dir: a virtual run (--speed %s) has no sockets", o.speed)}
	}
	cfg, err := sim.Profile(o.profile)
	if o.nodes != 0 {
		cfg, err = sim.Boards(o.nodes)
	}
	if err != nil {
		return nil, daemon.UsageError{Err: err}
	}
	if o.supply != 0 {
		cfg.Supply.LimitAmps = o.supply
	}
	cfg.Seed = o.seed
	if p.c, err = sim.New(cfg); err != nil {
		return nil, err
	}
	if p.scenario, err = loadScenario(o.scenario, p.c.Config()); err != nil {
		return nil, err
	}
	if err := p.c.Play(p.scenario); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", o.scenario, err)
	}
	if p.duration == 0 && p.speed != 1 {
		if p.duration = p.scenario.Duration; p.duration == 0 {
			p.duration = time.Hour
		}
	}
	return p, nil
}

func parseSpeed(text string) (float64, error) {
	if text == "max" {
		return math.Inf(1), nil
	}
	speed, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !(speed >= 0.1 && speed <= 1e6) {
		return 0, fmt.Errorf("--speed %s: must be a number from 0.1 to 1000000, or max", text)
	}
	return speed, nil
}

// nodes is how the summary begins.
func (p *plan) recorder() *recorder {
	var nodes []nodeSummary
	for _, b := range p.c.Boards() {
		nodes = append(nodes, nodeSummary{Name: b.Name(), Board: b.Model()})
	}
	return newRecorder(p.c.Config().Name, p.scenario.Name, p.seed, nodes)
}

// socketFolder is where the sockets go, and what removes it again if it is the run's own.
func (p *plan) socketFolder() (dir string, remove func(), err error) {
	if p.socketDir != "" {
		return p.socketDir, func() {}, os.MkdirAll(p.socketDir, 0o755)
	}
	dir, err = os.MkdirTemp("", "bramble-")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}
