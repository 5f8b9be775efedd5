package daemon

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
)

// ErrInterrupted is what Run returns when a second signal came before the program had ended.
var ErrInterrupted = errors.New("interrupted: a second signal came before everything had ended")

// Run runs a program until it returns. SIGINT, SIGTERM or the SIGHUP of a lost terminal ends its context; systemd is
// told. SIGHUP is left ignored where it was, as under nohup. A second one makes Run return ErrInterrupted at once, whatever the program is waiting for: the caller is
// expected to exit. A log that nobody reads any more (SIGPIPE) ends nothing.
func Run(ctx context.Context, logger hclog.Logger, program func(context.Context) error) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	return run(ctx, logger, signals, program)
}

func run(ctx context.Context, logger hclog.Logger, signals <-chan os.Signal, program func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- program(ctx) }()
	for asked := false; ; asked = true {
		select {
		case err := <-done:
			return err
		case s := <-signals:
			if asked {
				return ErrInterrupted
			}
			logger.Info("stopping", "reason", s.String())
			Stopping(logger)
			cancel()
		}
	}
}
