package daemon

import "errors"

// The exit codes of bramble's programs.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// UsageError is a wrong command line: an unknown flag, a missing argument, a value out of range.
type UsageError struct{ Err error }

// Error is that of the error within.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the error within.
func (e UsageError) Unwrap() error { return e.Err }

// ExitCode is the code with which a program ends that met err.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if _, ok := errors.AsType[UsageError](err); ok {
		return ExitUsage
	}
	return ExitFailed
}
