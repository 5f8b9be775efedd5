// Package commandline is how bramble's commands built on cobra take what a person typed. A mistake is one line that says
// what is wrong and where the help is; it never prints the help itself, and it is a daemon.UsageError, so that the exit
// code is 2.
package commandline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bramblemesh/bramble/internal/daemon"
)

// Prepare makes a root command report mistakes as this package does. The command itself then does nothing without a
// subcommand.
func Prepare(root *cobra.Command) {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SuggestionsMinimumDistance = 2 // a typing mistake of two letters is still recognised
	root.Args = unknown
	root.RunE = func(cmd *cobra.Command, _ []string) error { return Usage(cmd, "no command given") }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return Usage(cmd, err.Error()) })
}

// Usage is a mistake in what was typed for a command.
func Usage(cmd *cobra.Command, problem string) error {
	return daemon.UsageError{Err: fmt.Errorf("%s (see %s --help)", problem, cmd.CommandPath())}
}

// Takes checks the number of arguments. The names say what each is; those in brackets may be left out.
func Takes(names ...string) cobra.PositionalArgs {
	needed := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "[") })
	if needed < 0 {
		needed = len(names)
	}
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < needed:
			return Usage(cmd, names[len(args)]+" is missing")
		case len(args) > len(names):
			return Usage(cmd, fmt.Sprintf("%q is one argument too many", args[len(names)]))
		}
		return nil
	}
}

func unknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	problem := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		problem += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return Usage(cmd, problem)
}
