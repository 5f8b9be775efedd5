package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/screen"
)

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Sum the case up: nodes, heat, fans, power, and what to do about alarms",
		Long: `Sum the case up: nodes, heat, fans, power, and what to do about alarms.

-o json prints the whole case as the API's Watch sends it first: "case" has fans and alarms, "nodes" every node.`,
		Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			whole, err := c.wholeCase(cmd.Context())
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.Status(whole.GetCase(), whole.GetNodes()) }, whole)
		},
	}
}

// wholeCase is the first message of a watch: case and nodes at one instant, which two requests would not give.
func (c *cli) wholeCase(ctx context.Context) (whole *coordinatorv1.WatchResponse, err error) {
	err = c.ask(ctx, func(ctx context.Context, to *connection) error {
		stream, err := to.Watch(ctx, &coordinatorv1.WatchRequest{})
		if err != nil {
			return err
		}
		whole, err = stream.Recv()
		return err
	})
	return whole, err
}

func (c *cli) nodesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes: heat, power, flags, how well each is heard, and what is wrong",
		Args:  commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := c.nodes(cmd.Context())
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.Nodes(answer.GetNodes()) }, answer)
		},
	}
}

func (c *cli) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node NAME",
		Short: "Show everything about one node: board, sensors, capabilities",
		Args:  commandline.Takes("NAME"),

		ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.nodes(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if n := len(answer.GetNodes()); n != 1 {
				return fmt.Errorf("the coordinator answered with %d nodes to one name", n)
			}
			node := answer.GetNodes()[0]
			return c.show(func(s screen.Screen) string { return s.Node(node) }, node)
		},
	}
	cmd.AddCommand(c.maintenanceCommand())
	return cmd
}

func (c *cli) nodes(ctx context.Context, names ...string) (answer *coordinatorv1.ListNodesResponse, err error) {
	err = c.ask(ctx, func(ctx context.Context, to *connection) error {
		answer, err = to.ListNodes(ctx, &coordinatorv1.ListNodesRequest{Names: names})
		return err
	})
	return answer, err
}

// complete is the names of the nodes, for the shell.
func (c *cli) complete(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	answer, err := c.nodes(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, n := range answer.GetNodes() {
		if !slices.Contains(args, n.GetName()) {
			names = append(names, n.GetName())
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
