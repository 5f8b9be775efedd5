// Command bramble-rails holds the descriptors of the coordinator's GPIO lines, so that no worker loses its power while
// the coordinator is stopped or replaced. It drives nothing and knows nothing of the case: it keeps copies of what it is
// given, hands copies back, and ends with the machine. It is itself replaced without letting go of anything: systemd
// keeps its descriptors while it is restarted, as `systemctl kill bramble-rails` has it done.
//
//	bramble-rails run       hold lines; systemd starts it
//	bramble-rails status    what is held; fails while a rail is on
//	bramble-rails version
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/keeper"
)

const usage = `bramble-rails holds the coordinator's GPIO lines while the coordinator is away.

Usage:
  bramble-rails run     [--socket PATH] [--user NAME]
  bramble-rails status  [--socket PATH]
  bramble-rails version

Commands:
  run      hold lines until SIGINT or SIGTERM; systemd starts it
  status   say what is held; fails while a rail is on, so that whoever would
           remove this service can ask first
  version  print this program's version

Flags:
  --socket PATH  where it listens; without it ` + keeper.Socket + `
  --user NAME    who may ask, besides root and its own user; without it
                 bramble-coordinator

Exit codes: 0 done, 1 failed (status: a rail is on, or it could not be found
out), 2 usage.
`

func main() {
	err := command(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bramble-rails: %v\n", err)
	}
	os.Exit(daemon.ExitCode(err))
}

// command runs one command line. The error is for standard error and the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	socket, asker := new(string), new(string)
	switch name {
	case "run":
		asker = flags.String("user", "bramble-coordinator", "")
		fallthrough
	case "status":
		socket = flags.String("socket", keeper.Socket, "")
	case "version":
	case "help", "-h", "-help", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return daemon.UsageError{Err: fmt.Errorf("%q is no command: run, status or version; --help says more", name)}
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := io.WriteString(stdout, usage)
		return err
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	if err != nil {
		return daemon.UsageError{Err: fmt.Errorf("%s: %w; --help says more", name, err)}
	}
	switch name {
	case "run":
		return run(ctx, *socket, *asker, stderr)
	case "status":
		return status(stdout, keeper.Client{Path: *socket}, gpio.Describe)
	}
	_, err = fmt.Fprintf(stdout, "bramble-rails %s\n", daemon.Version())
	return err
}

// run holds lines until a signal. The lines stay as they are when it ends, in systemd's store.
func run(ctx context.Context, socket, asker string, stderr io.Writer) error {
	logger, err := daemon.Log{}.Logger("rails", stderr)
	if err != nil {
		return err
	}
	kept, err := daemon.Kept()
	if err != nil {
		return err
	}
	server := &keeper.Server{Kept: kept, Allow: allow(asker), Keep: daemon.Keep, Drop: daemon.Drop, Logger: logger}
	l, err := daemon.Listen("unix://" + socket)
	if err != nil {
		return err
	}
	return daemon.Run(ctx, logger, func(ctx context.Context) error {
		logger.Info("holding lines", "address", socket, "reason", fmt.Sprintf("%d kept over a restart", len(kept)))
		daemon.Ready(logger)
		return server.Serve(ctx, l)
	})
}

// allow lets root, this process's own user and one other ask. That one is looked up each time: it may be made later.
func allow(asker string) func(uid uint32) bool {
	return func(uid uint32) bool {
		if uid == 0 || int64(uid) == int64(os.Getuid()) {
			return true
		}
		known, err := user.Lookup(asker)
		return err == nil && known.Uid == strconv.FormatUint(uint64(uid), 10)
	}
}

// status prints a line for each descriptor that is held. It is an error that a rail is on.
func status(stdout io.Writer, client keeper.Client, describe func(fd int) (string, bool, error)) error {
	kept, err := client.Get()
	if err != nil {
		return err
	}
	var on []string
	var faults []error
	for _, d := range kept {
		text, level, err := describe(d.FD)
		_ = unix.Close(d.FD)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", d.Name, err))
			continue
		}
		if node, rail := keeper.RailOf(d.Name); rail && level {
			on = append(on, node)
		}
		if _, err := fmt.Fprintf(stdout, "%s: %s\n", d.Name, text); err != nil {
			return err
		}
	}
	if len(on) > 0 {
		faults = append(faults, fmt.Errorf("the rail is on of %s: without this service a stop of bramble-coordinator cuts its power; stop the case first (bramblectl case stop)", strings.Join(on, ", ")))
	}
	return errors.Join(faults...)
}
