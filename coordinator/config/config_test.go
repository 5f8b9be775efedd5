package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/document"
)

var update = flag.Bool("update", false, "write what is reported into testdata/faults")

const example = "../../deploy/examples/coordinator.yaml"

func TestExample(t *testing.T) {
	c, err := config.Load(example)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.New(c.Core, time.Now()); err != nil {
		t.Errorf("the core refuses it: %v", err)
	}
	if !slices.Equal(c.Listen, []string{config.DefaultListen, "0.0.0.0:7710"}) {
		t.Errorf("listens on %v", c.Listen)
	}
	want := identity.Files{Authority: "/etc/bramble/tls/authority.pem", Certificate: "/etc/bramble/tls/coordinator.pem", Key: "/etc/bramble/tls/coordinator.key"}
	if c.TLS == nil || *c.TLS != want {
		t.Errorf("tls %+v", c.TLS)
	}
	if len(c.Core.Nodes) != 5 || len(c.Core.Fans) != 1 || len(c.Hardware.Rails) != 4 || len(c.Hardware.DoneLines) != 4 {
		t.Fatalf("%d nodes, %d fans, %d rails, %d done lines", len(c.Core.Nodes), len(c.Core.Fans), len(c.Hardware.Rails), len(c.Hardware.DoneLines))
	}
	master, worker := c.Core.Nodes[0], c.Core.Nodes[4]
	if master.Address != "unix:///run/bramble/agent.sock" || master.Rail || !master.Power.Master {
		t.Errorf("master %+v", master)
	}
	want4 := core.NodeConfig{
		Name: "worker-4", Address: "worker-4.local:7700", LimitCelsius: 60, Rail: true, BootDeadline: 2 * time.Minute, BootPeakAmperes: 1.2, MaximumAmperes: 1.34,
		Power: power.Config{Rail: power.RailLine, Line: true, StopDeadline: 3 * time.Minute, CutWhenHalted: true},
	}
	if !reflect.DeepEqual(worker, want4) {
		t.Errorf("worker-4 %+v", worker)
	}
	if r := c.Hardware.Rails[3]; r.Node != "worker-4" || *r.Line != (config.Output{Line: config.Line{Offset: 23}, ResetLevel: "off"}) || r.Command != nil {
		t.Errorf("rail of worker-4 %+v", r)
	}
	if d := c.Hardware.DoneLines[3]; d != (config.DoneLine{Node: "worker-4", Line: config.Line{Offset: 26}}) {
		t.Errorf("done line of worker-4 %+v", d)
	}
	if s := c.Core.Supply; s != (power.Supply{LimitAmperes: 15, FixedAmperes: 4.1, Stagger: 2 * time.Second, Settle: 10 * time.Second, GiveUp: 5 * time.Minute}) || c.Core.AfterOutage != "last" || c.State != config.DefaultState {
		t.Errorf("supply %+v, after an outage %q, state %q", s, c.Core.AfterOutage, c.State)
	}
	if f := c.Core.Fans[0]; f.Name != "main" || f.Nodes != nil || f.SetPointCelsius != 45 || !f.Tach || f.ReadOnly || f.Controller.MinimumDuty != 0.2 {
		t.Errorf("fan %+v", f)
	}
	h := c.Hardware.Fans[0]
	if *h.PWM != (config.PWM{PeriodNanoseconds: 40_000}) || *h.Tach != (config.Tach{Line: config.Line{Offset: 24}, Pulses: 2}) || h.Hwmon != nil {
		t.Errorf("hardware %+v", h)
	}
}

