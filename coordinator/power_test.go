package coordinator_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// fakeLine is a done line whose far end the test holds.
type fakeLine struct {
	mu    sync.Mutex
	high  bool
	edges chan struct{}
	fails error
}

func newLine() *fakeLine { return &fakeLine{edges: make(chan struct{}, 8)} }

func (l *fakeLine) set(high bool) {
	l.mu.Lock()
	l.high = high
	l.mu.Unlock()
	l.edges <- struct{}{}
}

func (l *fakeLine) Watch(ctx context.Context, seen func(high bool, at time.Time)) error {
	for {
		l.mu.Lock()
		high, fails := l.high, l.fails
		l.mu.Unlock()
		if fails != nil {
			return fails
		}
		seen(high, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-l.edges:
		}
	}
}

// fakeStore keeps entries in memory.
type fakeStore struct {
	mu      sync.Mutex
	entries map[[2]string][]byte
	writes  int
	fails   error
}

func (s *fakeStore) Load() ([]core.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []core.Entry
	for key, value := range s.entries {
		all = append(all, core.Entry{Bucket: key[0], Key: key[1], Value: value})
	}
	return all, nil
}

func (s *fakeStore) Write(entries []core.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return s.fails
	}
	s.writes++
	if s.entries == nil {
		s.entries = map[[2]string][]byte{}
	}
	for _, e := range entries {
		if s.entries[[2]string{e.Bucket, e.Key}] = e.Value; e.Value == nil {
			delete(s.entries, [2]string{e.Bucket, e.Key})
		}
	}
	return nil
}

func (s *fakeStore) Damage() string     { return "" }
func (s *fakeStore) Acknowledge() error { return nil }

// powered is a case of a master and one worker with a rail, a done line raised by the helper, and a memory.
func powered(t *testing.T) (tc *testCase, rail *fakeRail, line *fakeLine, store *fakeStore) {
	tc, rail, line, store = newCase(t, "master", "worker-1"), &fakeRail{}, newLine(), &fakeStore{}
	rail.on.Store(true)
	tc.cfg.Core.Nodes[0].Power.Master = true
	tc.cfg.Core.Nodes[1].Rail = true
	tc.cfg.Core.Nodes[1].Power = power.Config{Rail: power.RailLine, Line: true, TrustWiring: true}
	tc.cfg.Hardware.Rails = map[string]coordinator.Rail{"worker-1": rail}
	tc.cfg.Hardware.DoneLines = map[string]coordinator.DoneLine{"worker-1": line}
	tc.cfg.Hardware.Store = store
	tc.cfg.Clock = func() power.Instant { return power.Instant{BootID: "boot", Boottime: time.Since(tc.start)} }
	worker := tc.agent("worker-1")
	worker.signal = &agentv1.DoneSignal{Mechanism: agentv1.DoneMechanism_DONE_MECHANISM_HELPER}
	worker.powerOff = func() {
		worker.notices <- agentv1.ShutdownKind_SHUTDOWN_KIND_POWER_OFF
		go func() {
			time.Sleep(5 * time.Second)
			worker.down()
			line.set(true)
		}()
	}
	return tc, rail, line, store
}

func TestPowerOffIsAskedProvenAndCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc, rail, line, store := powered(t)
		tc.run()
		tc.pass(15 * time.Second)
		client := tc.client()
		answer, err := client.SetPower(t.Context(), &coordinatorv1.SetPowerRequest{
			RequestId: "once", Nodes: []string{"worker-1"}, Action: coordinatorv1.PowerAction_POWER_ACTION_OFF, Reason: "a test",
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := client.SetPower(t.Context(), &coordinatorv1.SetPowerRequest{
			RequestId: "once", Nodes: []string{"worker-1"}, Action: coordinatorv1.PowerAction_POWER_ACTION_OFF, Reason: "a test",
		})
		if err != nil || again.GetOperation().GetId() != answer.GetOperation().GetId() {
			t.Errorf("the retry is %v, %v; want operation %s", again, err, answer.GetOperation().GetId())
		}
		stream, err := client.WatchOperation(t.Context(), &coordinatorv1.WatchOperationRequest{Id: answer.GetOperation().GetId()})
		if err != nil {
			t.Fatal(err)
		}
		tc.pass(8 * time.Second)
		if !rail.on.Load() {
			t.Error("the rail was cut before the grace was over")
		}
		// An unpowered worker's line falls.
		go func() {
			for rail.on.Load() {
				time.Sleep(10 * time.Millisecond)
			}
			line.set(false)
		}()
		var last *coordinatorv1.Operation
		for {
			m, err := stream.Recv()
			if err != nil {
				break
			}
			last = m.GetOperation()
		}
		var names []string
		for _, m := range last.GetSteps()[0].GetMilestones() {
			names = append(names, m.GetName())
		}
		story := strings.Join(names, ", ")
		for _, want := range []string{"asked", "announced", "latched", "cut", "off"} {
			if !strings.Contains(story, want) {
				t.Errorf("milestones %s: %q is missing", story, want)
			}
		}
		if last.GetState() != coordinatorv1.OperationState_OPERATION_STATE_DONE || rail.on.Load() || rail.sets.Load() != 1 {
			t.Errorf("%v; rail on %t after %d writes", last, rail.on.Load(), rail.sets.Load())
		}
		if asked := tc.agent("worker-1").asked; len(asked) != 1 || asked[0] != answer.GetOperation().GetId() {
			t.Errorf("the agent was asked %q", asked)
		}
		if n := tc.node("worker-1"); n.Power.State != power.StateOff {
			t.Errorf("worker-1 is %s", n.Power.State)
		}
		tc.pass(45 * time.Minute) // until the silence of a worker without power, and a fake sensor that never moves, are written, too
		writes := store.writes
		tc.pass(time.Hour)
		if store.writes != writes {
			t.Errorf("%d writes in an hour in which nothing happened", store.writes-writes)
		}
	})
}

func TestRefusalsHaveTheirCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc, rail, _, store := powered(t)
		tc.cfg.Core.Supply = power.Supply{LimitAmperes: 1, FixedAmperes: 0.5}
		tc.cfg.Core.Nodes[1].BootPeakAmperes, tc.cfg.Core.Nodes[1].MaximumAmperes = 1.4, 1.2
		tc.agent("worker-1").down()
		rail.on.Store(false)
		tc.run()
		tc.pass(15 * time.Second)
		client := tc.client()
		ask := func(action coordinatorv1.PowerAction, node string) error {
			_, err := client.SetPower(t.Context(), &coordinatorv1.SetPowerRequest{Nodes: []string{node}, Action: action})
			return err
		}
		const on, off = coordinatorv1.PowerAction_POWER_ACTION_ON, coordinatorv1.PowerAction_POWER_ACTION_OFF
		for _, c := range []struct {
			err  error
			code codes.Code
		}{
			{ask(on, "worker-9"), codes.NotFound},
			{ask(0, "worker-1"), codes.InvalidArgument},
			{ask(on, "worker-1"), codes.ResourceExhausted},
			{ask(off, "master"), codes.FailedPrecondition},
		} {
			if status.Code(c.err) != c.code {
				t.Errorf("%v, want %s", c.err, c.code)
			}
		}
		store.fails = errors.New("no space left on device")
		if _, err := client.SetMaintenance(t.Context(), &coordinatorv1.SetMaintenanceRequest{Nodes: []string{"worker-1"}, Maintenance: true}); status.Code(err) != codes.Unavailable {
			t.Errorf("a change that cannot be kept: %v", err)
		}
		if _, err := client.GetOperation(t.Context(), &coordinatorv1.GetOperationRequest{Id: "op-1"}); status.Code(err) != codes.NotFound {
			t.Errorf("an operation that never was: %v", err)
		}
		if rail.sets.Load() > 0 {
			t.Error("a refusal wrote the rail")
		}
	})
}

// A rail that is a program may take longer than the watchdog's patience.
func TestSlowRailDoesNotDelayControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc, rail, _, _ := powered(t)
		tc.agent("worker-1").down()
		rail.on.Store(false)
		rail.slow = 20 * time.Second
		var fed, longest time.Duration
		tc.cfg.Alive = func() {
			now := time.Since(tc.start)
			longest = max(longest, now-fed)
			fed = now
		}
		tc.run()
		tc.pass(15 * time.Second)
		if _, err := tc.SetPower(t.Context(), core.OperationPowerOn, "worker-1"); err != nil {
			t.Fatal(err)
		}
		tc.pass(40 * time.Second)
		if longest > 1500*time.Millisecond || rail.sets.Load() != 1 {
			t.Errorf("%s between two ticks, %d writes", longest, rail.sets.Load())
		}
	})
}

func TestLineThatCannotBeWatchedIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc, _, line, _ := powered(t)
		line.fails = errors.New("no such device")
		tc.run()
		tc.pass(5 * time.Second)
		if !tc.alarmed(core.AlarmWireUnreadable) {
			t.Errorf("alarms %v", tc.Alarms())
		}
		line.mu.Lock()
		line.fails = nil
		line.mu.Unlock()
		tc.pass(2 * time.Second)
		if tc.alarmed(core.AlarmWireUnreadable) || tc.node("worker-1").Power.Line != power.LevelLow {
			t.Errorf("alarms %v, line %s", tc.Alarms(), tc.node("worker-1").Power.Line)
		}
	})
}
