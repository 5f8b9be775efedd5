package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/screen"
)

// patience is how long a coordinator that is being restarted is waited for.
const patience = 2 * time.Minute

func steps(plan []*coordinatorv1.PlannedStep) []proto.Message {
	messages := make([]proto.Message, len(plan))
	for i, p := range plan {
		messages[i] = p
	}
	return messages
}

func (c *cli) operationsCommand() *cobra.Command {
	var limit uint32
	var running bool
	cmd := &cobra.Command{
		Use: "operations", Short: "List operations, newest first", Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer *coordinatorv1.ListOperationsResponse
			err := c.ask(cmd.Context(), func(ctx context.Context, to *connection) (err error) {
				answer, err = to.ListOperations(ctx, &coordinatorv1.ListOperationsRequest{Limit: limit, Running: running})
				return err
			})
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.Operations(answer.GetOperations()) }, answer)
		},
	}
	cmd.Flags().Uint32Var(&limit, "limit", 20, "at most so many")
	cmd.Flags().BoolVar(&running, "running", false, "only those that run")
	return cmd
}

func (c *cli) operationCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "operation ID [cancel]", Short: "Show an operation with every step; follow it, or call it off", Args: commandline.Takes("ID", "[cancel]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && args[1] != "cancel" {
				return commandline.Usage(cmd, fmt.Sprintf("%q: only cancel may follow the operation", args[1]))
			}
			var operation *coordinatorv1.Operation
			err := c.ask(cmd.Context(), func(ctx context.Context, to *connection) error {
				if len(args) == 2 {
					answer, err := to.CancelOperation(ctx, &coordinatorv1.CancelOperationRequest{Id: args[0]})
					operation = answer.GetOperation()
					return err
				}
				answer, err := to.GetOperation(ctx, &coordinatorv1.GetOperationRequest{Id: args[0]})
				operation = answer.GetOperation()
				return err
			})
			switch {
			case err != nil:
				return err
			case wait:
				return c.follow(cmd.Context(), operation)
			}
			return c.show(func(s screen.Screen) string { return s.Operation(operation) }, operation)
		},
	}
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "follow it until it has ended")
	return cmd
}

func (c *cli) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain NAME...", Short: "Say why nodes are as they are, and what they wait for", Args: some,
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.nodes(cmd.Context(), args...)
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.Explain(answer.GetNodes()) }, answer)
		},
	}
}

func (c *cli) eventsCommand() *cobra.Command {
	var limit uint32
	var follow bool
	cmd := &cobra.Command{
		Use: "events [NAME]", Short: "Show what happened, of one node or fan or of all; -f goes on with what happens", Args: commandline.Takes("[NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			subject := ""
			if len(args) > 0 {
				subject = args[0]
			}
			var answer *coordinatorv1.ListEventsResponse
			err := c.ask(cmd.Context(), func(ctx context.Context, to *connection) (err error) {
				answer, err = to.ListEvents(ctx, &coordinatorv1.ListEventsRequest{Limit: limit, Subject: subject})
				return err
			})
			if err != nil {
				return err
			}
			if err := c.showEvents(answer.GetEvents(), follow); err != nil || !follow {
				return err
			}
			return c.followEvents(cmd.Context(), subject)
		},
	}
	cmd.Flags().Uint32VarP(&limit, "limit", "n", 50, "at most so many of the newest")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens, until Ctrl-C")
	return cmd
}

// showEvents prints events; none is worth a line unless more may come.
func (c *cli) showEvents(events []*coordinatorv1.Event, more bool) error {
	if len(events) == 0 && more {
		return nil
	}
	messages := make([]proto.Message, len(events))
	for i, e := range events {
		messages[i] = e
	}
	return c.show(func(s screen.Screen) string { return s.Events(events) }, messages...)
}

