package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/doorway"
	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

const (
	stopGrace   = 2 * time.Second // for calls under way to end before they are cut off
	connections = 64              // open at once over all listeners
	strangers   = 32              // of these, whose peer has not proved yet who it is
	idle        = 5 * time.Minute // how long a connection may be without a call
)

// Serve runs the agent and serves it, with health, reflection and channelz, on listeners that it closes. It blocks until
// the context is done: then it ends the subscriptions, after up to two seconds for the last word about a shutdown under
// way, gives other calls two seconds, and returns nil. A listener that
// fails ends it with an error.
//
// Unix sockets are served without TLS: who may open the file may call. TCP beyond loopback is refused without
// Config.Credentials, before anything is started. Serve takes the place of [Agent.Run].
func (a *Agent) Serve(ctx context.Context, listeners ...net.Listener) error {
	if err := a.mayServe(listeners); err != nil {
		return err
	}
	server := grpc.NewServer(a.serverOptions()...)
	a.Register(server)
	reflection.Register(server)
	channelz.RegisterChannelzServiceToServer(server)
	serving := health.NewServer()
	serving.SetServingStatus(agentv1.AgentService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_NOT_SERVING)
	healthv1.RegisterHealthServer(server, serving)

	failed := make(chan error, len(listeners)+1)
	sampling, stopSampling := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopSampling()
	wg.Go(func() {
		if err := a.Run(sampling); err != nil {
			failed <- err
		}
	})
	wg.Go(func() {
		select {
		case <-a.state.first:
			serving.SetServingStatus(agentv1.AgentService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
		case <-sampling.Done():
		}
	})
	door := doorway.New(connections, func(at net.Addr) {
		a.config.Logger.Warn("connection turned away", "address", at.String(), "reason",
			fmt.Sprintf("%d are open, as many as there may be: look for a client that opens them and calls nothing", connections))
	})
	for _, l := range listeners {
		wg.Go(func() {
			if err := server.Serve(door.Listener(l)); err != nil {
				failed <- fmt.Errorf("listener %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	serving.Shutdown()
	a.lastWord(sampling)
	a.stop()
	stopServer(server)
	return err
}

// lastWord lets the subscribers hear which kind of shutdown it is that ends this agent: on some systems that is known only
// once it has begun.
func (a *Agent) lastWord(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if a.state.named(ctx) {
		a.state.settle(ctx)
	}
}

// mayServe refuses listeners that anybody on the network could use.
func (a *Agent) mayServe(listeners []net.Listener) error {
	var faults []error
	for _, l := range listeners {
		if a.config.Credentials == nil && !isLocal(l.Addr()) {
			faults = append(faults, fmt.Errorf("listener %s: TCP beyond loopback is served with TLS only: set the authority, certificate and key files, or listen on a unix socket or 127.0.0.1", l.Addr()))
		}
	}
	return errors.Join(faults...)
}

// isLocal says whether only this machine can reach an address: a unix socket, an in-memory listener, or loopback.
func isLocal(address net.Addr) bool {
	return !isTCP(address) || identity.Loopback(address.String())
}

func isTCP(address net.Addr) bool { return strings.HasPrefix(address.Network(), "tcp") }

// stopServer lets calls under way end, and cuts off those that do not.
func stopServer(server *grpc.Server) {
	cut := time.AfterFunc(stopGrace, server.Stop)
	defer cut.Stop()
	server.GracefulStop()
}

// serverOptions bound what one peer can cost. grpc-go's own defaults accept any number of streams, headers of 16 MiB and
// connections that say nothing for two minutes, and send a bandwidth ping for each sample at one a second.
func (a *Agent) serverOptions() []grpc.ServerOption {
	const window = 64 << 10 // bytes; the least that grpc-go takes
	return []grpc.ServerOption{
		grpc.Creds(newByListener(a.config.Credentials)),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.ReadBufferSize(0),
		grpc.WriteBufferSize(2 << 10),
		grpc.MaxConcurrentStreams(32),
		grpc.MaxRecvMsgSize(64 << 10),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idle, Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WaitForHandlers(true),
	}
}

// byListener secures TCP and leaves unix sockets, and loopback without credentials, as they are. Where a peer has to
// prove who it is, only so many may be at it at once; the others are closed before they cost more than the attempt.
type byListener struct {
	plain  credentials.TransportCredentials
	secure credentials.TransportCredentials // nil: none
	room   chan struct{}
}

func newByListener(secure credentials.TransportCredentials) byListener {
	return byListener{plain: insecure.NewCredentials(), secure: secure, room: make(chan struct{}, strangers)}
}

func (c byListener) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if c.secure == nil || !isTCP(conn.LocalAddr()) {
		return c.plain.ServerHandshake(conn)
	}
	select {
	case c.room <- struct{}{}:
		defer func() { <-c.room }()
		return c.secure.ServerHandshake(conn)
	default:
		return nil, nil, fmt.Errorf("%d connections are in their handshake already", strangers)
	}
}

func (c byListener) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a server's")
}

func (c byListener) Info() credentials.ProtocolInfo {
	if c.secure != nil {
		return c.secure.Info()
	}
	return c.plain.Info()
}

func (c byListener) Clone() credentials.TransportCredentials { return c }
func (c byListener) OverrideServerName(string) error         { return nil }
