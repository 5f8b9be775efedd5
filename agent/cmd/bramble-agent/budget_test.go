package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/identity/identitytest"
)

// memoryBudget is how much more memory the agent may need than a bare gRPC server with the same libraries, both with
// one subscriber over mutual TLS.
const memoryBudget = 1.2

// TestMemoryBudget runs the agent, as it ships, beside the floor of testdata/floor, and compares what the kernel says
// of their resident memory.
func TestMemoryBudget(t *testing.T) {
	dir := t.TempDir()
	files := identitytest.NewAuthority(t, "budget").Issue(t, dir, identitytest.Request{})
	source, err := identity.Load(files, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}

	at := freeAddress(t)
	settings := fmt.Sprintf("name: budget\nlisten: [%q]\nstate: \"\"\ntls: {authority: %s, certificate: %s, key: %s}\n", at, files.Authority, files.Certificate, files.Key)
	config := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := weigh(t, build(t, ".", dir), at, source, "run", "--config", config)

	at = freeAddress(t)
	floor := weigh(t, build(t, "./testdata/floor", dir), at, source, at, files.Authority, files.Certificate, files.Key)

	ratio := float64(agent) / float64(floor)
	t.Logf("resident with one subscriber over mutual TLS: agent %.1f MB, bare gRPC server %.1f MB, %.2f times (at most %.1f)", float64(agent)/1e6, float64(floor)/1e6, ratio, memoryBudget)
	if ratio > memoryBudget {
		t.Errorf("the agent needs %.2f times the memory of a bare server, more than %.1f", ratio, memoryBudget)
	}
}

// build makes a binary as it ships.
func build(t *testing.T, from, dir string) string {
	t.Helper()
	path := filepath.Join(dir, strings.NewReplacer(".", "x", "/", "-").Replace(from))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", path, from)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", from, err, out)
	}
	return path
}

// weigh runs a server, follows its stream for five messages, and returns its resident memory in bytes.
func weigh(t *testing.T, program, address string, source *identity.Source, args ...string) uint64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(source.Client()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := agentv1.NewAgentServiceClient(conn).Watch(t.Context(), &agentv1.WatchRequest{})
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	for range 5 {
		if _, err := stream.Recv(); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
	}
	return resident(t, cmd.Process.Pid)
}

func resident(t *testing.T, pid int) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseUint(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatalf("no VmRSS of %d", pid)
	return 0
}

// freeAddress is a loopback address that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
