package identity_test

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/bramblemesh/bramble/identity"
)

func Example() {
	source, err := identity.Load(identity.Files{
		Authority:   "/etc/bramble/tls/authority.pem",
		Certificate: "/etc/bramble/tls/coordinator.pem",
		Key:         "/etc/bramble/tls/coordinator.key",
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(grpc.Creds(source.Server()))
	defer server.Stop()
	conn, err := grpc.NewClient("worker-1.local:7700", grpc.WithTransportCredentials(source.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
}
