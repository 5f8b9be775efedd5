package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/host/hosttest"
	"github.com/bramblemesh/bramble/identity/identitytest"
)

const (
	channel0 = "sys/class/pwm/pwmchip0/pwm0/"
	hwmon0   = "sys/class/hwmon/hwmon0/"
)

func line(t *testing.T, root, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first
}

func port0(t *testing.T, root string, fan config.Fan) *port {
	t.Helper()
	p, err := newPort(fan, root)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An output that comes late, as its driver may at boot, is found without a restart, and not looked for at every tick.
func TestPortFindsWhatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		p := port0(t, root, config.Fan{Name: "main", PWM: &config.PWM{PeriodNanoseconds: 40_000}})
		if err := p.SetDuty(0.5); err == nil || !strings.Contains(err.Error(), "no chip") {
			t.Fatalf("without an output: %v", err)
		}
		if err := p.Safe(); err == nil {
			t.Error("Safe without an output is no success")
		}
		hosttest.Unpack(t, root, pi)
		if err := p.SetDuty(0.5); err == nil {
			t.Error("looked for again at once")
		}
		if err := p.Safe(); err != nil || line(t, root, channel0+"duty_cycle") != "40000" {
			t.Errorf("Safe looks at once: %v, %s", err, line(t, root, channel0+"duty_cycle"))
		}
		time.Sleep(retryAfter)
		if err := p.SetDuty(0.5); err != nil || line(t, root, channel0+"duty_cycle") != "20000" {
			t.Errorf("later: %v, %s", err, line(t, root, channel0+"duty_cycle"))
		}
		if err := errors.Join(p.Safe(), p.close()); err != nil || line(t, root, channel0+"duty_cycle") != "40000" {
			t.Errorf("at the end: %v, %s", err, line(t, root, channel0+"duty_cycle"))
		}
	})
}

// The kernel's governor moves a fan that was taken over; the same duty is really written again.
func TestPortOutlivesTheGovernor(t *testing.T) {
	root := t.TempDir()
	hosttest.Unpack(t, root, pi)
	p := port0(t, root, config.Fan{Name: "taken", Hwmon: &config.Hwmon{PWM: 1, Fan: 1, TakeOver: true}})
	if err := p.SetDuty(0.5); err != nil || line(t, root, hwmon0+"pwm1") != "128" {
		t.Fatalf("%v, %s", err, line(t, root, hwmon0+"pwm1"))
	}
	governor := func() {
		if err := os.WriteFile(filepath.Join(root, hwmon0+"pwm1"), []byte("77\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	governor()
	if err := p.SetDuty(0.5); err != nil || line(t, root, hwmon0+"pwm1") != "128" {
		t.Errorf("not written again: %v, %s", err, line(t, root, hwmon0+"pwm1"))
	}
	if rpm, err := p.RPM(); err != nil || rpm != 2994 {
		t.Errorf("%v rpm, %v", rpm, err)
	}
	if err := p.Safe(); err != nil || line(t, root, hwmon0+"pwm1") != "255" {
		t.Errorf("%v, %s", err, line(t, root, hwmon0+"pwm1"))
	}
	if err := p.close(); err != nil || line(t, root, hwmon0+"pwm1_enable") != "2" {
		t.Errorf("not given back: %v, %s", err, line(t, root, hwmon0+"pwm1_enable"))
	}
}

func TestPortLeavesTheKernelsFanAlone(t *testing.T) {
	root := t.TempDir()
	hosttest.Unpack(t, root, pi)
	p := port0(t, root, config.Fan{Name: "read", Hwmon: &config.Hwmon{PWM: 1, Fan: 1}})
	if rpm, err := p.RPM(); err != nil || rpm != 2994 {
		t.Errorf("%v rpm, %v", rpm, err)
	}
	if err := errors.Join(p.Safe(), p.close()); err != nil || line(t, root, hwmon0+"pwm1") != "100" || line(t, root, hwmon0+"pwm1_enable") != "2" {
		t.Errorf("%v, pwm1 %s, enable %s", err, line(t, root, hwmon0+"pwm1"), line(t, root, hwmon0+"pwm1_enable"))
	}
}

func TestPortReadsItsWire(t *testing.T) {
	p := port0(t, t.TempDir(), config.Fan{Name: "main", PWM: &config.PWM{}, Tach: &config.Tach{Line: config.Line{Offset: 24}, Pulses: 2}})
	if _, err := p.RPM(); err == nil || strings.Contains(err.Error(), "pwm") {
		t.Errorf("before the wire is read: %v", err)
	}
}

// A fan that the kernel holds on to, and one that panics, keep nobody else from being safe, and safe from ending.
func TestSafeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer synctest.Wait()
		defer close(release)
		var tried []string
		start := time.Now()
		faults := allSafe(t.Context(), []config.Fan{{Name: "held"}, {Name: "panics"}, {Name: "waits"}, {Name: "good"}},
			func(ctx context.Context, f config.Fan) error {
				switch f.Name {
				case "held":
					<-release
				case "panics":
					panic("no such thing")
				case "waits":
					<-ctx.Done()
					return ctx.Err()
				}
				tried = append(tried, f.Name)
				return nil
			})
		if took := time.Since(start); took != safeWithin+safeGrace {
			t.Errorf("took %s", took)
		}
		if faults[0] == nil || faults[1] == nil || !errors.Is(faults[2], context.DeadlineExceeded) || faults[3] != nil || len(tried) != 1 {
			t.Errorf("%v %v", faults, tried)
		}
	})
}

func TestIdentifyCoversEveryTCPConnection(t *testing.T) {
	files := identitytest.NewAuthority(t, "case").Issue(t, t.TempDir(), identitytest.Request{})
	cfg := &config.Config{TLS: &files, Core: core.Config{Nodes: []core.NodeConfig{
		{Name: "master", Address: "unix:///a.sock"}, {Name: "near", Address: "127.0.0.1:7700"}, {Name: "far", Address: "worker-1.local:7700"},
	}}}
	var live coordinator.Config
	if err := identify(&live, cfg, hclog.NewNullLogger()); err != nil {
		t.Fatal(err)
	}
	if live.ServerCredentials == nil || live.Credentials["near"] == nil || live.Credentials["far"] == nil || live.Credentials["master"] != nil {
		t.Errorf("%+v", live.Credentials)
	}
}

func TestAliveIsReadyOnce(t *testing.T) {
	var out strings.Builder
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("NOTIFY_SOCKET", "")
	tick := alive(&config.Config{}, func() {}, hclog.New(&hclog.LoggerOptions{Output: &out}))
	tick()
	tick()
	if text := out.String(); strings.Count(text, "looking after") != 1 || strings.Count(text, "WatchdogSec is shorter") != 1 {
		t.Error(text)
	}
}
