package coordinator

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

const (
	// window is the flow-control window of a stream. A fixed one sends no bandwidth probes, which at one small message
	// a second would more than double the traffic.
	window = 64 << 10
	// messageLimit bounds what any peer can make us hold.
	messageLimit = 64 << 10
	headerLimit  = 16 << 10
	writeBuffer  = 2 << 10
)

// link is the stream of one node. The control loop starts and ends attempts; one goroutine carries them out in order.
type link struct {
	node     core.NodeConfig
	attempts chan time.Duration // one Connect of the core, with the time to wait
	asks     chan ask           // calls to the agent, in order

	mu      sync.Mutex
	givenUp bool                       // the attempt under way, also when it has not begun
	cancel  context.CancelFunc         // of the attempt under way
	agent   agentv1.AgentServiceClient // while the stream is open
}

// connect begins an attempt. There is room in the channel: the attempt before was reported closed.
func (l *link) connect(after time.Duration) {
	l.mu.Lock()
	l.givenUp, l.cancel = false, nil
	l.mu.Unlock()
	l.attempts <- after
}

// disconnect gives the attempt up.
func (l *link) disconnect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.givenUp = true; l.cancel != nil {
		l.cancel()
	}
}

// begin is the context of an attempt.
func (l *link) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel = cancel; l.givenUp {
		cancel()
	}
	return ctx, cancel
}

// follow carries out the attempts of one node until ctx ends.
func (c *Coordinator) follow(ctx context.Context, l *link) {
	defer c.guard()
	for {
		select {
		case <-ctx.Done():
			return
		case after := <-l.attempts:
			reason := c.attempt(ctx, l, after)
			c.tell(ctx, core.StreamClosed{Node: l.node.Name, Reason: reason})
		}
	}
}

// attempt waits, dials and hands on what the node says until the stream ends or is given up. It returns why. Each attempt
// has a connection of its own: after a dark link the old one would still pass for a good one.
func (c *Coordinator) attempt(ctx context.Context, l *link, after time.Duration) string {
	ctx, cancel := l.begin(ctx)
	defer cancel()
	wait := time.NewTimer(after)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return "given up"
	case <-wait.C:
	}
	d := dialler{coordinator: c}
	conn, err := grpc.NewClient("passthrough:///"+l.node.Address, c.dialOptions(l.node, &d)...)
	if err != nil {
		return oneLine(err.Error())
	}
	defer conn.Close()
	client := agentv1.NewAgentServiceClient(conn)
	stream, err := client.Watch(ctx, &agentv1.WatchRequest{})
	if err != nil {
		return d.reason(err)
	}
	defer l.hold(client)()
	c.tell(ctx, core.StreamOpened{Node: l.node.Name})
	for {
		m, err := stream.Recv()
		if err != nil {
			return d.reason(err)
		}
		c.tell(ctx, core.NodeMessage{Node: l.node.Name, Message: message(m)})
	}
}

// tell hands an event to the control loop, and waits until it has it.
func (c *Coordinator) tell(ctx context.Context, event core.Event) {
	select {
	case c.inbox <- letter{event: event, received: time.Now()}:
	case <-ctx.Done():
	}
}

func (c *Coordinator) dialOptions(n core.NodeConfig, d *dialler) []grpc.DialOption {
	tls := c.cfg.Credentials[n.Name]
	if tls == nil {
		tls = insecure.NewCredentials()
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(tls),
		grpc.WithContextDialer(d.dial),
		grpc.WithUserAgent("bramble-coordinator/" + c.cfg.Core.Version),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithReadBufferSize(0),
		grpc.WithWriteBufferSize(writeBuffer),
		grpc.WithMaxHeaderListSize(headerLimit),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageLimit)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
	}
}

// dial is the default of Config.Dial.
func dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return d.DialContext(ctx, "unix", strings.TrimPrefix(path, "//"))
	}
	if strings.HasPrefix(address, "/") {
		return d.DialContext(ctx, "unix", address)
	}
	return d.DialContext(ctx, "tcp", address)
}

// dialler dials one attempt and keeps the plain error, which gRPC would wrap several times.
type dialler struct {
	coordinator *Coordinator
	mu          sync.Mutex
	err         error
}

func (d *dialler) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	defer d.coordinator.guard()
	err = errPanic // stands if Dial does not return
	conn, err = d.coordinator.cfg.Dial(ctx, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	return conn, err
}

// reason says in one line why a stream ended.
func (d *dialler) reason(err error) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s := status.Convert(err); {
	case errors.Is(err, io.EOF):
		return ""
	case d.err != nil:
		return oneLine(d.err.Error())
	case s.Code() == codes.Unimplemented:
		return "what answers there is no bramble-agent"
	case s.Code() == codes.ResourceExhausted:
		return oneLine("it could not keep up: " + s.Message())
	default:
		return oneLine(s.Message())
	}
}

// oneLine makes foreign text fit for a log line and a terminal.
func oneLine(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
