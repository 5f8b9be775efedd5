package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// power is the part of a fake that is asked to do something: it plays one operation from a script, whatever it is asked.
type power struct {
	asked  string // the file that has each request, a line each; empty: none is kept
	answer *coordinatorv1.SetPowerResponse
	course []*coordinatorv1.Operation // what WatchOperation sends; nil is where the stream breaks
	loses  int                        // so many answers get lost on the way
	begun  []string                   // the requests for an operation, by their names
}

// play takes a script: first "lose" for each answer that gets lost, then the answer to the request, then, a line each, how
// the operation goes on, or "break" where the stream breaks.
func (p *power) play(script string) error {
	for line := range strings.Lines(script) {
		switch line = strings.TrimSpace(line); {
		case line == "lose":
			p.loses++
		case line == "break":
			p.course = append(p.course, nil)
		case p.answer == nil:
			p.answer = &coordinatorv1.SetPowerResponse{}
			if err := protojson.Unmarshal([]byte(line), p.answer); err != nil {
				return err
			}
		default:
			o := &coordinatorv1.Operation{}
			if err := protojson.Unmarshal([]byte(line), o); err != nil {
				return err
			}
			p.course = append(p.course, o)
		}
	}
	return nil
}

// note keeps a request.
func (p *power) note(request proto.Message) error {
	if p.asked == "" {
		return nil
	}
	text, err := protojson.Marshal(request)
	if err != nil {
		return err
	}
	var fields map[string]any // in a stable order, and without protojson's random spaces
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	if text, err = json.Marshal(fields); err != nil {
		return err
	}
	file, err := os.OpenFile(p.asked, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(string(request.ProtoReflect().Descriptor().Name()) + " " + string(text) + "\n")
	return err
}

// begin answers a request for an operation.
func (f *fake) begin(request proto.Message, id string) (*coordinatorv1.SetPowerResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.note(request); err != nil {
		return nil, err
	}
	f.begun = append(f.begun, id)
	if f.loses > 0 {
		f.loses--
		return nil, status.Error(codes.DeadlineExceeded, "the answer got lost")
	}
	if f.answer == nil {
		return nil, status.Error(codes.Internal, "the script has no answer")
	}
	return proto.CloneOf(f.answer), nil
}

func (f *fake) SetPower(_ context.Context, q *coordinatorv1.SetPowerRequest) (*coordinatorv1.SetPowerResponse, error) {
	return f.begin(q, q.GetRequestId())
}

func (f *fake) StartCase(_ context.Context, q *coordinatorv1.StartCaseRequest) (*coordinatorv1.StartCaseResponse, error) {
	a, err := f.begin(q, q.GetRequestId())
	return &coordinatorv1.StartCaseResponse{Operation: a.GetOperation(), Plan: a.GetPlan()}, err
}

func (f *fake) StopCase(_ context.Context, q *coordinatorv1.StopCaseRequest) (*coordinatorv1.StopCaseResponse, error) {
	a, err := f.begin(q, q.GetRequestId())
	return &coordinatorv1.StopCaseResponse{Operation: a.GetOperation(), Plan: a.GetPlan()}, err
}

func (f *fake) TestWiring(_ context.Context, q *coordinatorv1.TestWiringRequest) (*coordinatorv1.TestWiringResponse, error) {
	a, err := f.begin(q, q.GetRequestId())
	return &coordinatorv1.TestWiringResponse{Operation: a.GetOperation()}, err
}

func (f *fake) WatchOperation(q *coordinatorv1.WatchOperationRequest, stream grpc.ServerStreamingServer[coordinatorv1.WatchOperationResponse]) error {
	o, err := f.operation(q.GetId())
	for err == nil {
		if err = stream.Send(&coordinatorv1.WatchOperationResponse{Operation: o}); err != nil || !running(o) {
			return err
		}
		f.mu.Lock()
		if len(f.course) == 0 {
			f.mu.Unlock()
			<-stream.Context().Done()
			return nil
		}
		next := f.course[0]
		f.course = f.course[1:]
		if next != nil {
			f.answer.Operation = next
		}
		f.mu.Unlock()
		if o = next; o == nil {
			return status.Error(codes.Unavailable, "the coordinator stops")
		}
	}
	return err
}

// operation is the one that is played, or one that is remembered.
func (f *fake) operation(id string) (*coordinatorv1.Operation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Clone(f.whole.GetOperations())
	if f.answer != nil {
		all = append(all, f.answer.GetOperation())
	}
	for _, o := range slices.Concat(all, f.whole.GetCase().GetOperations()) {
		if o.GetId() == id {
			return proto.CloneOf(o), nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "operation %q: not found: bramblectl operations lists those that are remembered", id)
}

func (f *fake) GetOperation(_ context.Context, q *coordinatorv1.GetOperationRequest) (*coordinatorv1.GetOperationResponse, error) {
	o, err := f.operation(q.GetId())
	return &coordinatorv1.GetOperationResponse{Operation: o}, err
}

func (f *fake) CancelOperation(_ context.Context, q *coordinatorv1.CancelOperationRequest) (*coordinatorv1.CancelOperationResponse, error) {
	o, err := f.operation(q.GetId())
	switch {
	case err != nil:
		return nil, err
	case !running(o):
		return nil, status.Errorf(codes.FailedPrecondition, "%s: refused: it has ended: done", o.GetId())
	}
	o.Message = "called off by root (uid 0)"
	return &coordinatorv1.CancelOperationResponse{Operation: o}, f.note(q)
}

func (f *fake) ListOperations(_ context.Context, q *coordinatorv1.ListOperationsRequest) (*coordinatorv1.ListOperationsResponse, error) {
	all := f.whole.GetCase().GetOperations()
	if !q.GetRunning() {
		all = slices.Concat(all, f.whole.GetOperations())
	}
	return &coordinatorv1.ListOperationsResponse{Operations: all[:min(len(all), int(q.GetLimit()))]}, nil
}

func (f *fake) ListEvents(_ context.Context, q *coordinatorv1.ListEventsRequest) (*coordinatorv1.ListEventsResponse, error) {
	answer := &coordinatorv1.ListEventsResponse{}
	for _, e := range f.whole.GetEvents() {
		if q.GetSubject() == "" || q.GetSubject() == e.GetSubject() {
			answer.Events = append(answer.Events, e)
		}
	}
	answer.Events = answer.Events[max(0, len(answer.Events)-int(q.GetLimit())):]
	return answer, nil
}

func (f *fake) SetMaintenance(ctx context.Context, q *coordinatorv1.SetMaintenanceRequest) (*coordinatorv1.SetMaintenanceResponse, error) {
	answer, err := f.ListNodes(ctx, &coordinatorv1.ListNodesRequest{Names: q.GetNodes()})
	if err != nil {
		return nil, err
	}
	state := &coordinatorv1.Power{State: coordinatorv1.PowerState_POWER_STATE_UNKNOWN, Explanation: "unknown: taken back by a person; observes rail, line and agent for up to 10s"}
	if q.GetMaintenance() {
		state = &coordinatorv1.Power{State: coordinatorv1.PowerState_POWER_STATE_MAINTENANCE,
			Explanation: "maintenance; shown and never switched; `bramblectl node maintenance worker-2 --off` takes it back"}
	}
	out := &coordinatorv1.SetMaintenanceResponse{}
	for _, n := range answer.GetNodes() {
		n = proto.CloneOf(n)
		n.Maintenance, n.Power = q.GetMaintenance(), state
		out.Nodes = append(out.Nodes, n)
	}
	return out, f.note(q)
}

func (f *fake) ClearFault(ctx context.Context, q *coordinatorv1.ClearFaultRequest) (*coordinatorv1.ClearFaultResponse, error) {
	answer, err := f.ListNodes(ctx, &coordinatorv1.ListNodesRequest{Names: q.GetNodes()})
	if err != nil {
		return nil, err
	}
	out := &coordinatorv1.ClearFaultResponse{}
	for _, n := range answer.GetNodes() {
		n = proto.CloneOf(n)
		n.Power = &coordinatorv1.Power{State: coordinatorv1.PowerState_POWER_STATE_UNKNOWN, Explanation: "unknown: cleared by a person; observes rail, line and agent for up to 10s"}
		out.Nodes = append(out.Nodes, n)
	}
	return out, f.note(q)
}

func (f *fake) AcknowledgeStore(_ context.Context, q *coordinatorv1.AcknowledgeStoreRequest) (*coordinatorv1.AcknowledgeStoreResponse, error) {
	if f.whole.GetCase().GetStore().GetHealth() != coordinatorv1.StoreHealth_STORE_HEALTH_DAMAGED {
		return nil, status.Error(codes.InvalidArgument, "store: not allowed: it is not damaged")
	}
	return &coordinatorv1.AcknowledgeStoreResponse{Store: &coordinatorv1.Store{Health: coordinatorv1.StoreHealth_STORE_HEALTH_GOOD}}, f.note(q)
}
