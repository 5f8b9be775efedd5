// Command bramblectl shows a case of boards, switches their power and steers its fans, for people and for scripts.
//
// It is a plain client of the coordinator's API: it decides nothing, keeps nothing, and whatever it can do grpcurl can
// do as well. A command prints its answer on standard output and at most one line on standard error, and its exit code
// says how it went: 0 done, 1 failed, 2 wrong usage, 3 refused because a promise forbids it, 4 cannot reach, 130 interrupted
// while it waited: what was begun goes on.
package main

import (
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// process is what a run sees of the world.
type process struct {
	args           []string // without the program's name
	getenv         func(string) string
	stdout, stderr io.Writer
	width          func() int // columns of the terminal that stdout is; 0 when it is none
	now            func() time.Time
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, process{
		args:   os.Args[1:],
		getenv: os.Getenv,
		stdout: os.Stdout,
		stderr: os.Stderr,
		width:  terminalWidth,
		now:    time.Now,
		dial:   new(net.Dialer).DialContext,
	}))
}

func terminalWidth() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return width
}
