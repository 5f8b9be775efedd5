package coordinator_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

func TestAPIShowsTheCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		tc.cfg.Core.Case, tc.cfg.Core.Version = "pico5", "v1"
		tc.run()
		client := tc.client()
		tc.pass(2 * time.Second)
		tc.agent("worker-4").down()
		tc.pass(18 * time.Second)
		got, err := client.GetCase(t.Context(), &coordinatorv1.GetCaseRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != "pico5" || got.Version != "v1" || got.UptimeMilliseconds != 20000 || len(got.Fans) != 1 || len(got.Alarms) != 1 {
			t.Errorf("case: %v", got)
		}
		if a := got.Alarms[0]; a.Kind != coordinatorv1.AlarmKind_ALARM_KIND_NODE_UNREACHABLE || a.Subject != "worker-4" || a.Message == "" {
			t.Errorf("alarm: %v", a)
		}
		f := got.Fans[0]
		if f.GetDutyFraction() != 1 || f.Mode != coordinatorv1.FanMode_FAN_MODE_FAIL_SAFE || f.Bound != coordinatorv1.FanBound_FAN_BOUND_FAIL_SAFE || f.Rpm == nil || !strings.Contains(f.Reason, "worker-4") || len(f.Nodes) != 5 {
			t.Errorf("fan: %v", f)
		}
		nodes, err := client.ListNodes(t.Context(), &coordinatorv1.ListNodesRequest{Names: []string{"worker-4", "master"}})
		if err != nil || len(nodes.Nodes) != 2 {
			t.Fatalf("nodes: %v, %v", nodes, err)
		}
		lost, master := nodes.Nodes[0], nodes.Nodes[1]
		if lost.Presence != coordinatorv1.Presence_PRESENCE_UNREACHABLE || lost.PresenceReason != "connection refused" || lost.GetAgeMilliseconds() < 15000 {
			t.Errorf("worker-4: %v", lost)
		}
		if m := master.Measurements; master.Board.Model != "Raspberry Pi 4" || m[0].GetCelsius() != 45 || m[0].SetPointCelsius != 55 || m[1].GetMegabitsPerSecond() != 1000 {
			t.Errorf("master: %v", master)
		}
	})
}

func TestAPIRefusesWithACodeAndAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master", "worker-1")
		tc.cfg.Core.Fans = append(tc.cfg.Core.Fans, core.FanConfig{Name: "kernel", ReadOnly: true})
		tc.cfg.Hardware.Fans["kernel"] = &fakeFan{}
		tc.run()
		tc.pass(5 * time.Second)
		client := tc.client()
		ctx := t.Context()
		set := func(fan string, duty float64, hold time.Duration) error {
			_, err := client.SetFan(ctx, &coordinatorv1.SetFanRequest{Fan: fan, Setting: &coordinatorv1.SetFanRequest_Override{
				Override: &coordinatorv1.SetFanOverride{DutyFraction: new(duty), Hold: durationpb.New(hold)},
			}})
			return err
		}
		get := func(fan string) error {
			_, err := client.GetFan(ctx, &coordinatorv1.GetFanRequest{Fan: fan})
			return err
		}
		list := func(names ...string) error {
			_, err := client.ListNodes(ctx, &coordinatorv1.ListNodesRequest{Names: names})
			return err
		}
		_, unset := client.SetFan(ctx, &coordinatorv1.SetFanRequest{Fan: "main"})
		_, dutyless := client.SetFan(ctx, &coordinatorv1.SetFanRequest{Fan: "main", Setting: &coordinatorv1.SetFanRequest_Override{
			Override: &coordinatorv1.SetFanOverride{Hold: durationpb.New(time.Hour)},
		}})
		for _, refusal := range []struct {
			name string
			err  error
			code codes.Code
			says string
		}{
			{"unknown fan", get("rear"), codes.NotFound, "main, kernel"},
			{"no name", get(""), codes.InvalidArgument, "main, kernel"},
			{"unknown node", list("master", "nobody"), codes.NotFound, "master, worker-1"},
			{"many names", list("master", "master", "master", "master"), codes.InvalidArgument, "2 nodes"},
			{"duty", set("main", 1.2, time.Minute), codes.InvalidArgument, "0.2 to 1"},
			{"hold", set("main", 0.5, 25*time.Hour), codes.InvalidArgument, "24h"},
			{"set unknown", set("rear", 0.5, time.Minute), codes.NotFound, "main, kernel"},
			{"read only", set("kernel", 0.5, time.Minute), codes.FailedPrecondition, "kernel driver"},
			{"no setting", unset, codes.InvalidArgument, "setting"},
			{"no duty", dutyless, codes.InvalidArgument, "duty_fraction"},
		} {
			if s := status.Convert(refusal.err); s.Code() != refusal.code || !strings.Contains(s.Message(), refusal.says) || strings.Contains(s.Message(), "\n") {
				t.Errorf("%s: %s: %s", refusal.name, s.Code(), s.Message())
			}
		}
		if f := tc.Fans()[0]; !f.OverrideUntil.IsZero() {
			t.Error("a refusal changed something")
		}
	})
}