// With a key that nobody knows in every mapping, the faults say what is known there. All of it must be in the example.
func TestExampleHasEveryKey(t *testing.T) {
	_, err := config.Load("testdata/unknown_everywhere.yaml")
	faults, ok := errors.AsType[*document.FaultsError](err)
	if !ok {
		t.Fatalf("no faults: %v", err)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, f := range faults.Faults {
		_, known, ok := strings.Cut(f.Allowed, "known: ")
		if !ok {
			t.Errorf("another fault: %+v", f)
			continue
		}
		for key := range strings.SplitSeq(known, ", ") {
			keys++
			if !regexp.MustCompile(`[\s{]` + key + `: |[\s{]` + key + `:\n`).Match(text) {
				t.Errorf("%s: %s is not in the example", f.Path, key)
			}
		}
	}
	if len(faults.Faults) != 14 || keys < 75 {
		t.Errorf("%d mappings with %d keys: the file misses some mapping", len(faults.Faults), keys)
	}
}

// The example with its comments taken away from the settings says the same: what it shows as default is the default.
func TestExampleShowsDefaults(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := config.Parse("example", text)
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^( *)# ((?:state|stale_after|unreachable_after|maintenance|master|after|boot_deadline|active_low|trust_wiring|grace|stop_deadline|`+
		`cut_stuck_after|fence_lost_after|cut_when_halted|frequency|inverted|pulses|stagger|under_voltage_settle|give_up|parallel|after_outage): .*)$`).ReplaceAll(text, []byte("$1$2"))
	full, err := config.Parse("example", shown)
	if err != nil {
		t.Fatal(err)
	}
	if len(shown) > len(text)-2*21 {
		t.Errorf("only %d bytes of comment signs were taken away", len(text)-len(shown))
	}
	if !reflect.DeepEqual(full.Hardware, plain.Hardware) {
		t.Errorf("got %+v\nwant %+v", full.Hardware, plain.Hardware)
	}
	full.Core.Nodes[1].Power.Grace = 0 // shown for the one mechanism, and 10s for the other
	if !reflect.DeepEqual(full.Core, plain.Core) || full.State != plain.State {
		t.Errorf("got %+v\nwant %+v", full.Core, plain.Core)
	}
}

