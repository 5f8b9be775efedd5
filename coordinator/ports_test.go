package coordinator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
)

func TestFailedWriteIsAnAlarmAndFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		tc.pass(20 * time.Second)
		tc.fan.set(func(f *fakeFan) { f.fails = errors.New("permission denied") })
		tc.pass(6 * time.Second)
		if f := tc.Fans()[0]; f.Mode != core.FanFailSafe || f.Duty != 1 || f.WriteError != "permission denied" || !tc.alarmed(core.AlarmFanWriteFailed) {
			t.Errorf("%s at %g, write error %q, alarms %v", f.Mode, f.Duty, f.WriteError, tc.Alarms())
		}
		tc.fan.set(func(f *fakeFan) {
			if f.safe == 0 || f.duty != 1 {
				t.Errorf("the fan that takes no duty is at %g, and was asked %d times to be safe", f.duty, f.safe)
			}
			f.fails, f.writes = nil, nil
		})
		tc.pass(2 * time.Second)
		tc.fan.set(func(f *fakeFan) {
			if len(f.writes) == 0 || f.writes[0] != 1 {
				t.Errorf("when the output works again it gets %v, want full first", f.writes)
			}
		})
		if tc.alarmed(core.AlarmFanWriteFailed) {
			t.Errorf("alarms %v", tc.Alarms())
		}
	})
}

// TestSteadyDutyIsWrittenEachTick is for what else may move a fan, and for an output that is lost while nothing changes.
func TestSteadyDutyIsWrittenEachTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		tc.pass(20 * time.Second)
		if _, err := tc.SetFan(t.Context(), "", core.FanSetting{Duty: 0.6, Hold: time.Hour}); err != nil {
			t.Fatal(err)
		}
		tc.pass(5 * time.Second)
		tc.fan.set(func(f *fakeFan) { f.duty, f.writes = 0.1, nil })
		tc.pass(time.Second)
		tc.fan.set(func(f *fakeFan) {
			if f.duty != 0.6 || len(f.writes) != 1 {
				t.Errorf("a second after something else set 0.1 the duty is %g; written: %v", f.duty, f.writes)
			}
			f.fails = errors.New("no such device")
		})
		tc.pass(1100 * time.Millisecond)
		if !tc.alarmed(core.AlarmFanWriteFailed) {
			t.Errorf("the output was lost a second ago: %v", tc.Alarms())
		}
	})
}

func TestPanicInAPortLeavesTheFansSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		tc.fan.panics = true
		c, err := coordinator.New(tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if p := recover(); p != "the port is broken" {
				t.Errorf("Run panicked with %v, want the port's own panic", p)
			}
			if tc.fan.safe != 1 {
				t.Errorf("Safe was called %d times, want 1", tc.fan.safe)
			}
		}()
		t.Errorf("Run = %v, want a panic", c.Run(t.Context()))
	})
}

func TestPanicInDialLeavesTheFansSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.cfg.Dial = func(context.Context, string) (net.Conn, error) { panic("no such network") }
		c, err := coordinator.New(tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if p, _ := recover().(string); !strings.HasPrefix(p, "no such network\n") {
				t.Errorf("Run panicked with %q, want that of Dial", p)
			}
			if tc.fan.safe != 1 {
				t.Errorf("Safe was called %d times, want 1", tc.fan.safe)
			}
		}()
		t.Errorf("Run = %v, want a panic", c.Run(t.Context()))
	})
}

func TestHangingPortStarvesTheWatchdogOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		fed := time.Time{}
		tc.cfg.Alive = func() { fed = time.Now() }
		tc.run()
		tc.pass(5500 * time.Millisecond)
		release := make(chan struct{})
		tc.fan.set(func(f *fakeFan) { f.hangs = release })
		if _, err := tc.SetFan(shortly(t), "main", core.FanSetting{Duty: 0.5, Hold: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SetFan = %v", err)
		}
		tc.pass(20 * time.Second)
		if silent := time.Since(fed); silent < 20*time.Second {
			t.Errorf("the watchdog was fed %s ago while a port hung", silent)
		}
		// Who asks is still answered.
		if got := len(tc.Nodes()); got != 1 {
			t.Errorf("%d nodes", got)
		}
		close(release)
		tc.pass(2 * time.Second)
		if time.Since(fed) > 2*time.Second {
			t.Error("the watchdog is not fed again")
		}
		if n := tc.node("master"); n.Presence != core.PresenceLive || tc.alarmed(core.AlarmNodeStale) {
			t.Errorf("after the pause the node is %s", n.Presence)
		}
	})
}

// A message that waited for a port that hung is as old as it is.
func TestHangingPortDoesNotMakeOldSamplesFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		tc.pass(5500 * time.Millisecond)
		release := make(chan struct{})
		tc.fan.set(func(f *fakeFan) { f.hangs = release })
		go tc.SetFan(shortly(t), "main", core.FanSetting{Duty: 0.5, Hold: time.Minute})
		tc.pass(1100 * time.Millisecond)
		tc.agent("master").cut() // one sample was received meanwhile
		tc.pass(3 * time.Second)
		close(release)
		synctest.Wait()
		if n := tc.node("master"); n.Presence != core.PresenceStale || time.Since(n.SampledAt) < 3*time.Second {
			t.Errorf("it is %s with a sample of %s ago", n.Presence, time.Since(n.SampledAt))
		}
	})
}

func TestRunJoinsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 50 {
			names = append(names, fmt.Sprint("worker-", i))
		}
		tc := newCase(t, names...)
		tc.cfg.Listeners = nil
		c, err := coordinator.New(tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if at := bytes.Index(stacks, []byte("coordinator.(*Coordinator).")); at >= 0 {
			t.Errorf("when Run had returned there was\n%.200s", stacks[at:])
		}
	})
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

// fakeRail does as it is told, after a while.
type fakeRail struct {
	on   atomic.Bool
	slow time.Duration // how long a write takes
	sets atomic.Int32
}

func (r *fakeRail) Set(on bool) error {
	time.Sleep(r.slow)
	r.sets.Add(1)
	r.on.Store(on)
	return nil
}

func (r *fakeRail) On() (bool, error) { return r.on.Load(), nil }

func TestRailThatIsOffIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master", "worker-1")
		rail := &fakeRail{}
		tc.cfg.Core.Nodes[1].Rail = true
		tc.cfg.Hardware.Rails = map[string]coordinator.Rail{"worker-1": rail}
		tc.agent("worker-1").down()
		tc.run()
		tc.pass(30 * time.Second)
		if n := tc.node("worker-1"); n.Rail != core.RailOff || n.PresenceReason != "its rail is off" || len(tc.Alarms()) > 0 || tc.duty() == 1 {
			t.Errorf("rail %d, reason %q, alarms %v, fan %g", n.Rail, n.PresenceReason, tc.Alarms(), tc.duty())
		}
		rail.on.Store(true)
		tc.agent("worker-1").up(t)
		tc.pass(7 * time.Second)
		if n := tc.node("worker-1"); n.Rail != core.RailOn || n.Presence != core.PresenceLive {
			t.Errorf("rail %d, %s", n.Rail, n.Presence)
		}
	})
}

func TestSafeThatFailsOrPanicsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := &fakeFan{}
		c, err := coordinator.New(coordinator.Config{
			Core:     core.Config{Fans: []core.FanConfig{{Name: "a"}, {Name: "b"}, {Name: "c"}}},
			Hardware: coordinator.Hardware{Fans: map[string]coordinator.Fan{"a": unsafeFan{}, "b": unsafeFan{panics: true}, "c": good}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = c.Run(ctx)
		if err == nil || !strings.Contains(err.Error(), "fan a: it could not be left safe: no") || !strings.Contains(err.Error(), "fan b: it could not be left safe: panic: ouch") {
			t.Errorf("Run = %v", err)
		}
		if good.safe != 1 {
			t.Error("the third fan was forgotten")
		}
		if err := c.Run(t.Context()); err == nil {
			t.Error("a second Run works")
		}
	})
}

type unsafeFan struct{ panics bool }

func (unsafeFan) SetDuty(float64) error { return nil }
func (unsafeFan) RPM() (float64, error) { return 0, errors.ErrUnsupported }
func (f unsafeFan) Safe() error {
	if f.panics {
		panic("ouch")
	}
	return errors.New("no")
}

// at is a listener that only says where it would listen.
type at struct {
	net.Listener
	network, address string
}

func (a at) Addr() net.Addr  { return a }
func (a at) Network() string { return a.network }
func (a at) String() string  { return a.address }

func TestNewRefusesWhatIsOpenOrUnattached(t *testing.T) {
	cfg := coordinator.Config{
		Core: core.Config{
			Nodes: []core.NodeConfig{
				{Name: "near", Address: "127.0.0.1:7700"}, {Name: "socket", Address: "unix:/run/bramble/agent.sock"},
				{Name: "far", Address: "10.0.0.2:7700"}, {Name: "named", Address: "worker-1.local:7700"},
				{Name: "sealed", Address: "10.0.0.3:7700"}, {Name: "railed", Address: "[::1]:7700", Rail: true}, {Name: "x y", Address: "localhost:1"},
			},
			Fans: []core.FanConfig{{Name: "main"}},
		},
		Hardware: coordinator.Hardware{
			Fans:  map[string]coordinator.Fan{"rear": &fakeFan{}},
			Rails: map[string]coordinator.Rail{"near": &fakeRail{}},
		},
		Credentials: map[string]credentials.TransportCredentials{"sealed": insecure.NewCredentials()},
		Listeners:   []net.Listener{at{network: "tcp", address: "0.0.0.0:7710"}, at{network: "tcp", address: "127.0.0.1:7710"}, at{network: "unix", address: "/run/x"}},
	}
	want := []string{
		`Nodes[6].Name: "x y": must be`,
		"fan main: Hardware.Fans has no port of that name",
		"node railed: it has a rail, and Hardware.Rails has no port of that name",
		"Hardware.Fans: rear: no fan in Core has that name",
		"Hardware.Rails: near: no node with a rail in Core has that name",
		"listener 0.0.0.0:7710: it can be reached from the network: set ServerCredentials",
		"node far: address 10.0.0.2:7700 leaves this machine: set its Credentials",
		"node named: address worker-1.local:7700 leaves this machine",
	}
	_, err := coordinator.New(cfg)
	if err == nil {
		t.Fatal("New took it")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Errorf("%d faults, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if i < len(want) && !strings.HasPrefix(line, want[i]) {
			t.Errorf("fault %d is %q, want %q...", i, line, want[i])
		}
	}
}

func TestEmptyCaseRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := coordinator.New(coordinator.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}
