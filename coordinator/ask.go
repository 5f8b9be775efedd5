package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

const (
	// askTimeout is for one call to an agent. logind answers a power-off in well under a second; a busy Pi B+ takes more.
	askTimeout = 10 * time.Second
	// askRoom is how many calls to one agent may wait. The core has one under way for each node.
	askRoom = 8
)

// errNotConnected is the answer to what was asked of a node without a stream. It surely did not arrive.
var errNotConnected = errors.New("its agent is not connected")

var errAskBusy = errors.New("its agent still answers what was asked before")

// ask is a call to a node's agent and what to tell the core of its end.
type ask struct {
	call   func(ctx context.Context, client agentv1.AgentServiceClient) error
	answer func(err error, unsure bool) core.Event
}

// asked turns an effect into a call; nil for an effect that is none.
func asked(effect core.Effect) (node string, a *ask) {
	answered := func(node, operation string) func(error, bool) core.Event {
		return func(err error, unsure bool) core.Event {
			return core.Answered{Node: node, Operation: operation, Err: err, Unsure: unsure}
		}
	}
	powerOff := func(node, operation string, withoutSignal bool) *ask {
		return &ask{answer: answered(node, operation), call: func(ctx context.Context, client agentv1.AgentServiceClient) error {
			_, err := client.PowerOff(ctx, &agentv1.PowerOffRequest{OperationId: operation, WithoutDoneSignal: withoutSignal})
			return err
		}}
	}
	switch e := effect.(type) {
	case core.AskPowerOff:
		return e.Node, powerOff(e.Node, e.Operation, e.WithoutSignal)
	case core.StopMaster:
		return e.Node, powerOff(e.Node, e.Operation, true)
	case core.AskReboot:
		return e.Node, &ask{answer: answered(e.Node, e.Operation), call: func(ctx context.Context, client agentv1.AgentServiceClient) error {
			_, err := client.Reboot(ctx, &agentv1.RebootRequest{OperationId: e.Operation})
			return err
		}}
	case core.AskPulse:
		return e.Node, &ask{
			call: func(ctx context.Context, client agentv1.AgentServiceClient) error {
				_, err := client.PulseDoneLine(ctx, &agentv1.PulseDoneLineRequest{Width: durationpb.New(e.Width)})
				return err
			},
			answer: func(err error, _ bool) core.Event { return core.Pulsed{Node: e.Node, Operation: e.Operation, Err: err} },
		}
	}
	return "", nil
}

// ask hands a call to the goroutine of its node. An answer follows in any case.
func (c *Coordinator) ask(effect core.Effect) {
	node, a := asked(effect)
	select {
	case c.links[node].asks <- *a:
	default:
		c.step(time.Now(), a.answer(errAskBusy, false))
	}
}

// converse carries out what is asked of one node, in order, until ctx ends.
func (c *Coordinator) converse(ctx context.Context, l *link) {
	defer c.guard()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-l.asks:
			err, unsure := c.call(ctx, l, a)
			c.tell(ctx, a.answer(err, unsure))
		}
	}
}

// call makes one call over the connection of the stream. unsure says that the agent may have carried it out all the same.
func (c *Coordinator) call(ctx context.Context, l *link, a ask) (_ error, unsure bool) {
	client := l.client()
	if client == nil {
		return errNotConnected, false
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := a.call(ctx, client)
	if err == nil {
		return nil, false
	}
	s := status.Convert(err)
	switch s.Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal:
		unsure = true
	case codes.Unimplemented:
		return fmt.Errorf("its bramble-agent is too old to be asked: update it"), false
	}
	return errors.New(oneLine(s.Message())), unsure
}

// hold makes the connection of a stream available to calls, until release.
func (l *link) hold(client agentv1.AgentServiceClient) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.agent = client
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.agent = nil
	}
}

// client is the node's agent while its stream is open, and nil without one.
func (l *link) client() agentv1.AgentServiceClient {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.agent
}
