package main

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/screen"
)

// The exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitReach       = 4
	exitInterrupted = 130 // as a shell says it of Ctrl-C
)

// failure is an error with the exit code that it deserves.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

func exitCode(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	return daemon.ExitCode(err)
}

// answered is a failure that the coordinator itself reported; ok is false where it did not get to.
func answered(err error) (f *failure, ok bool) {
	s := status.Convert(err)
	told := errors.New(strings.TrimPrefix(s.Message(), "refused: "))
	switch s.Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return nil, false
	case codes.InvalidArgument:
		return &failure{exitUsage, told}, true
	case codes.FailedPrecondition, codes.ResourceExhausted, codes.Aborted, codes.PermissionDenied, codes.Unauthenticated:
		return &failure{exitRefused, fmt.Errorf("refused: %w", told)}, true
	case codes.Unimplemented:
		return &failure{exitFailed, fmt.Errorf("the coordinator does not know this request, it may be older than this bramblectl: %w", told)}, true
	}
	return &failure{exitFailed, told}, true
}

// oneLine is an error on one line, without characters that could steer a terminal.
func oneLine(err error) string {
	return screen.Printable(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}
