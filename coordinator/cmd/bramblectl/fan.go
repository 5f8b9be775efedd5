package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/screen"
)

const defaultHold = 10 * time.Minute

func (c *cli) fanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fan [NAME]",
		Short: "Show each fan and why it runs as it does; set it, or give it back",
		Args:  commandline.Takes("[NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			fans, err := c.fans(cmd.Context(), args)
			if err != nil {
				return err
			}
			messages := make([]proto.Message, len(fans))
			for i, f := range fans {
				messages[i] = f
			}
			return c.show(func(s screen.Screen) string { return s.Fans(fans) }, messages...)
		},
	}
	cmd.AddCommand(c.fanSetCommand(), c.fanAutoCommand())
	return cmd
}

// fans are the one that is named, or all.
func (c *cli) fans(ctx context.Context, names []string) (fans []*coordinatorv1.Fan, err error) {
	err = c.ask(ctx, func(ctx context.Context, to *connection) error {
		if len(names) == 0 {
			answer, err := to.GetCase(ctx, &coordinatorv1.GetCaseRequest{})
			fans = answer.GetFans()
			return err
		}
		answer, err := to.GetFan(ctx, &coordinatorv1.GetFanRequest{Fan: names[0]})
		fans = []*coordinatorv1.Fan{answer.GetFan()}
		return err
	})
	return fans, err
}

func (c *cli) fanSetCommand() *cobra.Command {
	var name string
	var hold time.Duration
	cmd := &cobra.Command{
		Use:   "set DUTY",
		Short: "Hold a duty for a while, then automatic again",
		Long: `Hold a duty for a while, then automatic again.

Fail-safe and a board at its limit outrank it: the fan is then at full whatever was set.`,
		Example: "  bramblectl fan set 40% --for 10m",
		Args:    commandline.Takes("DUTY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			fraction, err := parseDuty(args[0])
			if err != nil {
				return commandline.Usage(cmd, err.Error())
			}
			answer, err := c.setFan(cmd.Context(), &coordinatorv1.SetFanRequest{Fan: name, Setting: &coordinatorv1.SetFanRequest_Override{
				Override: &coordinatorv1.SetFanOverride{DutyFraction: new(fraction), Hold: durationpb.New(hold)},
			}})
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string {
				text := s.FanSet(answer.GetFan())
				if !cmd.Flags().Changed("for") {
					text += fmt.Sprintf("%s is the default: --for says another\n", screen.Duration(hold))
				}
				return text
			}, answer.GetFan())
		},
	}
	cmd.Flags().DurationVar(&hold, "for", defaultHold, "how long: 1s to 24h")
	cmd.Flags().StringVar(&name, "fan", "", "which fan, by `NAME`, where there are several")
	return cmd
}

func (c *cli) fanAutoCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "auto",
		Short: "Give a fan back to the controller",
		Args:  commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := c.setFan(cmd.Context(), &coordinatorv1.SetFanRequest{Fan: name, Setting: &coordinatorv1.SetFanRequest_Automatic{
				Automatic: &coordinatorv1.SetFanAutomatic{},
			}})
			if err != nil {
				return err
			}
			return c.show(func(s screen.Screen) string { return s.FanSet(answer.GetFan()) }, answer.GetFan())
		},
	}
	cmd.Flags().StringVar(&name, "fan", "", "which fan, by `NAME`, where there are several")
	return cmd
}

func (c *cli) setFan(ctx context.Context, request *coordinatorv1.SetFanRequest) (answer *coordinatorv1.SetFanResponse, err error) {
	err = c.ask(ctx, func(ctx context.Context, to *connection) error {
		answer, err = to.SetFan(ctx, request)
		return err
	})
	return answer, err
}

// parseDuty takes 0% to 100%. A number alone is refused: 0.4 could be meant either way, and a fan at 0.4 % stands.
func parseDuty(text string) (fraction float64, err error) {
	digits, isPercent := strings.CutSuffix(text, "%")
	digits = strings.TrimSpace(digits)
	n, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || math.IsNaN(n):
		return 0, fmt.Errorf("duty %q: write a percentage, such as 40%%", text)
	case !isPercent && n > 0 && n <= 1:
		return 0, fmt.Errorf("duty %q is ambiguous: write %s%% for a fraction of full, %s%% for per cent", text, plainNumber(100*n), digits)
	case !isPercent:
		return 0, fmt.Errorf("duty %q: write it as a percentage, %s%%", text, digits)
	case n < 0 || n > 100:
		return 0, errors.New("duty " + text + ": must be 0% to 100%")
	}
	return n / 100, nil
}

func plainNumber(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }
