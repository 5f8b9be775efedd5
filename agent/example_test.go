package agent_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/bramblemesh/bramble/agent"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// oven is hardware of one's own: one sensor that no kernel driver knows.
type oven struct{}

func (oven) Sensors() []agent.Sensor {
	return []agent.Sensor{{Name: "oven", Kind: agent.OtherTemperature, LimitCelsius: 250}}
}

func (oven) Read(int) (celsius float64, err error) { return 180.5, nil }

// A program carries an agent with its own sensors, serves it on a unix socket, and watches it as anybody else would.
func Example() {
	directory, err := os.MkdirTemp("", "oven")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	listener, err := net.Listen("unix", filepath.Join(directory, "agent.sock"))
	if err != nil {
		log.Fatal(err)
	}
	node, err := agent.New(agent.Config{Name: "kitchen", Thermal: oven{}})
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := node.Serve(ctx, listener); err != nil {
			log.Print(err)
		}
	})
	defer wg.Wait()
	defer cancel()

	conn, err := grpc.NewClient("unix:"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	stream, err := agentv1.NewAgentServiceClient(conn).Watch(ctx, &agentv1.WatchRequest{DeadBandCelsius: 0.5})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		message, err := stream.Recv()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("message %d:", message.GetSequence())
		for _, s := range message.GetNode().GetSensors() {
			fmt.Printf(" %s has sensor %d, %q;", message.GetNode().GetName(), s.GetId(), s.GetName())
		}
		for _, r := range message.GetReadings() {
			fmt.Printf(" sensor %d reads %.1f C", r.GetSensorId(), r.GetCelsius())
		}
		fmt.Println()
	}
	// Output:
	// message 1: kitchen has sensor 1, "oven"; sensor 1 reads 180.5 C
	// message 2:
}

// A program that has a gRPC server already adds the agent to it.
func ExampleAgent_Register() {
	node, err := agent.New(agent.Config{Name: "kitchen", Thermal: oven{}})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	node.Register(server)
	fmt.Println(len(server.GetServiceInfo()["bramble.agent.v1.AgentService"].Methods), "methods")

	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the program ends at once
	if err := node.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 7 methods
}
