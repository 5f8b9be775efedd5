// Command bramble-agent reports how hot one board is, whether its supply sags and how its links are, to whoever watches
// it over gRPC. It needs no configuration and runs on any Linux board; what a board does not have is reported as
// unsupported.
//
//	bramble-agent run       serve this board
//	bramble-agent doctor    say what this board offers and what is wrong with it; changes nothing
//	bramble-agent version
//
// This package is adapters: between the kernel interfaces under host/ and the ports of package agent, and between a
// configuration file and its Config.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/document"
)

const defaultConfig = "/etc/bramble/agent.yaml"

const usage = `bramble-agent reports how hot this board is and whether its supply sags.

Usage:
  bramble-agent run     [--config FILE] [--root DIR]
  bramble-agent doctor  [--config FILE] [--root DIR] [-o table|json]
  bramble-agent version

Commands:
  run      serve this board until SIGINT or SIGTERM; a second one ends at once
  doctor   say what this board offers and what is wrong; changes nothing, needs
           no root
  version  print this program's version

Flags:
  --config FILE  settings; without it ` + defaultConfig + ` if that is there,
                 and otherwise defaults that suit any board
  --root DIR     read /proc, /sys, /dev and /etc below DIR instead: a copy of
                 another board's files
  -o FORMAT      table (for people) or json (one object)

Exit codes: 0 done, 1 failed (doctor: something is wrong), 2 usage.
`

func main() {
	err := command(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if _, faults := errors.AsType[*document.FaultsError](err); faults {
		fmt.Fprintln(os.Stderr, err) // each of its lines begins with the file's name
	} else if err != nil && !errors.Is(err, errWrong) {
		fmt.Fprintf(os.Stderr, "bramble-agent: %v\n", err)
	}
	os.Exit(daemon.ExitCode(err))
}

// options are the flags of all commands.
type options struct {
	config   string
	explicit bool // the configuration was named
	root     string
	format   string
}

// command runs one command line. The error is for standard error and the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return daemon.UsageError{Err: errors.New("which command? run, doctor or version; --help says more")}
	}
	name := args[0]
	var o options
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	switch name {
	case "run", "doctor":
		flags.StringVar(&o.config, "config", defaultConfig, "")
		flags.StringVar(&o.root, "root", "/", "")
	case "version":
	case "help", "-h", "-help", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return daemon.UsageError{Err: fmt.Errorf("%q is no command: run, doctor or version; --help says more", name)}
	}
	if name == "doctor" {
		flags.StringVar(&o.format, "o", "table", "")
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		_, err := io.WriteString(stdout, usage)
		return err
	} else if err != nil {
		return daemon.UsageError{Err: fmt.Errorf("%s: %w; --help says more", name, err)}
	}
	flags.Visit(func(f *flag.Flag) { o.explicit = o.explicit || f.Name == "config" })
	switch {
	case flags.NArg() > 0:
		return daemon.UsageError{Err: fmt.Errorf("%s takes no argument, and there is %q", name, flags.Arg(0))}
	case name == "doctor" && o.format != "table" && o.format != "json":
		return daemon.UsageError{Err: fmt.Errorf("-o %s: table or json", o.format)}
	}
	switch name {
	case "run":
		return run(ctx, o, stderr)
	case "doctor":
		return doctor(o, stdout)
	}
	_, err := fmt.Fprintf(stdout, "bramble-agent %s\n", daemon.Version())
	return err
}
