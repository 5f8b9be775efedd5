package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bramblemesh/bramble/host/hosttest"
	"github.com/bramblemesh/bramble/identity/identitytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bramble-coordinator": main})
}

// pi is a Raspberry Pi 4 with two PWM channels, exported and off, and a fan that a kernel driver owns, as plain files.
const pi = `-- sys/class/pwm/pwmchip0 -> ../../devices/platform/soc/fe20c000.pwm/pwm/pwmchip0 --
-- sys/devices/platform/soc/fe20c000.pwm/of_node/compatible --
"brcm,bcm2835-pwm\x00"
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/device -> ../../../fe20c000.pwm --
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/npwm --
2
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/period --
0
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/duty_cycle --
0
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/polarity --
normal
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm0/enable --
0
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm1/period --
40000
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm1/duty_cycle --
10000
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm1/polarity --
normal
-- sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/pwm1/enable --
1
-- sys/class/hwmon/hwmon0 -> ../../devices/platform/i2c/1-002f/hwmon/hwmon0 --
-- sys/devices/platform/i2c/1-002f/hwmon/hwmon0/device -> ../../../1-002f --
-- sys/devices/platform/i2c/1-002f/hwmon/hwmon0/name --
emc2301
-- sys/devices/platform/i2c/1-002f/hwmon/hwmon0/pwm1 --
100
-- sys/devices/platform/i2c/1-002f/hwmon/hwmon0/pwm1_enable --
2
-- sys/devices/platform/i2c/1-002f/hwmon/hwmon0/fan1_input --
2994
`

// TestScripts is the specification of the command, as scripts. In them:
//
//	machine                $WORK/root is a machine as above, as it was at first; what is under run stays
//	first FILE TEXT        the first line of a file of the machine is TEXT
//	supervise              from here on a service manager listens
//	told TEXT              waits until it was told TEXT
//	issue DIR              an authority, a certificate for localhost and its key in DIR
//	fans FILE NAME...      FILE is a map of just these fans
//	envsubst FILE          replaces $WORK in FILE
//	exits CODE ARG...      bramble-coordinator ARG... must end with CODE
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			// A service manager of whoever runs the tests is none of the scripts' business.
			env.Vars = append(env.Vars, "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "JOURNAL_STREAM=")
			// The race detector waits a second at the end of each process, in case of a late report.
			env.Vars = append(env.Vars, "GORACE=atexit_sleep_ms=10")
			conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(env.WorkDir, "notify"), Net: "unixgram"})
			if err != nil {
				return err
			}
			env.Values["manager"] = conn
			env.Defer(func() { conn.Close() })
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"machine": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(os.RemoveAll(ts.MkAbs("root/sys")))
				hosttest.Unpack(t, ts.MkAbs("root"), pi)
			},
			"first": first,
			"supervise": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Setenv("NOTIFY_SOCKET", ts.MkAbs("notify"))
			},
			"told": told,
			"issue": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o755))
				identitytest.NewAuthority(t, "case").Issue(t, ts.MkAbs(args[0]), identitytest.Request{NotAfter: time.Date(2199, 1, 2, 3, 4, 5, 0, time.UTC)})
			},
			"fans": fansOf,
			"envsubst": func(ts *testscript.TestScript, _ bool, args []string) {
				text := strings.ReplaceAll(ts.ReadFile(args[0]), "$WORK", ts.Getenv("WORK"))
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
			},
			"exits": exits,
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("bramble-coordinator", args[1:]...)
	code := "0"
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != args[0] {
		ts.Fatalf("bramble-coordinator ended with %s, not %s", code, args[0])
	}
}

func first(ts *testscript.TestScript, neg bool, args []string) {
	content, err := os.ReadFile(filepath.Join(ts.MkAbs("root"), args[0]))
	ts.Check(err)
	if line, _, _ := strings.Cut(string(content), "\n"); (line == args[1]) == neg {
		ts.Fatalf("%s begins with %q", args[0], line)
	}
}

func told(ts *testscript.TestScript, _ bool, args []string) {
	conn := ts.Value("manager").(*net.UnixConn)
	ts.Check(conn.SetReadDeadline(time.Now().Add(30 * time.Second)))
	buffer := make([]byte, 512)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			ts.Fatalf("never told %s: %v", args[0], err)
		}
		ts.Logf("told %s", buffer[:n])
		if string(buffer[:n]) == args[0] {
			return
		}
	}
}

func fansOf(ts *testscript.TestScript, _ bool, args []string) {
	a, err := readMap(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, f := range a.Fans {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, " "), strings.Join(args[1:], " "); got != want {
		ts.Fatalf("the map has the fans %q", got)
	}
}

func TestMapSurvivesTheWayThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hardware.json")
	a := applied{Case: "pico5"}
	if err := json.Unmarshal([]byte(`[{"name":"main","pwm":{"device":"x.pwm","channel":1,"period_nanoseconds":40000,"inverted":true}},
		{"name":"other","hwmon":{"name":"emc2301","pwm":2,"fan":3,"take_over":true},"tach":{"line":{"chip":"c","offset":4},"pulses":1}}]`), &a.Fans); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := writeMap(path, a); err != nil {
			t.Fatal(err)
		}
	}
	b, err := readMap(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.Case != a.Case || len(b.Fans) != 2 || *b.Fans[0].PWM != *a.Fans[0].PWM || *b.Fans[1].Hwmon != *a.Fans[1].Hwmon || *b.Fans[1].Tach != *a.Fans[1].Tach {
		t.Errorf("got %+v", b)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left beside it: %v %v", left, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// Whatever stands in a damaged map, safe reads it or refuses it.
func FuzzReadMap(f *testing.F) {
	f.Add([]byte(`{"case":"pico5","fans":[{"name":"main","pwm":{"channel":0,"period_nanoseconds":40000}}]}`))
	f.Add([]byte(`{"fans":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "hardware.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := readMap(path)
		if errors.Is(err, os.ErrNotExist) || err == nil && a.Fans == nil {
			t.Errorf("%v, %v", a, err)
		}
	})
}
