package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/screen"
)

// patience is how long a coordinator that is being restarted is waited for.
const patience = 2 * time.Minute

// follow prints what an operation does until it has ended. A coordinator that restarts meanwhile goes on with it, so that
// a broken line is waited for.
func (c *cli) follow(ctx context.Context, o *coordinatorv1.Operation) error {
	to, err := c.connect()
	if err != nil {
		return err
	}
	defer to.conn.Close()
	f := &follower{cli: c, last: o}
	if err := f.begin(); err != nil {
		return err
	}
	if running(o) {
		lines := &reader[coordinatorv1.WatchOperationResponse]{
			cli: c, to: to, say: f.say, patience: patience, heard: true,
			open: func(ctx context.Context) (grpc.ServerStreamingClient[coordinatorv1.WatchOperationResponse], error) {
				return to.WatchOperation(ctx, &coordinatorv1.WatchOperationRequest{Id: o.GetId()})
			},
			take: func(m *coordinatorv1.WatchOperationResponse) (bool, error) { return f.take(m.GetOperation()) },
		}
		err = lines.run(ctx)
	}
	if cleared := f.clear(); err == nil {
		err = cleared
	}
	switch {
	case err != nil && running(f.last):
		return fmt.Errorf("%w; operation %s goes on wherever the coordinator does: bramblectl operation %s --wait", err, o.GetId(), o.GetId())
	case err != nil:
		return err
	case running(f.last):
		return &failure{exitInterrupted, fmt.Errorf("not followed any more; operation %s goes on: bramblectl operation %s --wait follows it again", o.GetId(), o.GetId())}
	}
	if err := outcome(f.last); err != nil || c.output != formatTable {
		return err
	}
	return c.write(c.screen().Ended(f.last))
}

func running(o *coordinatorv1.Operation) bool {
	return o.GetState() == coordinatorv1.OperationState_OPERATION_STATE_RUNNING
}

// follower prints one operation.
type follower struct {
	*cli
	progress screen.Progress
	last     *coordinatorv1.Operation
	passing  bool // the line that the cursor is on is to be overwritten
}

// begin says what is followed. What has ended already is told at once.
func (f *follower) begin() error {
	switch {
	case !running(f.last):
		_, err := f.take(f.last)
		return err
	case f.output != formatTable:
		return nil
	}
	return f.write(f.screen().Opening(f.last))
}

// take prints what is new in an operation.
func (f *follower) take(o *coordinatorv1.Operation) (done bool, err error) {
	f.last = o
	if f.output != formatTable {
		var text bytes.Buffer
		if err := f.encode(&text, o, ""); err != nil {
			return false, err
		}
		return !running(o), f.write(text.String())
	}
	s := f.screen()
	if text := f.progress.Take(s, o); text != "" {
		if err := f.clear(); err != nil {
			return false, err
		}
		if err := f.write(text); err != nil {
			return false, err
		}
	}
	if s.Width > 0 && running(o) {
		return false, f.pass(s.Waiting(o))
	}
	return !running(o), nil
}

// Codes of ECMA-48 that every terminal since the VT100 knows.
const eraseLine = "\r\x1b[K"

// pass shows a line that the next one overwrites.
func (f *follower) pass(text string) error {
	if err := f.clear(); err != nil || text == "" || f.getenv("TERM") == "dumb" {
		return err
	}
	f.passing = true
	return f.write(text)
}

// clear takes that line away.
func (f *follower) clear() error {
	if !f.passing {
		return nil
	}
	f.passing = false
	return f.write(eraseLine)
}

// say prints a line about the line itself.
func (f *follower) say(what string) error {
	if f.output != formatTable {
		return f.aside(what)
	}
	if err := f.clear(); err != nil {
		return err
	}
	return f.write(what + "\n")
}

// outcome is nil unless the operation has ended badly.
func outcome(o *coordinatorv1.Operation) error {
	switch o.GetState() {
	case coordinatorv1.OperationState_OPERATION_STATE_FAILED:
		return fmt.Errorf("operation %s failed: %s", o.GetId(), o.GetMessage())
	case coordinatorv1.OperationState_OPERATION_STATE_CANCELLED:
		return fmt.Errorf("operation %s was called off: %s", o.GetId(), o.GetMessage())
	}
	return nil
}

// How long a request whose answer was lost is made again.
const askFor = 30 * time.Second

// askAgain is ask for a request that may safely be made twice, because it has a name: one whose answer was lost is made
// until it is answered. A coordinator that cannot be reached in the first place is not waited for.
func (c *cli) askAgain(ctx context.Context, id string, request func(context.Context, *connection) error) error {
	began := time.Now()
	for sent := false; ; {
		err := c.ask(ctx, func(ctx context.Context, to *connection) error {
			err := request(ctx, to)
			sent = sent || to.dialled()
			return err
		})
		f, ok := errors.AsType[*failure](err)
		switch {
		case !ok || f.code != exitReach && f.code != exitInterrupted || !sent:
			return err
		case ctx.Err() != nil || time.Since(began) > askFor:
			return &failure{f.code, fmt.Errorf("%w; it may have begun: see bramblectl operations, or ask again with --request-id %s, which never begins it twice", f.err, id)}
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}
