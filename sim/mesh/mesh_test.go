package mesh_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/mesh"
)

// run runs a mesh of the reference case in the bubble for a while, then ends and joins it.
func run(t *testing.T, network mesh.Network, during func(c *sim.Case, m *mesh.Mesh)) {
	t.Helper()
	c, err := sim.New(sim.Config{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	m, err := mesh.New(mesh.Config{Case: c, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	during(c, m)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// cpu is the processor time this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestVirtualHour streams five agents for an hour of a bubble's time, and checks the order of every sample that a
// subscriber of each agent gets. Without the race detector it must take less than a second of processor time, at the best
// of three times: other work on the same cores makes a second of theirs worth less.
func TestVirtualHour(t *testing.T) {
	var used time.Duration
	for range 3 {
		if used = virtualHour(t); used <= time.Second || raceDetector || t.Failed() {
			return
		}
	}
	t.Errorf("it took %v of processor time", used)
}

func virtualHour(t *testing.T) (used time.Duration) {
	before, start := cpu(t), time.Now()
	synctest.Test(t, func(t *testing.T) {
		network := &mesh.Memory{}
		run(t, network, func(c *sim.Case, m *mesh.Mesh) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			results := make(chan error)
			for _, b := range c.Boards() {
				go func() { results <- ordered(ctx, network, b.Name()) }()
			}
			for range c.Boards() {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			for _, n := range m.Coordinator().Nodes() {
				if n.Presence != core.PresenceLive || n.Samples < 3599 {
					t.Errorf("%s is %v after %d samples", n.Name, n.Presence, n.Samples)
				}
			}
		})
	})
	used = cpu(t) - before
	t.Logf("an hour of five agents, a coordinator and five more subscribers: %v of processor, %v on the clock", used, time.Since(start))
	return used
}

// ordered watches an agent until ctx ends, and fails on a message or sample that is lost, doubled or out of order.
func ordered(ctx context.Context, network mesh.Network, name string) error {
	conn, err := grpc.NewClient("passthrough:///"+network.Address(name),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(network.Dial),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10))
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := agentv1.NewAgentServiceClient(conn).Watch(ctx, &agentv1.WatchRequest{})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var sequence, first, newest uint64
	for {
		m, err := stream.Recv()
		if status.Code(err) == codes.DeadlineExceeded {
			if got := newest - first + 1; got < 3598 {
				return fmt.Errorf("%s: %d samples in an hour", name, got)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		sequence++
		if sequence == 1 {
			first, newest = m.GetSample(), m.GetSample()-1
		}
		if m.GetSequence() != sequence || m.GetSample() != newest+1 {
			return fmt.Errorf("%s: message %d with sample %d came where message %d with sample %d was due", name, m.GetSequence(), m.GetSample(), sequence, newest+1)
		}
		newest = m.GetSample()
	}
}

// TestMeshFailsSafe is promise 3 over gRPC: silence, full, voice, on.
func TestMeshFailsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, nil, func(c *sim.Case, m *mesh.Mesh) {
			time.Sleep(20 * time.Second)
			silent := sim.Fault{Kind: sim.FaultSilentAgent, Board: "worker-2"}
			if err := c.Fault(silent); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3200 * time.Millisecond)
			if n := node(t, m, "worker-2"); n.Presence != core.PresenceStale {
				t.Errorf("worker-2 is %v after 3.2 s of silence", n.Presence)
			}
			time.Sleep(1900 * time.Millisecond) // 5 s, and the moment in which the fault takes hold
			if duty := c.Fan().Duty(); duty != 1 {
				t.Errorf("duty %.2f after 5 s of silence", duty)
			}
			time.Sleep(10900 * time.Millisecond)
			if n := node(t, m, "worker-2"); n.Presence != core.PresenceUnreachable {
				t.Errorf("worker-2 is %v after 16 s of silence", n.Presence)
			}
			if err := c.Clear(silent); err != nil {
				t.Fatal(err)
			}
			for begin := time.Now(); node(t, m, "worker-2").Presence != core.PresenceLive; time.Sleep(100 * time.Millisecond) {
				if time.Since(begin) > 6*time.Second {
					t.Fatalf("worker-2 is not heard again: %s", node(t, m, "worker-2").PresenceReason)
				}
			}
			time.Sleep(2 * time.Second)
			if duty := c.Fan().Duty(); duty == 1 {
				t.Error("the fan is still at full two seconds after the first fresh sample")
			}
		})
	})
}

// TestMeshRestarts reboots one board and cuts another: agents end and start with their boards, and every goroutine is
// joined, or the bubble would not end.
func TestMeshRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, nil, func(c *sim.Case, m *mesh.Mesh) {
			time.Sleep(5 * time.Second)
			boot := node(t, m, "worker-3").BootID
			if err := c.Board("worker-3").Reboot(); err != nil {
				t.Fatal(err)
			}
			if err := c.Rail("worker-4").Set(false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			if n := node(t, m, "worker-3"); n.BootID == boot || n.Reboots != 1 || n.Presence != core.PresenceLive {
				t.Errorf("worker-3 after a reboot: %v, boot %s, %d reboots", n.Presence, n.BootID, n.Reboots)
			}
			if n := node(t, m, "worker-4"); n.Rail != core.RailOff || n.Presence != core.PresenceUnreachable {
				t.Errorf("worker-4 after its rail was cut: %v, rail %v", n.Presence, n.Rail)
			}
			if c.LostFileSystems() != 1 {
				t.Errorf("%d file systems lost", c.LostFileSystems())
			}
			for _, a := range m.Coordinator().Alarms() {
				if a.Subject != "worker-4" || !strings.Contains(a.Message, "bramble did not do it") {
					t.Errorf("alarm: %s", a.Message)
				}
			}
		})
	})
}

