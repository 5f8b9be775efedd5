package coordinator_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// TestOnePeerIsBounded sends what a default server would take.
func TestOnePeerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		conn := tc.connect()
		client := coordinatorv1.NewCoordinatorServiceClient(conn)
		large := &coordinatorv1.SetFanRequest{Fan: strings.Repeat("x", 70<<10)}
		if _, err := client.SetFan(t.Context(), large); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a request of 70 KiB: %.200s", err)
		}
		headers := metadata.AppendToOutgoingContext(t.Context(), "x-large", strings.Repeat("x", 20<<10))
		if _, err := client.GetCase(headers, &coordinatorv1.GetCaseRequest{}); err == nil {
			t.Error("headers of 20 KiB are taken")
		}
		for range 32 {
			stream, err := healthv1.NewHealthClient(conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.GetCase(ctx, &coordinatorv1.GetCaseRequest{}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a 33rd call on one connection: %v", err)
		}
		if _, err := tc.client().GetCase(t.Context(), &coordinatorv1.GetCaseRequest{}); err != nil {
			t.Errorf("on another connection: %v", err)
		}
	})
}

// guest connects, says what HTTP/2 wants and then nothing more. What it returns is closed when the connection is.
func (tc *testCase) guest() <-chan struct{} {
	conn, err := tc.api.Dial()
	if err != nil {
		tc.t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		defer conn.Close()
		io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x00\x04\x00\x00\x00\x00\x00") // the preface, empty settings
		io.Copy(io.Discard, conn)
	}()
	synctest.Wait()
	return closed
}

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		turnedAway := 0
		var inside []<-chan struct{}
		for range 300 {
			closed := tc.guest()
			select {
			case <-closed:
				turnedAway++
			default:
				inside = append(inside, closed)
			}
		}
		if turnedAway != 44 || len(inside) != 256 {
			t.Errorf("of 300 connections %d were turned away and %d are open, want 44 and 256", turnedAway, len(inside))
		}
		// They do not answer either, and so make room for others.
		began := time.Now()
		for _, closed := range inside {
			<-closed
		}
		if took := time.Since(began); took < time.Minute || took > 80*time.Second {
			t.Errorf("connections whose peer does not answer were closed after %s, want 60 to 80 s", took)
		}
		if _, err := tc.client().GetCase(t.Context(), &coordinatorv1.GetCaseRequest{}); err != nil {
			t.Errorf("when they have gone: %v", err)
		}
	})
}

func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.run()
		conn := tc.connect()
		for range 2 { // it may come back at any time
			if _, err := coordinatorv1.NewCoordinatorServiceClient(conn).GetCase(t.Context(), &coordinatorv1.GetCaseRequest{}); err != nil {
				t.Fatal(err)
			}
			tc.pass(4 * time.Minute)
			if got := conn.GetState(); got != connectivity.Ready {
				t.Errorf("after 4 minutes without a call it is %s", got)
			}
			tc.pass(2 * time.Minute)
			if got := conn.GetState(); got != connectivity.Idle {
				t.Errorf("after 6 minutes without a call it is %s", got)
			}
		}
	})
}

func TestOneAgentIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master", "worker-1")
		tc.agent("worker-1").boot = strings.Repeat("x", 70<<10)
		tc.run()
		tc.pass(20 * time.Second)
		if n := tc.node("worker-1"); n.Presence != core.PresenceUnreachable || !strings.Contains(n.PresenceReason, "larger than max") {
			t.Errorf("after a message of 70 KiB it is %s: %s", n.Presence, n.PresenceReason)
		}
	})
}

func TestSilenceCountsFromRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master")
		tc.cfg.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		c, err := coordinator.New(tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		for _, step := range []struct {
			wait time.Duration
			want core.Presence
		}{{14 * time.Second, core.PresenceConnecting}, {2 * time.Second, core.PresenceUnreachable}} {
			time.Sleep(step.wait)
			synctest.Wait()
			if got := c.Nodes()[0].Presence; got != step.want {
				t.Errorf("%s later it is %s, want %s", step.wait, got, step.want)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
