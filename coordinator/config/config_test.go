package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/coordinator/core"
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
	if len(c.Core.Nodes) != 5 || len(c.Core.Fans) != 1 || len(c.Power.Nodes) != 4 {
		t.Fatalf("%d nodes, %d fans, %d with power", len(c.Core.Nodes), len(c.Core.Fans), len(c.Power.Nodes))
	}
	master, worker := c.Core.Nodes[0], c.Core.Nodes[4]
	if master.Address != "unix:///run/bramble/agent.sock" || master.Rail {
		t.Errorf("master %+v", master)
	}
	if worker != (core.NodeConfig{Name: "worker-4", Address: "worker-4.local:7700", LimitCelsius: 60, Rail: true, BootDeadline: 2 * time.Minute}) {
		t.Errorf("worker-4 %+v", worker)
	}
	if p := c.Power.Nodes[3]; p.Node != "worker-4" || *p.Rail != (config.Rail{Line: config.Line{Offset: 23}, ResetLevel: "off"}) ||
		*p.Done != (config.Done{Line: config.Line{Offset: 26}, By: "overlay"}) || p.Grace != 2*time.Second || p.CutStuckAfter != 0 || !p.CutWhenHalted {
		t.Errorf("power of worker-4 %+v", p)
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
	if len(faults.Faults) != 13 || keys < 70 {
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
	shown := regexp.MustCompile(`(?m)^( *)# ((?:stale_after|unreachable_after|maintenance|boot_deadline|active_low|by|grace|stop_deadline|drain_deadline|`+
		`cut_stuck_after|fence_lost_after|cut_when_halted|frequency|inverted|pulses|stagger|under_voltage_settle|after_outage): .*)$`).ReplaceAll(text, []byte("$1$2"))
	full, err := config.Parse("example", shown)
	if err != nil {
		t.Fatal(err)
	}
	if len(shown) > len(text)-2*18 {
		t.Errorf("only %d bytes of comment signs were taken away", len(text)-len(shown))
	}
	for i, p := range full.Power.Nodes {
		q := plain.Power.Nodes[i]
		if *p.Rail != *q.Rail || *p.Done != *q.Done {
			t.Errorf("%s: rail or done line differ", p.Node)
		}
		p.Rail, p.Done, q.Rail, q.Done = nil, nil, nil, nil
		if p != q {
			t.Errorf("got %+v\nwant %+v", p, q)
		}
	}
	if !slices.Equal(full.Core.Nodes, plain.Core.Nodes) || full.Core.StaleAfter != plain.Core.StaleAfter || full.Core.UnreachableAfter != plain.Core.UnreachableAfter {
		t.Errorf("nodes or ages differ")
	}
	if *full.Hardware.Fans[0].PWM != *plain.Hardware.Fans[0].PWM || *full.Hardware.Fans[0].Tach != *plain.Hardware.Fans[0].Tach {
		t.Errorf("fan differs")
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

func TestHwmonAndHelper(t *testing.T) {
	c, err := config.Parse("f.yaml", []byte(`
nodes:
- {name: a, address: "unix:///a.sock", power: {done: {line: 4, by: helper}, cut_stuck_after: 10m, fence_lost_after: never}}
fans:
- {name: read, nodes: [a], output: {hwmon: {name: pwmfan, fan: 2}}}
- {name: taken, output: {hwmon: {name: emc2301, device: 1-002f, pwm: 3, kernel_fan: take_over}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Power.Nodes[0]; p.Rail != nil || p.Grace != 10*time.Second || p.CutStuckAfter != 10*time.Minute || p.FenceLostAfter != 0 || c.Core.Nodes[0].Rail {
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
