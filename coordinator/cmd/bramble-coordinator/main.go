// Command bramble-coordinator looks after a case of boards: it follows every node's agent, steers the fans and serves
// what it knows.
//
// It runs on the machine that the fans are wired to. Everything comes from one configuration file; see
// deploy/examples/coordinator.yaml. While it runs it keeps a map of the hardware that it drives beside its socket, so
// that `bramble-coordinator safe` can put the fans to full with nothing else left: no configuration, no network, no
// running coordinator.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/document"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &cli{stdout: stdout, stderr: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		complain(stderr, err)
	}
	return daemon.ExitCode(err)
}

// complain prints one line for each fault. Those of the configuration begin with its name and line already.
func complain(w io.Writer, err error) {
	if faults, ok := err.(*document.FaultsError); ok {
		fmt.Fprintln(w, faults)
		return
	}
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		fmt.Fprintln(w, "bramble-coordinator: "+line)
	}
}

// cli is one run of the program and its flags.
type cli struct {
	stdout, stderr io.Writer
	config         string // path of the configuration
	machine        string // where the machine's files begin; empty is /
	log            daemon.Log
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bramble-coordinator",
		Short: "Look after a case of boards: follow its nodes and steer its fans",
		Long:  "Look after a case of boards: follow its nodes and steer its fans.\n\nExit codes: 0 done, 1 failed, 2 wrong usage.",
	}
	commandline.Prepare(root)
	flags := root.PersistentFlags()
	flags.StringVar(&c.config, "config", "/etc/bramble/coordinator.yaml", "the configuration `FILE`")
	flags.StringVar(&c.machine, "root", "", "the `DIR` where the machine's sys and run begin, for tests and containers")
	run := &cobra.Command{
		Use: "run", Short: "Look after the case until SIGINT or SIGTERM; leaves every fan at full", Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	run.Flags().StringVar(&c.log.Level, "log-level", "info", "log from this `LEVEL` on: "+daemon.Levels)
	run.Flags().StringVar(&c.log.Format, "log-format", "text", "log in this `FORMAT`: "+daemon.Formats)
	root.AddCommand(run, &cobra.Command{
		Use: "check", Short: "Print what the configuration means, or everything that is wrong with it; starts nothing", Args: commandline.Takes(),
		RunE: func(*cobra.Command, []string) error { return c.check() },
	}, &cobra.Command{
		Use: "safe", Short: "Put every fan to full, with what the last run left behind, and exit", Args: commandline.Takes(),
		Long: "Put every fan to full and exit. It needs nothing but the map of the hardware that the last `run` left under /run,\n" +
			"or else a configuration in order; it tries every fan whatever the others do, and ends within ten seconds.\n" +
			"In a systemd unit it is the ExecStopPost.",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.safe(cmd.Context()) },
	}, &cobra.Command{
		Use: "doctor", Short: "Say what this machine offers for the configuration, what is wrong and what to do; changes nothing", Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context()) },
	}, &cobra.Command{
		Use: "version", Short: "Print the version", Args: commandline.Takes(),
		RunE: func(*cobra.Command, []string) error { return c.say("bramble-coordinator %s", daemon.Version()) },
	})
	return root
}

// say prints a line.
func (c *cli) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.stdout, format+"\n", args...)
	return err
}
