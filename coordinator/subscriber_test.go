package coordinator_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// TestHour is the whole mesh for an hour of virtual time, with a subscriber that sees every sample in order.
func TestHour(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		tc.run()
		client := tc.client()
		stream, err := client.Watch(t.Context(), &coordinatorv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		sampled, samples := map[string]time.Time{}, 0
		for sequence := uint64(1); time.Since(tc.start) < virtual; sequence++ {
			m, err := stream.Recv()
			if err != nil || m.Sequence != sequence {
				t.Fatalf("message %d: %v, %v", sequence, m, err)
			}
			for _, n := range m.Nodes {
				if n.AgeMilliseconds == nil {
					continue // not heard yet
				}
				at := time.Now().Add(-time.Duration(n.GetAgeMilliseconds()) * time.Millisecond)
				// Ages are whole milliseconds. A node is also sent when something else about it changed.
				gap := at.Sub(sampled[n.Name]).Round(10 * time.Millisecond)
				if gap == 0 {
					continue
				} else if gap != time.Second && !sampled[n.Name].IsZero() {
					t.Fatalf("%s: a sample %s after the one before", n.Name, gap)
				}
				samples++
				sampled[n.Name] = at
			}
		}
		if want := 5 * int(virtual/time.Second); samples < want-5 || samples > want+5 {
			t.Errorf("%d samples of five nodes in %s", samples, virtual)
		}
	})
	t.Logf("%s of five nodes took %s", virtual, time.Since(began))
}

// TestSlowSubscriberDelaysNobody lets two subscribers sleep while a node's notices come by the thousand.
func TestSlowSubscriberDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master", "worker-1")
		tc.run()
		tc.pass(2 * time.Second)
		client := tc.client()
		stuck, err := client.Watch(t.Context(), &coordinatorv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		slow := tc.Watch(t.Context())
		fresh := make(chan coordinator.Event, 10_000)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			defer close(fresh)
			for e, err := range tc.Watch(ctx) {
				if err != nil {
					t.Errorf("the quick subscriber: %v", err)
				}
				fresh <- e
			}
		}()
		for i := range 3000 {
			kind := agentv1.ShutdownKind_SHUTDOWN_KIND_REBOOT
			if i%2 == 1 {
				kind = agentv1.ShutdownKind_SHUTDOWN_KIND_CANCELLED
			}
			tc.agent("worker-1").notices <- kind
			tc.pass(10 * time.Millisecond)
		}
		if n := tc.node("worker-1"); n.Presence != core.PresenceLive || len(tc.Alarms()) > 0 {
			t.Errorf("worker-1 is %s, alarms %v", n.Presence, tc.Alarms())
		}
		cancel()
		got := uint64(0)
		for e := range fresh {
			if got > 0 && e.Number != got+1 {
				t.Fatalf("event %d after %d", e.Number, got)
			}
			got = e.Number
		}
		if got < 3000 {
			t.Errorf("the quick subscriber saw %d events", got)
		}
		slowReader(t, slow, got)
		// The stuck one still reads what was sent before its window was full, then the end: it missed events.
		for err == nil {
			_, err = stuck.Recv()
		}
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("the stuck subscriber ends with %v", err)
		}
	})
}

// slowReader wakes up late: it is told how many events it missed, and gets the rest.
func slowReader(t *testing.T, events func(func(coordinator.Event, error) bool), newest uint64) {
	t.Helper()
	dropped, seen := uint64(0), uint64(0)
	for e, err := range events {
		if behind, ok := errors.AsType[*coordinator.BehindError](err); ok {
			dropped = behind.Dropped
			continue
		}
		seen++
		if e.Number == newest {
			break
		}
	}
	if dropped == 0 || seen != 1024 {
		t.Errorf("%d events were dropped and %d seen, want some and 1024", dropped, seen)
	}
}

func TestWatchEndsWithRunAndWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range tc.Watch(ctx) {
		}
		if ctx.Err() == nil {
			t.Error("Watch ended before its context")
		}
		ended := make(chan int)
		go func() {
			n := 0
			for range tc.Watch(t.Context()) {
				n++
			}
			ended <- n
		}()
		synctest.Wait()
		tc.stop()
		<-ended
	})
}

func TestStrangersAreFewAndGoneInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		client := tc.client()
		stream, err := client.Watch(t.Context(), &coordinatorv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		open, began := make(chan time.Duration, 200), time.Now()
		for range 200 {
			conn, err := tc.api.Dial()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for err == nil {
					_, err = conn.Read(make([]byte, 1024))
				}
				open <- time.Since(began)
			}()
		}
		atOnce, later := 0, 0
		for range 200 {
			switch took := <-open; {
			case took == 0:
				atOnce++
			case took <= 10*time.Second:
				later++
			default:
				t.Errorf("a stranger stayed for %s", took)
			}
		}
		if atOnce != 72 || later != 128 {
			t.Errorf("%d strangers were turned away at once and %d within 10 s, want 72 and 128", atOnce, later)
		}
		if _, err := stream.Recv(); err != nil {
			t.Errorf("who was inside: %v", err)
		}
		if _, err := client.GetCase(t.Context(), &coordinatorv1.GetCaseRequest{}); err != nil {
			t.Errorf("who was inside: %v", err)
		}
	})
}

func TestSubscribersOverTheWireAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		watch := func(ctx context.Context, client coordinatorv1.CoordinatorServiceClient) error {
			stream, err := client.Watch(ctx, &coordinatorv1.WatchRequest{})
			if err != nil {
				return err
			}
			_, err = stream.Recv()
			return err
		}
		first, cancel := context.WithCancel(t.Context())
		for range 8 {
			client := tc.client()
			for range 16 {
				if err := watch(first, client); err != nil {
					t.Fatal(err)
				}
			}
		}
		client := tc.client()
		if err := watch(t.Context(), client); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("subscriber 129: %v", err)
		}
		cancel()
		tc.pass(time.Second)
		if err := watch(t.Context(), client); err != nil {
			t.Errorf("when the others are gone: %v", err)
		}
	})
}

func TestOneLineForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		var out strings.Builder
		tc.cfg.Logger = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})
		tc.run()
		tc.pass(10 * time.Minute)
		tc.agent("worker-1").down()
		tc.pass(20 * time.Second)
		tc.stop()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		// Five become live, the fan leaves its start; then stale, full, unreachable, and three lines of alarms.
		if len(lines) != 12 || !strings.Contains(out.String(), "[WARN]  alarm raised: node=worker-1 reason=\"worker-1 is silent") {
			t.Errorf("%d lines, want 12:\n%s", len(lines), out.String())
		}
	})
}