func TestOptional(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                "",
		"empty lists":            "nodes: []\nfans: []\n",
		"keys without values":    "nodes:\nfans:\nlisten:\ntls:\nsupply:\n",
		"a node without a rail":  "nodes:\n- {name: a, address: 'unix:///a.sock'}\n",
		"only nodes on loopback": "nodes:\n- {name: a, address: localhost}\n- {name: b, address: '[::1]:7701'}\nlisten: ['127.0.0.1:7710']\n",
		"a fan for later nodes":  "fans:\n- {name: main, output: {pwm: {}}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Parse("f.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(c.Listen, config.DefaultListen) {
				t.Errorf("listens on %v", c.Listen)
			}
			if _, err := core.New(c.Core, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHwmonAndLineWithoutRail(t *testing.T) {
	c, err := config.Parse("f.yaml", []byte(`
nodes:
- {name: a, address: "unix:///a.sock", power: {done: {line: 4}, cut_stuck_after: 10m, fence_lost_after: never}}
fans:
- {name: read, nodes: [a], output: {hwmon: {name: pwmfan, fan: 2}}}
- {name: taken, output: {hwmon: {name: emc2301, device: 1-002f, pwm: 3, kernel_fan: take_over}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Core.Nodes[0].Power; p.Rail != power.RailNone || !p.Line || p.CutStuckAfter != 10*time.Minute || p.FenceLostAfter != 0 || c.Core.Nodes[0].Rail {
		t.Errorf("power %+v", p)
	}
	read, taken := c.Core.Fans[0], c.Core.Fans[1]
	if !read.ReadOnly || !read.Tach || !slices.Equal(read.Nodes, []string{"a"}) || taken.ReadOnly || taken.Tach {
		t.Errorf("fans %+v\n%+v", read, taken)
	}
	if h := c.Hardware.Fans; *h[0].Hwmon != (config.Hwmon{Name: "pwmfan", PWM: 1, Fan: 2}) ||
		*h[1].Hwmon != (config.Hwmon{Name: "emc2301", Device: "1-002f", PWM: 3, TakeOver: true}) {
		t.Errorf("hardware %+v %+v", h[0].Hwmon, h[1].Hwmon)
	}
}

// TestFaults reads each file of testdata/faults; what it must report is in the file of the same name in .txt.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Parse(filepath.Base(file), text)
			got := "no fault\n"
			if err != nil {
				got = err.Error() + "\n"
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Ten different faults are ten lines, each with path, value and what is allowed; none has a consequence of its own.
func TestTenFaultsAreTen(t *testing.T) {
	_, err := config.Load("testdata/faults/ten.yaml")
	faults, ok := errors.AsType[*document.FaultsError](err)
	if !ok || len(faults.Faults) != 10 || strings.Count(err.Error(), "\n") != 9 {
		t.Fatalf("want ten faults:\n%v", err)
	}
	for _, f := range faults.Faults {
		if f.Path == "" || f.Line == 0 || f.Allowed == "" || f.Value == "" && !strings.HasSuffix(f.Path, ".rial") {
			t.Errorf("%+v", f)
		}
	}
}

func TestLoadSaysWhatIsMissing(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Error(err)
	}
}

// FuzzParse: whatever the file, an error in lines with its name, or a configuration that the core takes.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, example, "testdata/unknown_everywhere.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("f.yaml", data)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f.yaml:") {
					t.Errorf("a line without a place: %q", line)
				}
			}
			return
		}
		if _, err := core.New(c.Core, time.Now()); err != nil {
			t.Errorf("passed, and the core refuses it: %v", err)
		}
		if len(c.Hardware.Fans) != len(c.Core.Fans) {
			t.Errorf("%d fans, %d outputs", len(c.Core.Fans), len(c.Hardware.Fans))
		}
	})
}

// The machine that this runs on is never switched, so it must be known which one it is.
func TestMaster(t *testing.T) {
	for name, c := range map[string]struct{ nodes, master string }{
		"the only socket":           {`[{name: a, address: "unix:///a"}, {name: b, address: localhost}]`, "a"},
		"nobody":                    {`[{name: a, address: localhost}]`, ""},
		"two sockets":               {`[{name: a, address: "unix:///a"}, {name: b, address: "unix:///b"}]`, ""},
		"said":                      {`[{name: a, address: "unix:///a"}, {name: b, address: localhost, master: true}]`, "b"},
		"the socket says it is not": {`[{name: a, address: "unix:///a", master: false}]`, ""},
		"a socket behind a rail":    {`[{name: a, address: "unix:///a"}, {name: b, address: "unix:///b", power: {rail: {line: 4}}}]`, "a"},
	} {
		parsed, err := config.Parse("f.yaml", []byte("nodes: "+c.nodes))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var master strings.Builder
		for _, n := range parsed.Core.Nodes {
			if n.Power.Master {
				master.WriteString(n.Name)
			}
		}
		if master.String() != c.master {
			t.Errorf("%s: the master is %q", name, master.String())
		}
	}
}

func TestCommandRail(t *testing.T) {
	c, err := config.Parse("f.yaml", []byte(`
nodes:
- {name: a, address: localhost, after: [b], power: {rail: {command: {on: [/bin/hub, "1", "on"], off: [/bin/hub, "1", "off"]}}}}
- {name: b, address: "localhost:7701"}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Command{On: []string{"/bin/hub", "1", "on"}, Off: []string{"/bin/hub", "1", "off"}, Timeout: 10 * time.Second}
	if r := c.Hardware.Rails; len(r) != 1 || r[0].Line != nil || !reflect.DeepEqual(r[0].Command, want) {
		t.Errorf("rails %+v", r)
	}
	if n := c.Core.Nodes[0]; n.Power.Rail != power.RailCommand || !n.Rail || !slices.Equal(n.After, []string{"b"}) {
		t.Errorf("node %+v", n)
	}
}
