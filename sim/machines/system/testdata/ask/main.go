// Command ask runs inside a machine of the tests and asks the agent there, on a unix socket, to power it off. It prints
// the code and the message of the refusal.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

func main() {
	if err := ask(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(socket string) error {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = agentv1.NewAgentServiceClient(connection).PowerOff(ctx, &agentv1.PowerOffRequest{OperationId: "unseen"})
	_, err = fmt.Println(status.Code(err), status.Convert(err).Message())
	return err
}
