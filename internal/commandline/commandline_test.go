package commandline_test

import (
	"io"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/daemon"
)

func TestMistakes(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string // empty: no mistake
	}{
		{"nothing", nil, "no command given (see tool --help)"},
		{"a command", []string{"open", "door"}, ""},
		{"with all it takes", []string{"open", "door", "slowly"}, ""},
		{"too little", []string{"open"}, "WHAT is missing (see tool open --help)"},
		{"too much", []string{"open", "door", "slowly", "now"}, `"now" is one argument too many (see tool open --help)`},
		{"a typing mistake", []string{"opne"}, `unknown command "opne", did you mean open? (see tool --help)`},
		{"something else", []string{"frobnicate"}, `unknown command "frobnicate" (see tool --help)`},
		{"a flag", []string{"open", "--wide", "door"}, "unknown flag: --wide (see tool open --help)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := &cobra.Command{Use: "tool"}
			commandline.Prepare(root)
			root.AddCommand(&cobra.Command{
				Use: "open", Args: commandline.Takes("WHAT", "[HOW]"),
				RunE: func(*cobra.Command, []string) error { return nil },
			})
			root.SetArgs(append([]string{}, tt.args...))
			root.SetOut(io.Discard)
			err := root.Execute()
			got, code := "", daemon.ExitDone
			if err != nil {
				got = err.Error()
			}
			if tt.want != "" {
				code = daemon.ExitUsage
			}
			if got != tt.want || daemon.ExitCode(err) != code {
				t.Errorf("got %q and exit code %d, want %q and %d", got, daemon.ExitCode(err), tt.want, code)
			}
		})
	}
}
