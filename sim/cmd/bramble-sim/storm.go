package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/sim/storm"
)

// stormSummary is the line of `storm --json`. Fields are added over time; none disappears.
type stormSummary struct {
	First uint64 `json:"first_seed"`
	Last  uint64 `json:"last_seed"`
	storm.Counts
	Violations []stormViolation `json:"violations"`
}

type stormViolation struct {
	Seed uint64 `json:"seed"`
	What string `json:"what"`
}

// storyLines is how many lines of a schedule's story are shown where a promise did not hold.
const storyLines = 80

func stormCommand(t terminal) *cobra.Command {
	var (
		seeds  string
		asJSON bool
		story  bool
	)
	cmd := &cobra.Command{
		Use: "storm", Short: "Hold the coordinator's decisions against random faults", Args: commandline.Takes(),
		Long: `Hold the coordinator's decisions against random faults.

Each seed is one schedule of a whole case in virtual time: people who switch, cancel and force, boards, wires and rails
that fail, a full disk, a master that reboots, and a coordinator that is killed between any two things that it does. A
seed gives the same schedule every time.

The exit code is 1 if a promise did not hold; the seed and the end of its story are then shown.`,
		Example: `  bramble-sim storm --seeds 1..1000
  bramble-sim storm --seeds 17 --story`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			first, last, err := parseSeeds(seeds)
			if err != nil {
				return daemon.UsageError{Err: err}
			}
			if story {
				return tell(t, first, last)
			}
			return runStorm(cmd.Context(), t, first, last, asJSON)
		},
	}
	cmd.Flags().StringVar(&seeds, "seeds", "1..1000", "run the schedules of seeds `A..B`, or of one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object that sums the storm up")
	cmd.Flags().BoolVar(&story, "story", false, "print the whole story of each schedule")
	return cmd
}

func parseSeeds(text string) (first, last uint64, err error) {
	from, to, ranged := strings.Cut(text, "..")
	if !ranged {
		to = from
	}
	first, err = strconv.ParseUint(from, 10, 64)
	if err == nil {
		last, err = strconv.ParseUint(to, 10, 64)
	}
	if err != nil || last < first {
		return 0, 0, fmt.Errorf("--seeds %s: must be two numbers with two dots between them, the second not less, such as 1..1000", text)
	}
	return first, last, nil
}

func runStorm(ctx context.Context, t terminal, first, last uint64, asJSON bool) error {
	sum := stormSummary{First: first, Last: last, Violations: []stormViolation{}}
	begin := time.Now()
	progress := newProgress(t, begin, last-first+1)
	err := storm.Range(ctx, first, last, func(r storm.Result) bool {
		sum.Add(r.Counts)
		progress.show(sum.Counts)
		if r.Violation != "" {
			sum.Violations = append(sum.Violations, stormViolation{r.Seed, r.Violation})
		}
		return r.Violation == ""
	})
	progress.end()
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(t.out).Encode(sum)
	} else {
		_, err = fmt.Fprint(t.out, sum.Counts)
		took := time.Since(begin)
		fmt.Fprintf(t.err, "%s, %.0f schedules a second\n", took.Round(100*time.Millisecond), float64(sum.Schedules)/took.Seconds())
	}
	if err != nil {
		return err
	}
	if len(sum.Violations) > 0 {
		return recount(t.err, sum.Violations[0])
	}
	return ctx.Err()
}

// recount shows the end of the story of a schedule in which a promise did not hold.
func recount(out io.Writer, v stormViolation) error {
	var lines []string
	if _, err := storm.Run(v.Seed, func(line string) { lines = append(lines, line) }); err != nil {
		return err
	}
	for _, line := range lines[max(0, len(lines)-storyLines):] {
		fmt.Fprintln(out, line)
	}
	return fmt.Errorf("schedule %d: at %s; 'bramble-sim storm --seeds %d --story' tells all of it", v.Seed, v.What, v.Seed)
}

// tell prints the stories of schedules.
func tell(t terminal, first, last uint64) error {
	var failed error
	for seed := first; ; seed++ {
		fmt.Fprintf(t.out, "# schedule %d\n", seed)
		r, err := storm.Run(seed, func(line string) { fmt.Fprintln(t.out, line) })
		if err != nil {
			return err
		}
		if r.Violation != "" && failed == nil {
			failed = errors.New("schedule " + strconv.FormatUint(seed, 10) + ": at " + r.Violation)
		}
		if seed == last {
			return failed
		}
	}
}

// progress is a line on a terminal that says how far a storm is.
type progress struct {
	out   io.Writer // nil for no terminal
	begin time.Time
	shown time.Time
	all   uint64
}

func newProgress(t terminal, begin time.Time, all uint64) *progress {
	p := &progress{begin: begin, all: all}
	if term.IsTerminal(int(t.err.Fd())) {
		p.out = t.err
	}
	return p
}

func (p *progress) show(c storm.Counts) {
	if now := time.Now(); p.out != nil && now.Sub(p.shown) > 200*time.Millisecond {
		p.shown = now
		rate := float64(c.Schedules) / now.Sub(p.begin).Seconds()
		fmt.Fprintf(p.out, "\r%d of %d schedules, %.0f a second, %d cuts, %d lost\x1b[K", c.Schedules, p.all, rate, c.Cuts, c.Lost)
	}
}

func (p *progress) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
