package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a call can fail with. toStatus gives each its code.
var (
	errStopping = errors.New("the agent is stopping: call again when it is back")
	errCrowded  = fmt.Errorf("%d subscribers watch this node already, the most it serves: end one of them", maxSubscribers)
	errBehind   = fmt.Errorf("this subscriber is more than %d flag edges behind: watch again", ringSize)
	errNoLight  = errors.New("this board has no light that can blink: bramble-agent doctor says what was looked for")
)

// requestError is a fault in what was asked. Nothing has been changed.
type requestError struct{ text string }

func (e requestError) Error() string { return e.text }

func badRequest(format string, a ...any) error { return requestError{fmt.Sprintf(format, a...)} }

// toStatus is the only place that gives errors their gRPC codes. An error of the transport has one already.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	code := codes.Internal
	if _, bad := errors.AsType[requestError](err); bad {
		code = codes.InvalidArgument
	}
	switch {
	case errors.Is(err, errStopping):
		code = codes.Unavailable
	case errors.Is(err, errCrowded), errors.Is(err, errBehind):
		code = codes.ResourceExhausted
	case errors.Is(err, errNoLight):
		code = codes.FailedPrecondition
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case status.Code(err) != codes.Unknown:
		return err
	}
	return status.Error(code, validText(err.Error()))
}

// Register adds the agent's service to a server of the caller's, who also calls [Agent.Run]. Calls wait for the first
// sample, and end when Run does.
func (a *Agent) Register(registrar grpc.ServiceRegistrar) {
	agentv1.RegisterAgentServiceServer(registrar, &service{agent: a})
}

// service translates between the wire and the agent, and does nothing else.
type service struct {
	agentv1.UnimplementedAgentServiceServer
	agent *Agent
}

func (s *service) GetNode(ctx context.Context, _ *agentv1.GetNodeRequest) (*agentv1.GetNodeResponse, error) {
	response, err := s.agent.snapshot(ctx)
	return response, toStatus(err)
}

func (s *service) Watch(request *agentv1.WatchRequest, stream grpc.ServerStreamingServer[agentv1.WatchResponse]) error {
	band, err := deadBand(float64(request.GetDeadBandCelsius()))
	if err != nil {
		return toStatus(err)
	}
	return toStatus(s.agent.watch(stream.Context(), band, stream.Send))
}

func (s *service) Identify(ctx context.Context, request *agentv1.IdentifyRequest) (*agentv1.IdentifyResponse, error) {
	var asked *time.Duration
	if request.GetHold() != nil {
		if err := request.GetHold().CheckValid(); err != nil {
			return nil, toStatus(badRequest("hold: %v", err))
		}
		asked = new(request.GetHold().AsDuration())
	}
	held, err := hold(asked)
	if err != nil {
		return nil, toStatus(err)
	}
	light, err := s.agent.identify(ctx, held)
	if err != nil {
		return nil, toStatus(err)
	}
	return &agentv1.IdentifyResponse{Light: light}, nil
}
