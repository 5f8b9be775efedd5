package main

import (
	"context"
	"crypto/rand"

	"github.com/spf13/cobra"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/screen"
)

// wish is what the commands that begin an operation have in common.
type wish struct {
	wait, dryRun  bool
	id            string
	reason        string
	force, master bool
	rolling       bool
}

func (w *wish) flags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		f := cmd.Flags()
		switch name {
		case "wait":
			f.BoolVarP(&w.wait, "wait", "w", false, "follow it to its end, a line for each step; Ctrl-C ends only the following (exit code 130)")
		case "dry-run":
			f.BoolVar(&w.dryRun, "dry-run", false, "only print what would be done, in order, with the current on the supply after each step")
		case "request-id":
			f.StringVar(&w.id, "request-id", "", "the `ID` of this request: asked again with it, the same operation is the answer (default: a new one)")
		case "reason":
			f.StringVar(&w.reason, "reason", "", "`WHY`, up to 200 characters; written down")
		case "force":
			f.BoolVar(&w.force, "force", false, "cut without proof that the node has shut down, which may cost its file systems; needs --reason")
		case "master":
			f.BoolVar(&w.master, "master", false, "shut down the master too, after every worker is off; it keeps its power")
		case "rolling":
			f.BoolVar(&w.rolling, "rolling", false, "one node at a time: the next when the one before is up again")
		}
	}
}

func (c *cli) powerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "power", Short: "Switch nodes on and off; test their wiring; clear their faults",
		Long: `Switch nodes on and off; test their wiring; clear their faults.

The promise: a node is shut down by its own system, and its rail is cut only after its done line has proved that it has
shut down. One that gives no proof in time is "stuck" and keeps its power, until a person says --force and --reason. What
is switched on never exceeds the supply. An operation outlives this command and the coordinator.

bramblectl nodes shows what each node does, bramblectl explain NAME says why and what to do.`,
		Example: "  bramblectl power off worker-2 --wait\n  bramblectl power on worker-2 worker-3 --dry-run\n  bramblectl power test worker-2 --wait",
	}
	parent(cmd, "on, off, cycle, test or clear")
	cmd.AddCommand(
		c.switchCommand("on", "Start nodes, as far as the supply carries them", coordinatorv1.PowerAction_POWER_ACTION_ON, "wait", "dry-run", "request-id", "reason"),
		c.switchCommand("off", "Shut nodes down, and cut their rails after the proof", coordinatorv1.PowerAction_POWER_ACTION_OFF, "wait", "dry-run", "request-id", "reason", "force"),
		c.switchCommand("cycle", "Shut nodes down, cut after the proof, and start them again", coordinatorv1.PowerAction_POWER_ACTION_CYCLE, "wait", "dry-run", "request-id", "reason", "force", "rolling"),
		c.testCommand(), c.clearCommand())
	return cmd
}

// parent makes a command one that only has others below it.
func parent(cmd *cobra.Command, children string) {
	commandline.Prepare(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return commandline.Usage(cmd, children+" is missing") }
}

// some checks that there is at least one name.
func some(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return commandline.Usage(cmd, "NAME is missing")
	}
	return nil
}

func (c *cli) switchCommand(name, short string, action coordinatorv1.PowerAction, flags ...string) *cobra.Command {
	var w wish
	cmd := &cobra.Command{
		Use: name + " NAME...", Short: short, Args: some, ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.force && w.reason == "" {
				return commandline.Usage(cmd, "--force needs --reason, which is written down")
			}
			return c.begin(cmd.Context(), w, func(ctx context.Context, to *connection, id string) (accepted, error) {
				return to.SetPower(ctx, &coordinatorv1.SetPowerRequest{
					RequestId: id, Nodes: args, Action: action, Force: w.force, Reason: w.reason, Rolling: w.rolling, DryRun: w.dryRun,
				})
			})
		},
	}
	w.flags(cmd, flags...)
	return cmd
}

func (c *cli) rebootCommand() *cobra.Command {
	cmd := c.switchCommand("reboot", "Restart the systems of nodes; no rail is switched", coordinatorv1.PowerAction_POWER_ACTION_REBOOT,
		"wait", "dry-run", "request-id", "reason", "rolling")
	cmd.Example = "  bramblectl reboot worker-1 worker-2 --rolling --wait"
	return cmd
}