// followEvents prints the events of one subject, or of all, until ctx ends.
func (c *cli) followEvents(ctx context.Context, subject string) error {
	to, err := c.connect()
	if err != nil {
		return err
	}
	defer to.conn.Close()
	stream, err := to.Watch(ctx, &coordinatorv1.WatchRequest{EventsOnly: true})
	for err == nil {
		var m *coordinatorv1.WatchResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		var wanted []*coordinatorv1.Event
		for _, e := range m.GetEvents() {
			if subject == "" || e.GetSubject() == subject {
				wanted = append(wanted, e)
			}
		}
		if err := c.showEvents(wanted, true); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return to.failed(err)
}

func (c *cli) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "The coordinator's memory on disk", Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error { return commandline.Usage(cmd, "acknowledge is missing") },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "acknowledge", Short: "Say that you have read that the memory was damaged; switching begins again", Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer *coordinatorv1.AcknowledgeStoreResponse
			err := c.ask(cmd.Context(), func(ctx context.Context, to *connection) (err error) {
				answer, err = to.AcknowledgeStore(ctx, &coordinatorv1.AcknowledgeStoreRequest{})
				return err
			})
			if err != nil {
				return err
			}
			return c.show(func(screen.Screen) string { return "acknowledged: nodes may be switched again\n" }, answer)
		},
	})
	return cmd
}

// askAgain is ask for a request that may safely be made twice: one whose answer was lost is made once more.
func (c *cli) askAgain(ctx context.Context, request func(context.Context, *connection) error) error {
	err := c.ask(ctx, request)
	if f, ok := errors.AsType[*failure](err); ok && f.code == exitReach && ctx.Err() == nil {
		err = c.ask(ctx, request)
	}
	return err
}

// follow prints what an operation does until it has ended. A coordinator that restarts meanwhile goes on with it, so that
// a broken line is waited for.
func (c *cli) follow(ctx context.Context, o *coordinatorv1.Operation) error {
	to, err := c.connect()
	if err != nil {
		return err
	}
	defer to.conn.Close()
	f := &follower{cli: c, to: to, last: o}
	if c.output == formatTable {
		if err := c.write(c.screen().Begun(o)); err != nil {
			return err
		}
	}
	for f.last.GetState() == coordinatorv1.OperationState_OPERATION_STATE_RUNNING {
		broken, err := f.stream(ctx)
		switch {
		case ctx.Err() != nil:
			return f.left()
		case err != nil:
			return err
		case broken == nil:
			continue
		}
		if _, told := answered(broken); told || time.Since(f.lost) > patience {
			return to.failed(broken)
		}
		select {
		case <-ctx.Done():
			return f.left()
		case <-time.After(retryAfter):
		}
	}
	if c.output == formatTable {
		if err := c.write(c.screen().Ended(f.last)); err != nil {
			return err
		}
	}
	return outcome(f.last)
}

// follower follows one operation through any number of streams.
type follower struct {
	*cli
	to       *connection
	progress screen.Progress
	last     *coordinatorv1.Operation
	lost     time.Time // when something was heard last
}

// stream prints one stream. broken is why it ended before the operation did, err why it cannot be printed.
func (f *follower) stream(ctx context.Context) (broken, err error) {
	if f.lost.IsZero() {
		f.lost = time.Now()
	}
	stream, broken := f.to.WatchOperation(ctx, &coordinatorv1.WatchOperationRequest{Id: f.last.GetId()})
	for broken == nil {
		var m *coordinatorv1.WatchOperationResponse
		if m, broken = stream.Recv(); broken != nil {
			break
		}
		f.lost = time.Now()
		f.last = m.GetOperation()
		if err := f.print(); err != nil {
			return nil, err
		}
	}
	if errors.Is(broken, io.EOF) {
		return nil, nil
	}
	return broken, nil
}

func (f *follower) print() error {
	if f.output != formatTable {
		return f.show(nil, f.last)
	}
	s := f.screen()
	for _, notice := range f.progress.Take(f.last, s.Now) {
		if err := f.write(s.Notice(notice, f.progress.SubjectWidth())); err != nil {
			return err
		}
	}
	return nil
}

// left says that only the following has ended.
func (f *follower) left() error {
	return fmt.Errorf("not followed any more; operation %s goes on: bramblectl operation %s --wait", f.last.GetId(), f.last.GetId())
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
