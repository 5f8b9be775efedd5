package main

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bramble-sim": main})
}

// TestScripts runs the scripts of testdata/script: the command's specification.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"summary": checkSummary,
			"exits":   exits,
		},
	})
}

// exits runs a command that must end with the given code: exits CODE bramble-sim ...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if coded, ok := err.(interface{ ExitCode() int }); ok {
		code = coded.ExitCode()
	}
	if want, _ := strconv.Atoi(args[0]); code != want {
		ts.Fatalf("exit code %d (%v), want %d", code, err, want)
	}
}

// checkSummary reads the last run's summary and holds it against a rule by name.
func checkSummary(ts *testscript.TestScript, _ bool, args []string) {
	var s summary
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &s); err != nil {
		ts.Fatalf("standard output is not one JSON object: %v", err)
	}
	if s.LostFileSystems != 0 || len(s.Nodes) == 0 {
		ts.Fatalf("lost %d file systems, %d nodes", s.LostFileSystems, len(s.Nodes))
	}
	switch args[0] {
	case "silent-worker":
		checkSilentWorker(ts, s)
	case "stalled-fan":
		if len(s.Alarms) == 0 || s.Alarms[0].Kind != "fan_stalled" || s.Alarms[0].At > 11 {
			ts.Fatalf("alarms: %v; the fan stalls at 8 s", s.Alarms)
		}
	case "quiet":
		if len(s.Alarms) != 0 {
			ts.Fatalf("alarms: %v", s.Alarms)
		}
	}
	for _, n := range s.Nodes {
		if float64(n.Samples) < s.Duration*0.6 {
			ts.Fatalf("%s sent %d samples in %v s", n.Name, n.Samples, s.Duration)
		}
	}
}

// checkSilentWorker wants full by 5 s after the silence began at 8 s, and an end of it by 2 s after it ended at 18 s.
func checkSilentWorker(ts *testscript.TestScript, s summary) {
	for _, full := range s.Fan.FullIntervals {
		if full.From <= 13 && full.To >= 18 && full.To <= 20.5 {
			return
		}
	}
	ts.Fatalf("the fan was full in %v; silence lasts from 8 s to 18 s", s.Fan.FullIntervals)
}
