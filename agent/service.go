package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	// errWithdrawn is for who asked; who called off gets no error.
	errWithdrawn = errors.New("the operation was called off before the system was asked: nothing has begun")
	errNoLight   = preconditionError{"this board has no light that can blink: bramble-agent doctor says what was looked for"}
	errNoPower   = preconditionError{"this board's agent can neither power off nor reboot: bramble-agent doctor says what it needs"}
	errGoingDown = preconditionError{"a shutdown is on its way, and a pulse now would look like its end: ask again when the board is back"}
)

// preconditionError says what stands in the way of a request that is right in itself. Nothing has been changed.
type preconditionError struct{ text string }

func (e preconditionError) Error() string { return e.text }

// powerError is what Power answered.
type powerError struct{ error }

func (e powerError) Unwrap() error { return e.error }

// code is the one of a system that does not go down. Nothing has begun.
func (e powerError) code() codes.Code {
	switch {
	case errors.Is(e, fs.ErrPermission):
		return codes.PermissionDenied
	case errors.Is(e, ErrUnderWay), errors.Is(e, ErrBlocked), errors.Is(e, errors.ErrUnsupported):
		return codes.FailedPrecondition
	default:
		return codes.Unavailable
	}
}

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
	if _, unmet := errors.AsType[preconditionError](err); unmet {
		code = codes.FailedPrecondition
	}
	if power, ok := errors.AsType[powerError](err); ok {
		return status.Error(power.code(), validText(err.Error()))
	}
	switch {
	case errors.Is(err, errStopping):
		code = codes.Unavailable
	case errors.Is(err, errCrowded), errors.Is(err, errBehind):
		code = codes.ResourceExhausted
	case errors.Is(err, errWithdrawn):
		code = codes.Aborted
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

func (s *service) PowerOff(ctx context.Context, request *agentv1.PowerOffRequest) (*agentv1.PowerOffResponse, error) {
	var unseen error
	if !request.GetWithoutDoneSignal() {
		unseen = s.agent.mayNotSee()
	}
	repeated, err := s.agent.shutDown(ctx, operation{ID: request.GetOperationId(), Kind: shutdownPowerOff.String()}, unseen)
	if err != nil {
		return nil, toStatus(err)
	}
	return &agentv1.PowerOffResponse{Repeated: repeated}, nil
}

func (s *service) Reboot(ctx context.Context, request *agentv1.RebootRequest) (*agentv1.RebootResponse, error) {
	repeated, err := s.agent.shutDown(ctx, operation{ID: request.GetOperationId(), Kind: shutdownReboot.String()}, nil)
	if err != nil {
		return nil, toStatus(err)
	}
	return &agentv1.RebootResponse{Repeated: repeated}, nil
}

func (s *service) CancelPowerOff(_ context.Context, request *agentv1.CancelPowerOffRequest) (*agentv1.CancelPowerOffResponse, error) {
	if err := s.agent.callOff(request.GetOperationId()); err != nil {
		return nil, toStatus(err)
	}
	return &agentv1.CancelPowerOffResponse{}, nil
}

func (s *service) PulseDoneLine(ctx context.Context, request *agentv1.PulseDoneLineRequest) (*agentv1.PulseDoneLineResponse, error) {
	var asked *time.Duration
	if request.GetWidth() != nil {
		if err := request.GetWidth().CheckValid(); err != nil {
			return nil, toStatus(badRequest("width: %v", err))
		}
		asked = new(request.GetWidth().AsDuration())
	}
	width, err := pulseWidth(asked)
	if err != nil {
		return nil, toStatus(err)
	}
	if err := s.agent.wire.pulse(ctx, width); err != nil {
		return nil, toStatus(err)
	}
	return &agentv1.PulseDoneLineResponse{}, nil
}
