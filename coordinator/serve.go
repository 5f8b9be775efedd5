package coordinator

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/doorway"
)

const (
	// handshakeTimeout and strangers bound what costs us memory before a peer has proved anything. gRPC's own are two
	// minutes and any number.
	handshakeTimeout = 10 * time.Second
	strangers        = 128
	// connections is how many may be open at once over all listeners, and idle how long one may be without a call.
	connections = 256
	idle        = 5 * time.Minute
	// streamLimit is for each connection.
	streamLimit = 32
	// farewell is how long calls under way may take when Run ends.
	farewell = time.Second
)

// listenerError ends Run.
type listenerError struct{ error }

func (e *listenerError) Unwrap() error { return e.error }

// serve starts the API on all listeners. ready says that it really serves. The server is nil without listeners.
func (c *Coordinator) serve(started *sync.WaitGroup, cancel context.CancelCauseFunc) (server *api, ready func()) {
	if len(c.cfg.Listeners) == 0 {
		return nil, nil
	}
	server = &api{health: health.NewServer()}
	names := []string{"", coordinatorv1.CoordinatorService_ServiceDesc.ServiceName}
	for _, name := range names {
		server.health.SetServingStatus(name, healthv1.HealthCheckResponse_NOT_SERVING)
	}
	room := make(chan struct{}, strangers)
	door := doorway.New(connections, func(at net.Addr) {
		c.logger.Warn("connection turned away", "address", at.String(), "reason",
			fmt.Sprintf("%d are open, as many as there may be: look for a client that opens them and calls nothing", connections))
	})
	for _, l := range c.cfg.Listeners {
		tls := c.cfg.ServerCredentials
		if l.Addr().Network() == "unix" {
			tls = nil // who may open the socket is the file system's affair
		}
		s := c.newServer(tls, server.health)
		server.servers = append(server.servers, s)
		started.Go(func() {
			if err := s.Serve(&porch{Listener: door.Listener(recognising{l}), room: room}); err != nil {
				cancel(&listenerError{fmt.Errorf("listener %s: %w", l.Addr(), err)})
			}
		})
	}
	return server, func() {
		for _, name := range names {
			server.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
		}
	}
}

// api is everything that is served.
type api struct {
	health  *health.Server
	servers []*grpc.Server
}

func (c *Coordinator) newServer(tls credentials.TransportCredentials, health healthv1.HealthServer) *grpc.Server {
	options := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(streamLimit),
		grpc.MaxRecvMsgSize(messageLimit),
		grpc.MaxHeaderListSize(headerLimit),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idle, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.ReadBufferSize(0),
		grpc.WriteBufferSize(writeBuffer),
		grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (_ any, err error) {
			defer c.guard()
			err = errPanic // stands if the handler does not return
			return handle(ctx, request)
		}),
		grpc.StreamInterceptor(func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
			defer c.guard()
			err = errPanic
			return handle(service, stream)
		}),
	}
	if tls != nil {
		options = append(options, grpc.Creds(tls))
	}
	s := grpc.NewServer(options...)
	c.Register(s)
	healthv1.RegisterHealthServer(s, health)
	reflection.Register(s)
	channelz.RegisterChannelzServiceToServer(s)
	return s
}

// stop ends the API: subscriptions have ended, calls under way may finish, and then it is over.
func (a *api) stop() {
	if a == nil {
		return
	}
	a.health.Shutdown()
	var stopping sync.WaitGroup
	for _, s := range a.servers {
		end := time.AfterFunc(farewell, s.Stop)
		stopping.Go(func() {
			s.GracefulStop()
			end.Stop()
		})
	}
	stopping.Wait()
}

// porch admits a bounded number of connections that have not finished their handshake, and closes the others at once.
type porch struct {
	net.Listener
	room chan struct{}
}

func (p *porch) Accept() (net.Conn, error) {
	for {
		conn, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case p.room <- struct{}{}:
			return &stranger{Conn: conn, leave: sync.OnceFunc(func() { <-p.room })}, nil
		default:
			conn.Close()
		}
	}
}

// stranger is a connection on the porch. gRPC sets a deadline for the handshake, and lifts it when that is done.
type stranger struct {
	net.Conn
	leave func()
}

func (s *stranger) SetDeadline(at time.Time) error {
	if at.IsZero() {
		s.leave()
	}
	return s.Conn.SetDeadline(at)
}

func (s *stranger) Close() error {
	s.leave()
	return s.Conn.Close()
}
