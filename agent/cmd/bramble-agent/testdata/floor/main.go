// The floor under the agent: a gRPC server with the same libraries, options and TLS that sends one message a second and
// does nothing else: it touches the libraries for settings, GPIO chips and the system bus once, without a use for what
// they say. It takes the listener's address and the three PEM files as arguments.
package main

import (
	"log"
	"net"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/hashicorp/go-hclog"
	"github.com/warthog618/go-gpiocdev"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/bramblemesh/bramble/identity"
)

type server struct {
	agentv1.UnimplementedAgentServiceServer
}

func (server) Watch(_ *agentv1.WatchRequest, stream grpc.ServerStreamingServer[agentv1.WatchResponse]) error {
	for sequence := uint64(1); ; sequence++ {
		if err := stream.Send(&agentv1.WatchResponse{Sequence: sequence, Sample: sequence}); err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-stream.Context().Done():
			return nil
		}
	}
}

// touch is what everybody pays who uses these libraries.
func touch() {
	var settings yaml.Node
	if err := yaml.Unmarshal([]byte("name: floor"), &settings); err != nil {
		log.Fatal(err)
	}
	for _, name := range gpiocdev.Chips() {
		if chip, err := gpiocdev.NewChip(name); err == nil {
			defer chip.Close()
		}
	}
	if bus, err := dbus.ConnectSystemBus(); err == nil {
		defer bus.Close()
	}
}

func main() {
	touch()
	source, err := identity.Load(identity.Files{Authority: os.Args[2], Certificate: os.Args[3], Key: os.Args[4]}, hclog.NewNullLogger())
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(source.Server()),
		grpc.StaticStreamWindowSize(64<<10), grpc.StaticConnWindowSize(64<<10),
		grpc.ReadBufferSize(0), grpc.WriteBufferSize(2<<10))
	agentv1.RegisterAgentServiceServer(s, server{})
	healthv1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	channelz.RegisterChannelzServiceToServer(s)
	log.Fatal(s.Serve(listener))
}
