// Command bramble-sim runs a whole case without a single board: simulated boards, fan, rails and supply, and on them the
// same agents and the same coordinator that run on real ones.
//
// On the clock they talk gRPC over unix sockets, so that grpcurl, bramblectl and any other client can join in. At
// another speed the coordinator's decisions and the case run in virtual time, single-threaded, without sockets, and
// repeatable to the byte.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/document"
	"github.com/bramblemesh/bramble/sim"
)

// terminal is what a run sees of the world.
type terminal struct {
	in, out, err *os.File
	live         bool // out is a terminal that can redraw
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	t := terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	t.live = term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("TERM") != "dumb"
	os.Exit(command(ctx, os.Args[1:], t))
}

// command does what the arguments say and returns the exit code.
func command(ctx context.Context, args []string, t terminal) int {
	root := &cobra.Command{
		Use:   "bramble-sim",
		Short: "Run a whole simulated case on this machine",
		Example: `  bramble-sim run
  bramble-sim run --scenario silent-worker --for 30s --json
  bramble-sim run --speed max --for 3h --scenario reference --json
  bramble-sim storm --seeds 1..1000`,
	}
	commandline.Prepare(root)
	root.SetArgs(args)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.AddCommand(runCommand(t), stormCommand(t), scenariosCommand(t.out), versionCommand(t.out))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if faults, ok := err.(*document.FaultsError); ok {
		fmt.Fprintln(t.err, faults) // each line begins with the file's name
	} else {
		fmt.Fprintln(t.err, "bramble-sim: "+strings.TrimSpace(err.Error()))
	}
	return daemon.ExitCode(err)
}

func scenariosCommand(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "scenarios", Short: "List the scenarios that come with the simulator", Args: commandline.Takes(),
		RunE: func(*cobra.Command, []string) error {
			for _, s := range sim.Scenarios() {
				if _, err := fmt.Fprintf(out, "%-15s %s\n", s.Name, s.Description); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func versionCommand(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: commandline.Takes(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(out, "bramble-sim", daemon.Version())
			return err
		},
	}
}
