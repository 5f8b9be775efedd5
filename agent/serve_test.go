package agent

import (
	"context"
	"errors"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

func TestNewReportsEveryFault(t *testing.T) {
	_, err := New(Config{
		Name:     "worker 1",
		Interval: time.Hour, PowerOffHold: -time.Second,
		Capabilities: []Capability{
			{Kind: 11, State: Available}, {Kind: LightCapability, State: 0}, {Kind: LightCapability, State: Failed},
		},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`name: "worker 1"`, "interval: 1h0m0s", "power-off hold: -1s", "capabilities[0].kind: 11", "capabilities[1].state: 0", "capabilities[2].kind: 5 is listed twice"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 {
		t.Errorf("%d faults:\n%v", n, err)
	}
}

func TestNumbersAreTheContracts(t *testing.T) {
	for kind, want := range map[SensorKind]string{SoCTemperature: "SOC_TEMPERATURE", DriveTemperature: "DRIVE_TEMPERATURE",
		OtherTemperature: "OTHER_TEMPERATURE", CPUClock: "CPU_CLOCK", LinkSpeed: "LINK_SPEED"} {
		if got := agentv1.SensorKind(kind).String(); got != "SENSOR_KIND_"+want {
			t.Errorf("%d is %s, want %s", kind, got, want)
		}
	}
	for kind, want := range map[CapabilityKind]string{TemperatureCapability: "TEMPERATURE", ThrottlingCapability: "THROTTLING",
		CPUClockCapability: "CPU_CLOCK", LinkSpeedCapability: "LINK_SPEED", LightCapability: "LIGHT", ShutdownNoticeCapability: "SHUTDOWN_NOTICE",
		PowerOffCapability: "POWER_OFF", DoneSignalCapability: "DONE_SIGNAL"} {
		if got := agentv1.CapabilityKind(kind).String(); got != "CAPABILITY_KIND_"+want {
			t.Errorf("%d is %s, want %s", kind, got, want)
		}
	}
	for mechanism, want := range map[DoneMechanism]string{0: "UNSPECIFIED", DoneByOverlay: "OVERLAY", DoneByHelper: "HELPER"} {
		if got := agentv1.DoneMechanism(mechanism).String(); got != "DONE_MECHANISM_"+want {
			t.Errorf("%d is %s, want %s", mechanism, got, want)
		}
	}
	for state, want := range map[CapabilityState]string{Available: "AVAILABLE", Unsupported: "UNSUPPORTED", Failed: "FAILED"} {
		if got := agentv1.CapabilityState(state).String(); got != "CAPABILITY_STATE_"+want {
			t.Errorf("%d is %s, want %s", state, got, want)
		}
	}
	for kind, want := range map[string]string{"poweroff": "POWER_OFF", "reboot": "REBOOT", "cancelled": "CANCELLED", "": "UNSPECIFIED"} {
		if got := shutdownToWire(notice{shutdown: parseShutdown(kind)}, time.Time{}).GetKind().String(); got != "SHUTDOWN_KIND_"+want {
			t.Errorf("%q is %s, want %s", kind, got, want)
		}
	}
}

func TestSamplesKeepToTheGrid(t *testing.T) {
	start := time.Unix(0, 0)
	for _, c := range []struct{ late, want time.Duration }{
		{0, time.Second},
		{999 * time.Millisecond, time.Second},
		{time.Second, 2 * time.Second},
		{90*time.Second + 300*time.Millisecond, 91 * time.Second},
	} {
		if got := following(start, start.Add(c.late), time.Second); got != start.Add(c.want) {
			t.Errorf("%v late: next at %v, want %v", c.late, got.Sub(start), c.want)
		}
	}
}

// TestSteadySampleDoesNotAllocate counts every allocation of the process while samples are taken with a subscriber
// that has yet to wake up.
func TestSteadySampleDoesNotAllocate(t *testing.T) {
	b := &steady{sensors: manySensors(8).sensors}
	a, err := New(Config{Thermal: b, Throttle: b, StatePath: filepath.Join(t.TempDir(), "flags.json")})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := a.state.subscribe()
	if err != nil {
		t.Fatal(err)
	}
	defer a.state.unsubscribe(sub)
	a.sample()
	if n := testing.AllocsPerRun(1000, a.sample); n != 0 {
		t.Errorf("%v allocations a sample", n)
	}
	a.reader.close(t.Context())
}

// steady is a board whose every temperature moves with every sample, and that allocates nothing itself.
type steady struct {
	sensors []Sensor
	celsius float64
}

func (b *steady) Sensors() []Sensor { return b.sensors }

func (b *steady) Read(int) (float64, error) {
	b.celsius++
	return math.Mod(b.celsius, 90), nil
}

func (b *steady) Word() (word, known uint32, err error) { return 0x50000, 0xf000f, nil }
func (b *steady) Source() string                        { return "/dev/vcio_gencmd" }

func TestServerRefusesTheNetworkWithoutTLS(t *testing.T) {
	a, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for address, ok := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.IPv4zero, Port: 7700}:          false,
		&net.TCPAddr{IP: net.IPv6unspecified, Port: 7700}:   false,
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}:   false,
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}:   true,
		&net.TCPAddr{IP: net.IPv6loopback, Port: 1}:         true,
		&net.UnixAddr{Net: "unix", Name: "/run/agent.sock"}: true,
	} {
		l := &closedListener{address: address}
		err := a.mayServe([]net.Listener{l})
		if (err == nil) != ok {
			t.Errorf("%v: %v", address, err)
		}
		if err == nil {
			continue
		}
		if err := a.Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "authority") || a.running.Load() {
			t.Errorf("Serve on %v: %v, running: %v", address, err, a.running.Load())
		}
	}
}

