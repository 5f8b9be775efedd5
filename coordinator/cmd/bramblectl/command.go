package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/commandline"
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
		Use:   "bramblectl",
		Short: "Show a case of boards, switch their power and steer its fans",
		Example: `  bramblectl status
  bramblectl nodes
  bramblectl power off worker-2 --wait
  bramblectl fan set 40% --for 10m`,
		Long: `Show a case of boards, switch their power and steer its fans.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused because a promise forbids it, 4 cannot reach the coordinator.
130 is Ctrl-C while it waited: what was begun goes on.`,
	}
	commandline.Prepare(root)
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
	root.AddCommand(c.statusCommand(), c.nodesCommand(), c.nodeCommand(), c.explainCommand(), c.watchCommand(), c.eventsCommand(),
		c.powerCommand(), c.rebootCommand(), c.caseCommand(), c.operationsCommand(), c.operationCommand(), c.storeCommand(),
		c.fanCommand(), c.versionCommand())
	return root
}
