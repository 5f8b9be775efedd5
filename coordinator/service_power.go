package coordinator

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/bramblemesh/bramble/coordinator/core"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// kindOf is the operation that carries an action out.
func kindOf(action coordinatorv1.PowerAction) (core.OperationKind, error) {
	switch action {
	case coordinatorv1.PowerAction_POWER_ACTION_ON:
		return core.OperationPowerOn, nil
	case coordinatorv1.PowerAction_POWER_ACTION_OFF:
		return core.OperationPowerOff, nil
	case coordinatorv1.PowerAction_POWER_ACTION_CYCLE:
		return core.OperationPowerCycle, nil
	case coordinatorv1.PowerAction_POWER_ACTION_REBOOT:
		return core.OperationReboot, nil
	}
	return 0, fmt.Errorf("action %d: %w: send on, off, cycle or reboot", action, core.ErrInvalid)
}

func (s service) SetPower(ctx context.Context, r *coordinatorv1.SetPowerRequest) (*coordinatorv1.SetPowerResponse, error) {
	kind, err := kindOf(r.GetAction())
	if err != nil {
		return nil, toStatus(err)
	}
	operation, plan, err := s.request(ctx, core.Request{
		Kind: kind, Nodes: r.GetNodes(), RequestID: r.GetRequestId(), Reason: r.GetReason(), Force: r.GetForce(), Rolling: r.GetRolling(),
		DryRun: r.GetDryRun(),
	})
	if err != nil {
		return nil, err
	}
	return &coordinatorv1.SetPowerResponse{Operation: operation, Plan: plan}, nil
}

func (s service) StartCase(ctx context.Context, r *coordinatorv1.StartCaseRequest) (*coordinatorv1.StartCaseResponse, error) {
	operation, plan, err := s.request(ctx, core.Request{Kind: core.OperationStartCase, RequestID: r.GetRequestId(), DryRun: r.GetDryRun()})
	if err != nil {
		return nil, err
	}
	return &coordinatorv1.StartCaseResponse{Operation: operation, Plan: plan}, nil
}

func (s service) StopCase(ctx context.Context, r *coordinatorv1.StopCaseRequest) (*coordinatorv1.StopCaseResponse, error) {
	operation, plan, err := s.request(ctx, core.Request{
		Kind: core.OperationStopCase, RequestID: r.GetRequestId(), Master: r.GetMaster(), DryRun: r.GetDryRun(), Reason: r.GetReason(),
	})
	if err != nil {
		return nil, err
	}
	return &coordinatorv1.StopCaseResponse{Operation: operation, Plan: plan}, nil
}

func (s service) TestWiring(ctx context.Context, r *coordinatorv1.TestWiringRequest) (*coordinatorv1.TestWiringResponse, error) {
	operation, _, err := s.request(ctx, core.Request{Kind: core.OperationTestWiring, Nodes: r.GetNodes(), RequestID: r.GetRequestId()})
	if err != nil {
		return nil, err
	}
	return &coordinatorv1.TestWiringResponse{Operation: operation}, nil
}

// request asks the core in the caller's name.
func (s service) request(ctx context.Context, r core.Request) (*coordinatorv1.Operation, []*coordinatorv1.PlannedStep, error) {
	r.By, r.Reason = caller(ctx), oneLine(r.Reason)
	answer, err := s.c.Request(ctx, r)
	if err != nil {
		return nil, nil, toStatus(err)
	}
	var operation *coordinatorv1.Operation
	if answer.Operation != nil {
		operation = presentOperation(answer.Operation, time.Now())
	}
	return operation, presentPlan(answer.Plan), nil
}

func (s service) SetMaintenance(ctx context.Context, r *coordinatorv1.SetMaintenanceRequest) (*coordinatorv1.SetMaintenanceResponse, error) {
	if err := s.c.SetMaintenance(ctx, r.GetNodes(), r.GetMaintenance(), caller(ctx), oneLine(r.GetReason())); err != nil {
		return nil, toStatus(err)
	}
	nodes, err := s.named(r.GetNodes())
	if err != nil {
		return nil, err
	}
	return &coordinatorv1.SetMaintenanceResponse{Nodes: nodes}, nil
}

func (s service) ClearFault(ctx context.Context, r *coordinatorv1.ClearFaultRequest) (*coordinatorv1.ClearFaultResponse, error) {
	if err := s.c.ClearFault(ctx, r.GetNodes(), caller(ctx), oneLine(r.GetReason())); err != nil {
		return nil, toStatus(err)
	}
	nodes, err := s.named(r.GetNodes())
	if err != nil {
		return nil, err
	}
	return &coordinatorv1.ClearFaultResponse{Nodes: nodes}, nil
}

func (s service) AcknowledgeStore(ctx context.Context, _ *coordinatorv1.AcknowledgeStoreRequest) (*coordinatorv1.AcknowledgeStoreResponse, error) {
	if err := s.c.AcknowledgeStore(ctx, caller(ctx)); err != nil {
		return nil, toStatus(err)
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return &coordinatorv1.AcknowledgeStoreResponse{Store: presentStore(s.c.core.StoreHealth())}, nil
}

// operationsShown is how many operations are listed when nobody says.
const operationsShown = 20

func (s service) ListOperations(_ context.Context, r *coordinatorv1.ListOperationsRequest) (*coordinatorv1.ListOperationsResponse, error) {
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = operationsShown
	}
	out, now := &coordinatorv1.ListOperationsResponse{}, time.Now()
	for _, o := range s.c.Operations() {
		if len(out.Operations) >= limit {
			break
		}
		if !r.GetRunning() || o.State == core.OperationRunning {
			out.Operations = append(out.Operations, presentOperation(&o, now))
		}
	}
	return out, nil
}

func (s service) GetOperation(_ context.Context, r *coordinatorv1.GetOperationRequest) (*coordinatorv1.GetOperationResponse, error) {
	o, err := s.c.Operation(r.GetId())
	if err != nil {
		return nil, toStatus(err)
	}
	return &coordinatorv1.GetOperationResponse{Operation: presentOperation(&o, time.Now())}, nil
}

func (s service) WatchOperation(r *coordinatorv1.WatchOperationRequest, stream grpc.ServerStreamingServer[coordinatorv1.WatchOperationResponse]) error {
	select {
	case s.c.room <- struct{}{}:
		defer func() { <-s.c.room }()
	default:
		return toStatus(errCrowded)
	}
	for o, err := range s.c.WatchOperation(stream.Context(), r.GetId()) {
		if err != nil {
			return toStatus(err)
		}
		if err := stream.Send(&coordinatorv1.WatchOperationResponse{Operation: presentOperation(&o, time.Now())}); err != nil {
			return err
		}
	}
	return nil
}

func (s service) CancelOperation(ctx context.Context, r *coordinatorv1.CancelOperationRequest) (*coordinatorv1.CancelOperationResponse, error) {
	o, err := s.c.CancelOperation(ctx, r.GetId(), caller(ctx))
	if err != nil {
		return nil, toStatus(err)
	}
	return &coordinatorv1.CancelOperationResponse{Operation: presentOperation(&o, time.Now())}, nil
}

// eventsShown is how many events are listed when nobody says.
const eventsShown = 50

func (s service) ListEvents(_ context.Context, r *coordinatorv1.ListEventsRequest) (*coordinatorv1.ListEventsResponse, error) {
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = eventsShown
	}
	out, now := &coordinatorv1.ListEventsResponse{}, time.Now()
	for _, e := range s.c.Events(limit, r.GetSubject()) {
		out.Events = append(out.Events, presentEvent(&e, now))
	}
	return out, nil
}