// closedListener has an address and nothing behind it.
type closedListener struct{ address net.Addr }

func (l *closedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l *closedListener) Close() error              { return nil }
func (l *closedListener) Addr() net.Addr            { return l.address }

func TestServeEndsWithItsListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		l := &closedListener{address: &net.UnixAddr{Net: "unix", Name: "/run/agent.sock"}}
		if err := a.Serve(t.Context(), l, bufconn.Listen(1024)); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "/run/agent.sock") {
			t.Errorf("Serve: %v", err)
		}
		if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "New") {
			t.Errorf("a second run: %v", err)
		}
	})
}

// TestRunInAServerOfTheCallers registers the agent beside whatever else a program serves.
func TestRunInAServerOfTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		var alive atomic.Int32
		a, err := New(Config{Thermal: b, Alive: func() { alive.Add(1) }, Interval: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		server, listener := grpc.NewServer(), bufconn.Listen(1024)
		a.Register(server)
		go server.Serve(listener)
		defer server.Stop()
		conn := dial(t, listener)
		defer conn.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- a.Run(ctx) }()
		stream, err := agentv1.NewAgentServiceClient(conn).Watch(t.Context(), &agentv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := alive.Load(); n != 10 {
			t.Errorf("alive %d times in ten samples", n)
		}
		begun := time.Now()
		cancel()
		if err := drain(stream); status.Code(err) != codes.Unavailable || time.Since(begun) != 0 {
			t.Errorf("the stream ended after %v with %v", time.Since(begun), err)
		}
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestHealthAndReflection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		listener := bufconn.Listen(1 << 16)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- a.Serve(ctx, listener) }()
		conn := dial(t, listener)
		synctest.Wait()
		answer, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "bramble.agent.v1.AgentService"})
		if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health: %v, %v", answer, err)
		}
		stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
			t.Fatal(err)
		}
		list, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range list.GetListServicesResponse().GetService() {
			names = append(names, s.GetName())
		}
		for _, want := range []string{"bramble.agent.v1.AgentService", "grpc.health.v1.Health", "grpc.channelz.v1.Channelz", "grpc.reflection.v1.ServerReflection"} {
			if !strings.Contains(strings.Join(names, " "), want) {
				t.Errorf("%s is not served: %v", want, names)
			}
		}
		// A call that never ends of itself, as this reflection stream, holds the stop up for its grace and no longer.
		begun := time.Now()
		cancel()
		if err := <-served; err != nil || time.Since(begun) > stopGrace {
			t.Errorf("Serve: %v after %v", err, time.Since(begun))
		}
		conn.Close()
	})
}

// TestOnePeerIsBounded sends what a default server would take.
func TestOnePeerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		large := metadata.AppendToOutgoingContext(t.Context(), "x-large", strings.Repeat("x", 20<<10))
		if _, err := r.client.GetNode(large, &agentv1.GetNodeRequest{}); err == nil {
			t.Error("headers of 20 KiB are taken")
		}
		for range 32 {
			r.receive(r.watch(0))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.client.GetNode(ctx, &agentv1.GetNodeRequest{}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a 33rd call on one connection: %v", err)
		}
		if _, err := r.dial().GetNode(t.Context(), &agentv1.GetNodeRequest{}); err != nil {
			t.Errorf("on another connection: %v", err)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		entered := 0
		var last error
		for range 70 {
			if _, last = r.dial().GetNode(t.Context(), &agentv1.GetNodeRequest{}); last == nil {
				entered++
			}
		}
		if entered != connections || status.Code(last) != codes.Unavailable {
			t.Errorf("%d of 70 connections are served, want %d; the last says %v", entered, connections, last)
		}
		time.Sleep(idle + time.Minute)
		if _, err := r.dial().GetNode(t.Context(), &agentv1.GetNodeRequest{}); err != nil {
			t.Errorf("when the others have been idle for %v: %v", idle, err)
		}
	})
}

func TestCredentialsByListener(t *testing.T) {
	tls := &handshakes{TransportCredentials: insecure.NewCredentials(), begun: make(chan struct{}), end: make(chan struct{})}
	tcp := tcpConn{}
	if _, _, err := newByListener(nil).ServerHandshake(tcp); err != nil {
		t.Errorf("TCP without credentials: %v", err)
	}
	c := newByListener(tls)
	local, peer := net.Pipe()
	defer local.Close()
	defer peer.Close()
	if _, _, err := c.ServerHandshake(local); err != nil {
		t.Errorf("a connection within the machine: %v", err)
	}
	var wg sync.WaitGroup
	for range strangers {
		wg.Go(func() {
			if _, _, err := c.ServerHandshake(tcp); err != nil {
				t.Errorf("within the limit: %v", err)
			}
		})
		<-tls.begun
	}
	if _, _, err := c.ServerHandshake(tcp); err == nil || !strings.Contains(err.Error(), "32") {
		t.Errorf("one stranger too many: %v", err)
	}
	if _, _, err := c.ServerHandshake(local); err != nil {
		t.Errorf("a connection within the machine meanwhile: %v", err)
	}
	close(tls.end)
	wg.Wait()
	go func() { <-tls.begun }()
	if _, _, err := c.ServerHandshake(tcp); err != nil {
		t.Errorf("after they have gone: %v", err)
	}
}

// tcpConn is a connection of which only the address matters.
type tcpConn struct{ net.Conn }

func (tcpConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7700} }

// handshakes are credentials whose handshakes take until end is closed.
type handshakes struct {
	credentials.TransportCredentials
	begun, end chan struct{}
}

func (h *handshakes) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	h.begun <- struct{}{}
	<-h.end
	return conn, nil, nil
}
