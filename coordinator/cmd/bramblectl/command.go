package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bramblemesh/bramble/identity"
)

const (
	defaultAddress = "unix:///run/bramble/coordinator.sock"
	defaultTimeout = 3 * time.Second
)

// cli is one run: the world and the flags that every command has.
type cli struct {
	process
	address string
	output  format
	timeout time.Duration
	files   identity.Files
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, p process) int {
	c := &cli{process: p, output: formatTable}
	root := c.root()
	root.SetArgs(p.args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(p.stderr, "bramblectl: "+oneLine(err))
		return exitCode(err)
	}
	return 0
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "bramblectl",
		Short:         "Show a case of boards and steer its fans",
		SilenceUsage:  true,
		SilenceErrors: true,
		// A typing mistake of two letters is still recognised.
		SuggestionsMinimumDistance: 2,
		Args:                       unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, "no command given")
		},
		Example: `  bramblectl status
  bramblectl nodes
  bramblectl fan set 40% --for 10m`,
		Long: `Show a case of boards and steer its fans.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused because a promise forbids it, 4 cannot reach the coordinator.`,
	}
	address := c.getenv("BRAMBLE_ADDRESS")
	if address == "" {
		address = defaultAddress
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.address, "address", address, "the coordinator at `ADDRESS`, unix:///PATH or HOST:PORT; also BRAMBLE_ADDRESS")
	flags.VarP(&c.output, "output", "o", "print a table, json or yaml")
	flags.DurationVar(&c.timeout, "timeout", defaultTimeout, "how long to wait for an answer")
	flags.StringVar(&c.files.Authority, "authority", "", "PEM `FILE` of the case's authority, for an address on another machine")
	flags.StringVar(&c.files.Certificate, "certificate", "", "PEM `FILE` of your certificate")
	flags.StringVar(&c.files.Key, "key", "", "PEM `FILE` of your key")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err.Error()) })
	root.AddCommand(c.statusCommand(), c.nodesCommand(), c.nodeCommand(), c.watchCommand(), c.fanCommand(), c.versionCommand())
	return root
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	problem := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		problem += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage(cmd, problem)
}

// takes checks the number of arguments; names say what each is, those in brackets may be left out.
func takes(names ...string) cobra.PositionalArgs {
	needed := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "[") })
	if needed < 0 {
		needed = len(names)
	}
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < needed:
			return usage(cmd, names[len(args)]+" is missing")
		case len(args) > len(names):
			return usage(cmd, fmt.Sprintf("%q is one argument too many", args[len(names)]))
		}
		return nil
	}
}