// TestMeshPower stops the whole case and starts it again: asked over gRPC, shut down, proved by the lines, cut and
// switched on, with no file system lost and the supply never below what the boards need.
func TestMeshPower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, nil, func(c *sim.Case, m *mesh.Mesh) {
			time.Sleep(15 * time.Second)
			for _, begin := range []func(context.Context) (core.OperationView, error){
				func(ctx context.Context) (core.OperationView, error) { return m.Coordinator().StopCase(ctx, false) },
				m.Coordinator().StartCase,
			} {
				o, err := begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for next, err := range m.Coordinator().WatchOperation(t.Context(), o.ID) {
					if err != nil {
						t.Fatal(err)
					}
					o = next
				}
				for _, step := range o.Steps {
					up := c.Board(step.Node).Running()
					if on, _ := c.Rail(step.Node).On(); o.State != core.OperationDone || step.State != core.StepDone || on != up || up != (o.Kind == core.OperationStartCase) {
						t.Errorf("%v %v: %s is %v: %s; rail %v, %v", o.Kind, o.State, step.Node, step.State, step.Message, on, c.Board(step.Node).State())
					}
				}
				t.Logf("%v: %s, %d steps, worker-1: %v", o.Kind, o.Message, len(o.Steps), o.Steps[0].Milestones)
			}
			if c.LostFileSystems() != 0 {
				t.Errorf("lost: %v", c.Losses())
			}
		})
	})
}

// TestMeshEndsWithItsMaster stops the case with the master last: the run ends by itself, all workers off and nothing lost.
func TestMeshEndsWithItsMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := sim.New(sim.Config{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := mesh.New(mesh.Config{Case: c})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(15*time.Second, func() {
			if _, err := m.Coordinator().StopCase(t.Context(), true); err != nil {
				t.Error(err)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := m.Run(ctx); err != nil || ctx.Err() != nil {
			t.Errorf("the run: %v, %v", err, ctx.Err())
		}
		for _, b := range c.Boards()[1:] {
			if b.Powered() {
				t.Errorf("%s is %v", b.Name(), b.State())
			}
		}
		if s := c.Boards()[0].State(); s != sim.StateHalted || c.LostFileSystems() != 0 {
			t.Errorf("the master is %v; lost: %v", s, c.Losses())
		}
	})
}

// TestMeshSockets is the same over real sockets: every node is heard.
func TestMeshSockets(t *testing.T) {
	run(t, mesh.Sockets(t.TempDir()), func(_ *sim.Case, m *mesh.Mesh) {
		live := map[string]bool{}
		for event, err := range m.Coordinator().Watch(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if event.Kind == core.ReportPresenceChanged {
				live[event.Subject] = node(t, m, event.Subject).Presence == core.PresenceLive
			}
			if len(live) == 5 {
				return
			}
		}
	})
}

func node(t *testing.T, m *mesh.Mesh, name string) core.NodeView {
	t.Helper()
	for _, n := range m.Coordinator().Nodes() {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no node %s", name)
	return core.NodeView{}
}
