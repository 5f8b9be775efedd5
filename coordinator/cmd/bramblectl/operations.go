package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/screen"
)

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
		Long: `Show an operation with every step; follow it, or call it off.

Calling it off is safe: steps that wait do not begin, and a start that waits for the supply ends. A shutdown that a
node's system has accepted goes on to its end.`,
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
		Use: "explain NAME...", Short: "Say why nodes are as they are, and what they wait for", Args: some, ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.nodes(cmd.Context(), args...)
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.Explain(answer.GetNodes()) }, answer)
		},
	}
}

func (c *cli) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Look after the coordinator's memory on disk",
	}
	parent(cmd, "acknowledge")
	cmd.AddCommand(&cobra.Command{
		Use: "acknowledge", Short: "Say that you have read that the memory was damaged; switching begins again", Args: commandline.Takes(),
		Long: `Say that you have read that the memory was damaged; switching begins again.

The damaged file was set aside and a new one was begun: operations that ran, wiring tests and maintenance are forgotten.
Look at every node (bramblectl nodes) before you say so.`,
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
