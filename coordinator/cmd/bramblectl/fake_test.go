package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// fake is a coordinator that tells a story: the case of a file, and after it what a test puts on the streams.
type fake struct {
	coordinatorv1.UnimplementedCoordinatorServiceServer
	mu    sync.Mutex
	whole *coordinatorv1.WatchResponse
	// next are what each stream sends after the whole case; a stream beyond the last one sends nothing more.
	next []script
	power
}

// script is the rest of a stream.
type script struct {
	refusal  error                        // answered at once, without any message
	whole    *coordinatorv1.WatchResponse // the case from now on; nil: as it was
	messages []*coordinatorv1.WatchResponse
	pause    time.Duration // before each message
	end      error         // nil: the stream stays open and silent
}

// tell loads a case.
func tell(path string) (*fake, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &fake{whole: &coordinatorv1.WatchResponse{}}
	return f, protojson.Unmarshal(text, f.whole)
}

func story(t *testing.T, name string) *fake {
	t.Helper()
	f, err := tell(filepath.Join("testdata", "case", name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newServer(f coordinatorv1.CoordinatorServiceServer, options ...grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(append(options, grpc.WaitForHandlers(true))...)
	coordinatorv1.RegisterCoordinatorServiceServer(s, f)
	return s
}

// newRefusing is a coordinator that answers everything with one error.
func newRefusing(err error) *grpc.Server {
	return newServer(coordinatorv1.UnimplementedCoordinatorServiceServer{},
		grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) { return nil, err }),
		grpc.StreamInterceptor(func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error { return err }))
}

func (f *fake) GetCase(context.Context, *coordinatorv1.GetCaseRequest) (*coordinatorv1.GetCaseResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return proto.CloneOf(f.whole.GetCase()), nil
}

func (f *fake) ListNodes(_ context.Context, q *coordinatorv1.ListNodesRequest) (*coordinatorv1.ListNodesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(q.GetNames()) == 0 {
		return &coordinatorv1.ListNodesResponse{Nodes: f.whole.GetNodes()}, nil
	}
	answer := &coordinatorv1.ListNodesResponse{}
	for _, name := range q.GetNames() {
		i := slices.IndexFunc(f.whole.GetNodes(), func(n *coordinatorv1.Node) bool { return n.GetName() == name })
		if i < 0 {
			return nil, status.Errorf(codes.NotFound, "no node %q in this case: master, worker-1 to worker-4", name)
		}
		answer.Nodes = append(answer.Nodes, f.whole.GetNodes()[i])
	}
	return answer, nil
}

// fan finds one by name as the contract says.
func (f *fake) fan(name string) (*coordinatorv1.Fan, error) {
	fans := f.whole.GetCase().GetFans()
	if name == "" && len(fans) == 1 {
		return fans[0], nil
	}
	var known []string
	for _, fan := range fans {
		if fan.GetName() == name {
			return fan, nil
		}
		known = append(known, fan.GetName())
	}
	if name == "" {
		return nil, status.Errorf(codes.InvalidArgument, "which fan: %s?", strings.Join(known, ", "))
	}
	return nil, status.Errorf(codes.NotFound, "no fan %q in this case: %s", name, strings.Join(known, ", "))
}

func (f *fake) GetFan(_ context.Context, q *coordinatorv1.GetFanRequest) (*coordinatorv1.GetFanResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fan, err := f.fan(q.GetFan())
	return &coordinatorv1.GetFanResponse{Fan: proto.CloneOf(fan)}, err
}

func (f *fake) SetFan(_ context.Context, q *coordinatorv1.SetFanRequest) (*coordinatorv1.SetFanResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fan, err := f.fan(q.GetFan())
	if err != nil {
		return nil, err
	}
	if fan.GetName() == "front" {
		return nil, status.Error(codes.FailedPrecondition, "fan front is driven by the kernel and only read: set kernel_fan: take_over to change that")
	}
	if q.GetAutomatic() != nil {
		fan.Override = nil
		if fan.GetMode() == coordinatorv1.FanMode_FAN_MODE_OVERRIDE {
			fan.Mode = coordinatorv1.FanMode_FAN_MODE_AUTOMATIC
		}
		return &coordinatorv1.SetFanResponse{Fan: proto.CloneOf(fan)}, nil
	}
	duty, hold := q.GetOverride().GetDutyFraction(), q.GetOverride().GetHold().AsDuration()
	if duty < fan.GetMinimumDutyFraction() || hold < time.Second || hold > 24*time.Hour {
		return nil, status.Errorf(codes.InvalidArgument, "fan %s: duty %g for %s: allowed is %g to 1 for 1s to 24h",
			fan.GetName(), duty, hold, fan.GetMinimumDutyFraction())
	}
	fan.Override = &coordinatorv1.FanOverride{DutyFraction: duty, RemainingMilliseconds: uint64(hold.Milliseconds())}
	if fan.GetMode() == coordinatorv1.FanMode_FAN_MODE_AUTOMATIC {
		fan.Mode = coordinatorv1.FanMode_FAN_MODE_OVERRIDE
	}
	return &coordinatorv1.SetFanResponse{Fan: proto.CloneOf(fan)}, nil
}

func (f *fake) Watch(_ *coordinatorv1.WatchRequest, stream grpc.ServerStreamingServer[coordinatorv1.WatchResponse]) error {
	f.mu.Lock()
	var rest script
	if len(f.next) > 0 {
		rest, f.next = f.next[0], f.next[1:]
	}
	if rest.whole != nil {
		f.whole = rest.whole
	}
	first := proto.CloneOf(f.whole)
	first.Events, first.Operations = nil, nil // those are remembered, and asked for
	f.mu.Unlock()
	if rest.refusal != nil {
		return rest.refusal
	}
	if err := stream.Send(first); err != nil {
		return err
	}
	for _, m := range rest.messages {
		select {
		case <-stream.Context().Done():
			return nil
		case <-time.After(rest.pause): // zero outside a bubble
		}
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	if rest.end != nil {
		return rest.end
	}
	<-stream.Context().Done()
	return nil
}
