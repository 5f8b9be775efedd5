package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/daemon"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print this program's version; status shows the coordinator's",
		Args:  commandline.Takes(),
		RunE: func(*cobra.Command, []string) error {
			switch c.output {
			case formatJSON:
				return c.write(fmt.Sprintf("{\n  \"version\": %q\n}\n", daemon.Version()))
			case formatYAML:
				return c.write(fmt.Sprintf("---\nversion: %q\n", daemon.Version()))
			}
			return c.write("bramblectl " + daemon.Version() + "\n")
		},
	}
}