func (c *cli) testCommand() *cobra.Command {
	var w wish
	cmd := &cobra.Command{
		Use: "test NAME...", Short: "Prove that a node's done line is connected and its own; switches nothing", Args: some, ValidArgsFunction: c.complete,
		Long: `Prove that a node's done line is connected, the right way round, and its own. Nothing is switched: the node's agent
pulses the line, and the coordinator watches on which wire the pulse arrives. Where the kernel owns the line (the
gpio-poweroff overlay) nobody can pulse it: the first power-off that is watched is the test.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.begin(cmd.Context(), w, func(ctx context.Context, to *connection, id string) (accepted, error) {
				answer, err := to.TestWiring(ctx, &coordinatorv1.TestWiringRequest{RequestId: id, Nodes: args})
				return unplanned{answer}, err
			})
		},
	}
	w.flags(cmd, "wait", "request-id")
	return cmd
}

// unplanned is the answer to a request that has no dry run.
type unplanned struct {
	*coordinatorv1.TestWiringResponse
}

// GetPlan is of no step.
func (unplanned) GetPlan() []*coordinatorv1.PlannedStep { return nil }

func (c *cli) clearCommand() *cobra.Command {
	var w wish
	cmd := &cobra.Command{
		Use: "clear NAME...", Short: "End the fault of nodes, once you have looked at them: what they do is observed anew", Args: some, ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer *coordinatorv1.ClearFaultResponse
			err := c.ask(cmd.Context(), func(ctx context.Context, to *connection) (err error) {
				answer, err = to.ClearFault(ctx, &coordinatorv1.ClearFaultRequest{Nodes: args, Reason: w.reason})
				return err
			})
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.Explain(answer.GetNodes()) }, answer)
		},
	}
	w.flags(cmd, "reason")
	return cmd
}

func (c *cli) maintenanceCommand() *cobra.Command {
	var w wish
	var off bool
	cmd := &cobra.Command{
		Use: "maintenance NAME...", Short: "Take nodes out: shown, never switched, no alarms; --off takes them back", Args: some, ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer *coordinatorv1.SetMaintenanceResponse
			err := c.ask(cmd.Context(), func(ctx context.Context, to *connection) (err error) {
				answer, err = to.SetMaintenance(ctx, &coordinatorv1.SetMaintenanceRequest{Nodes: args, Maintenance: !off, Reason: w.reason})
				return err
			})
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.Explain(answer.GetNodes()) }, answer)
		},
	}
	w.flags(cmd, "reason")
	cmd.Flags().BoolVar(&off, "off", false, "take them back")
	return cmd
}

func (c *cli) caseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "case", Short: "Start or stop the whole case, in order",
		Example: "  bramblectl case stop --dry-run\n  bramblectl case stop --master --wait",
	}
	parent(cmd, "start or stop")
	var starting, stopping wish
	start := &cobra.Command{
		Use: "start", Short: "Start every worker, those first that others wait for", Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.begin(cmd.Context(), starting, func(ctx context.Context, to *connection, id string) (accepted, error) {
				return to.StartCase(ctx, &coordinatorv1.StartCaseRequest{RequestId: id, DryRun: starting.dryRun})
			})
		},
	}
	starting.flags(start, "wait", "dry-run", "request-id")
	stop := &cobra.Command{
		Use: "stop", Short: "Shut down and cut every worker, those last that others wait for", Args: commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.begin(cmd.Context(), stopping, func(ctx context.Context, to *connection, id string) (accepted, error) {
				return to.StopCase(ctx, &coordinatorv1.StopCaseRequest{RequestId: id, Master: stopping.master, DryRun: stopping.dryRun, Reason: stopping.reason})
			})
		},
	}
	stopping.flags(stop, "wait", "dry-run", "request-id", "reason", "master")
	cmd.AddCommand(start, stop)
	return cmd
}

// accepted is the answer to a request for an operation.
type accepted interface {
	GetOperation() *coordinatorv1.Operation
	GetPlan() []*coordinatorv1.PlannedStep
}

// begin asks for an operation, and follows it where that is wanted.
func (c *cli) begin(ctx context.Context, w wish, request func(ctx context.Context, to *connection, id string) (accepted, error)) error {
	if w.id == "" {
		w.id = rand.Text()
	}
	var answer accepted
	var supply *coordinatorv1.Supply
	err := c.askAgain(ctx, w.id, func(ctx context.Context, to *connection) (err error) {
		if answer, err = request(ctx, to, w.id); err != nil || !w.dryRun {
			return err
		}
		whole, err := to.GetCase(ctx, &coordinatorv1.GetCaseRequest{})
		supply = whole.GetSupply()
		return err
	})
	if err != nil {
		return err
	}
	operation, plan := answer.GetOperation(), answer.GetPlan()
	switch {
	case w.dryRun:
		return c.show(func(s screen.Screen) string { return s.Plan(plan, supply) }, &coordinatorv1.SetPowerResponse{Plan: plan})
	case w.wait:
		return c.follow(ctx, operation)
	}
	if err := outcome(operation); err != nil {
		return err
	}
	return c.show(func(s screen.Screen) string { return s.Begun(operation) }, operation)
}
