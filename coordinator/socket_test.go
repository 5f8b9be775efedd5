package coordinator_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// TestRealSockets is the one test outside a bubble: an agent on a unix socket, one on loopback, the API on both.
func TestRealSockets(t *testing.T) {
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	cfg := coordinator.Config{Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output()})}
	for _, l := range []net.Listener{listen("unix", filepath.Join(t.TempDir(), "agent.sock")), listen("tcp", "127.0.0.1:0")} {
		address := l.Addr().String()
		if l.Addr().Network() == "unix" {
			address = "unix:" + address
		}
		a := &fakeAgent{name: l.Addr().Network(), boot: "1"}
		a.celsius.Store(45)
		server := grpc.NewServer()
		agentv1.RegisterAgentServiceServer(server, a)
		go server.Serve(l)
		t.Cleanup(server.Stop)
		cfg.Core.Nodes = append(cfg.Core.Nodes, core.NodeConfig{Name: a.name, Address: address})
	}
	socket := listen("unix", filepath.Join(t.TempDir(), "coordinator.sock"))
	loopback := listen("tcp", "127.0.0.1:0")
	cfg.Listeners = []net.Listener{socket, loopback}
	c, err := coordinator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	events, ended := c.Watch(ctx), make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	live := 0
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		if live += strings.Count(e.Message, " is live"); live == 2 {
			break
		}
	}
	for _, target := range []string{"unix:" + socket.Addr().String(), loopback.Addr().String()} {
		conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := coordinatorv1.NewCoordinatorServiceClient(conn).ListNodes(ctx, &coordinatorv1.ListNodesRequest{})
		if err != nil || len(got.Nodes) != 2 || got.Nodes[1].Presence != coordinatorv1.Presence_PRESENCE_LIVE {
			t.Errorf("%s: %v, %v", target, got, err)
		}
		conn.Close()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