// TestSetFanOnABrokenOutput does not say done: the duty stands, and the output has not taken it.
func TestSetFanOnABrokenOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		tc.pass(20 * time.Second)
		tc.fan.set(func(f *fakeFan) { f.fails = errors.New("no such device") })
		client := tc.client()
		_, err := client.SetFan(t.Context(), &coordinatorv1.SetFanRequest{Setting: &coordinatorv1.SetFanRequest_Override{
			Override: &coordinatorv1.SetFanOverride{DutyFraction: new(0.4), Hold: durationpb.New(time.Hour)},
		}})
		if s := status.Convert(err); s.Code() != codes.Internal || !strings.Contains(s.Message(), "no such device") {
			t.Errorf("%s: %s", s.Code(), s.Message())
		}
		got, err := client.GetFan(t.Context(), &coordinatorv1.GetFanRequest{})
		if err != nil || got.Fan.GetWriteError() != "no such device" || got.Fan.Override == nil {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestOverrideExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		tc.pass(5500 * time.Millisecond)
		client := tc.client()
		got, err := client.SetFan(t.Context(), &coordinatorv1.SetFanRequest{Setting: &coordinatorv1.SetFanRequest_Override{
			Override: &coordinatorv1.SetFanOverride{DutyFraction: new(0.4), Hold: durationpb.New(10 * time.Second)},
		}})
		if err != nil || got.Fan.GetDutyFraction() != 0.4 || got.Fan.Override.GetRemainingMilliseconds() != 10000 || tc.fan.driven() != 0.4 {
			t.Fatalf("%v, %v; the output is at %g", got, err, tc.fan.driven())
		}
		tc.pass(9 * time.Second)
		if f := tc.Fans()[0]; f.Mode != core.FanOverride {
			t.Errorf("after 9 s it is %s", f.Mode)
		}
		tc.pass(2 * time.Second)
		if f := tc.Fans()[0]; f.Mode != core.FanAutomatic {
			t.Errorf("after 11 s it is %s", f.Mode)
		}
		if f, err := tc.SetFan(t.Context(), "", core.FanSetting{Duty: 0.9, Hold: time.Hour}); err != nil || f.Duty != 0.9 {
			t.Errorf("%+v, %v", f, err)
		}
		if f, err := tc.SetFan(t.Context(), "", core.FanSetting{Automatic: true}); err != nil || f.Mode != core.FanAutomatic {
			t.Errorf("%+v, %v", f, err)
		}
		tc.stop()
		if _, err := tc.SetFan(t.Context(), "", core.FanSetting{Automatic: true}); !errors.Is(err, coordinator.ErrNotRunning) {
			t.Errorf("SetFan after Run = %v", err)
		}
	})
}

func TestWatchSendsTheWholeThenChangesThenHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		tc.run()
		tc.pass(5500 * time.Millisecond)
		client := tc.client()
		all, err := client.Watch(t.Context(), &coordinatorv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		first, err := all.Recv()
		if err != nil || first.Sequence != 1 || first.Case == nil || len(first.Case.Fans) != 1 || len(first.Nodes) != 5 || len(first.Fans) != 0 || len(first.Events) != 0 {
			t.Fatalf("first message: %v, %v", first, err)
		}
		tc.agent("worker-1").celsius.Store(70)
		seen, began := uint64(1), time.Now()
		for hot := false; !hot; {
			m, err := all.Recv()
			if err != nil || m.Sequence != seen+1 || m.Case != nil {
				t.Fatalf("%v, %v", m, err)
			}
			seen = m.Sequence
			for _, n := range m.Nodes {
				hot = hot || n.Name == "worker-1" && n.Measurements[0].GetCelsius() == 70
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the new value took %s", took)
		}
		happened, err := client.Watch(t.Context(), &coordinatorv1.WatchRequest{EventsOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := happened.Recv(); err != nil || m.Case == nil || len(m.Nodes)+len(m.Case.Fans) > 0 {
			t.Fatalf("first message of events only: %v, %v", m, err)
		}
		began = time.Now()
		for range 3 {
			if m, err := happened.Recv(); err != nil || len(m.Events)+len(m.Nodes)+len(m.Fans) > 0 {
				t.Fatalf("not a heartbeat: %v, %v", m, err)
			}
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("three heartbeats took %s", took)
		}
		worker := tc.agent("worker-2")
		worker.notices <- agentv1.ShutdownKind_SHUTDOWN_KIND_POWER_OFF
		m, err := happened.Recv()
		if err != nil || len(m.Events) != 1 || m.Events[0].Kind != coordinatorv1.EventKind_EVENT_KIND_SHUTDOWN_ANNOUNCED || m.Events[0].Subject != "worker-2" {
			t.Errorf("%v, %v", m, err)
		}
		go tc.stop()
		for err == nil {
			_, err = happened.Recv()
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("when Run ends the stream ends with %v", err)
		}
	})
}

func TestHealthServesWhenTheLoopRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t)
		tc.run()
		conn := tc.connect()
		for _, name := range []string{"", "bramble.coordinator.v1.CoordinatorService"} {
			got, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
			if err != nil || got.Status != healthv1.HealthCheckResponse_SERVING {
				t.Errorf("%q: %v, %v", name, got, err)
			}
		}
	})
}

func TestListenerThatFailsEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		tc.pass(2 * time.Second)
		tc.api.Close()
		synctest.Wait()
		err := tc.stop()
		tc.stop = func() error { return nil }
		if err == nil || !strings.HasPrefix(err.Error(), "listener bufconn: ") || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
}
