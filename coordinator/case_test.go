package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// testCase is a coordinator with its agents and fans in one bubble, connected by pipes.
type testCase struct {
	*coordinator.Coordinator
	t      *testing.T
	cfg    coordinator.Config
	agents map[string]*fakeAgent
	fan    *fakeFan
	api    *bufconn.Listener
	start  time.Time
	stop   func() error // ends Run and returns what it returned
}

// newCase prepares nodes of these names around one fan with a tach. Every agent is up.
func newCase(t *testing.T, names ...string) *testCase {
	tc := &testCase{t: t, agents: map[string]*fakeAgent{}, fan: &fakeFan{}, api: bufconn.Listen(64 << 10), start: time.Now()}
	tc.cfg = coordinator.Config{
		Core:      core.Config{Fans: []core.FanConfig{{Name: "main", Tach: true}}, Seed: 1},
		Hardware:  coordinator.Hardware{Fans: map[string]coordinator.Fan{"main": tc.fan}},
		Dial:      tc.dial,
		Listeners: []net.Listener{tc.api},
	}
	for _, name := range names {
		tc.cfg.Core.Nodes = append(tc.cfg.Core.Nodes, core.NodeConfig{Name: name, Address: "unix:" + name})
		a := &fakeAgent{name: name, boot: "boot-1"}
		a.celsius.Store(45)
		a.up(t)
		tc.agents["unix:"+name] = a
	}
	t.Cleanup(func() {
		for _, a := range tc.agents {
			a.down()
		}
	})
	return tc
}

// run starts the coordinator. The test's time is the bubble's from here on.
func (tc *testCase) run() {
	tc.t.Helper()
	var err error
	if tc.Coordinator, err = coordinator.New(tc.cfg); err != nil {
		tc.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tc.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tc.Run(ctx) }()
	tc.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	tc.t.Cleanup(func() {
		if err := tc.stop(); err != nil { // a test may have replaced it
			tc.t.Errorf("Run = %v, want nil", err)
		}
	})
	synctest.Wait()
}

// pass lets time pass.
func (tc *testCase) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (tc *testCase) agent(name string) *fakeAgent { return tc.agents["unix:"+name] }

func (tc *testCase) node(name string) core.NodeView {
	tc.t.Helper()
	for _, n := range tc.Nodes() {
		if n.Name == name {
			return n
		}
	}
	tc.t.Fatalf("no node %s", name)
	return core.NodeView{}
}

func (tc *testCase) duty() float64 { return tc.Fans()[0].Duty }

func (tc *testCase) alarmed(kind core.AlarmKind) bool {
	for _, a := range tc.Alarms() {
		if a.Kind == kind {
			return true
		}
	}
	return false
}

func (tc *testCase) dial(ctx context.Context, address string) (net.Conn, error) {
	a := tc.agents[address]
	a.mu.Lock()
	a.dials = append(a.dials, time.Since(tc.start))
	listener, dark := a.listener, a.dark
	a.mu.Unlock()
	switch {
	case dark:
		<-ctx.Done()
		return nil, ctx.Err()
	case listener == nil:
		return nil, errors.New("connection refused")
	}
	conn, err := listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	wire := &wire{Conn: conn}
	a.mu.Lock()
	a.wires = append(a.wires, wire)
	a.mu.Unlock()
	return wire, nil
}

// connect is a connection to the case's own API, for the length of the test.
func (tc *testCase) connect() *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:///case", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return tc.api.DialContext(ctx) }))
	if err != nil {
		tc.t.Fatal(err)
	}
	tc.t.Cleanup(func() { conn.Close() })
	return conn
}

func (tc *testCase) client() coordinatorv1.CoordinatorServiceClient {
	return coordinatorv1.NewCoordinatorServiceClient(tc.connect())
}

// wire is a connection whose link can go dark: what is sent is swallowed, nothing arrives, and no error comes.
type wire struct {
	net.Conn
	dark atomic.Bool
}

func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.Conn.Read(p)
		if err != nil || !w.dark.Load() {
			return n, err
		}
	}
}

func (w *wire) Write(p []byte) (int, error) {
	if w.dark.Load() {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// fakeAgent speaks as the contract says, once a second.
type fakeAgent struct {
	agentv1.UnimplementedAgentServiceServer
	name    string
	celsius atomic.Int64
	broken  atomic.Bool  // its sensor fails
	skip    atomic.Int32 // how much too far the next sequence number is

	signal   *agentv1.DoneSignal
	powerOff func() // what the system does once it accepted

	mu       sync.Mutex
	asked    []string // the operations of PowerOff
	boot     string
	dark     bool
	listener *bufconn.Listener
	server   *grpc.Server
	served   chan struct{}
	wires    []*wire
	dials    []time.Duration
	notices  chan agentv1.ShutdownKind
}

func (a *fakeAgent) up(t *testing.T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listener, a.server, a.served = bufconn.Listen(64<<10), grpc.NewServer(), make(chan struct{})
	a.notices = make(chan agentv1.ShutdownKind, 8)
	agentv1.RegisterAgentServiceServer(a.server, a)
	server, listener, served := a.server, a.listener, a.served
	go func() {
		defer close(served)
		if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("agent %s: %v", a.name, err)
		}
	}()
}

func (a *fakeAgent) down() {
	a.mu.Lock()
	server, served := a.server, a.served
	a.listener, a.server = nil, nil
	a.mu.Unlock()
	if server != nil {
		server.Stop()
		<-served
	}
}

// restart is a new boot.
func (a *fakeAgent) restart(t *testing.T, boot string) {
	a.down()
	a.mu.Lock()
	a.boot = boot
	a.mu.Unlock()
	a.up(t)
}

// cut pulls the cable, mend plugs it in: what was connected stays dark, as a half-open connection does.
func (a *fakeAgent) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dark = true
	for _, w := range a.wires {
		w.dark.Store(true)
	}
}

func (a *fakeAgent) mend() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dark = false
}

func (a *fakeAgent) Watch(_ *agentv1.WatchRequest, stream grpc.ServerStreamingServer[agentv1.WatchResponse]) error {
	a.mu.Lock()
	boot, notices := a.boot, a.notices
	a.mu.Unlock()
	m := &agentv1.WatchResponse{Node: &agentv1.Node{
		Name: a.name, BootId: boot, AgentVersion: "test", Board: &agentv1.Board{Model: "Raspberry Pi 4", LimitCelsius: 80},
		Sensors: []*agentv1.Sensor{
			{Id: 1, Name: "cpu-thermal", Kind: agentv1.SensorKind_SENSOR_KIND_SOC_TEMPERATURE},
			{Id: 2, Name: "eth0", Kind: agentv1.SensorKind_SENSOR_KIND_LINK_SPEED},
		},
		DoneSignal: a.signal,
	}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		m.Sequence++
		m.Sample++
		m.Sequence += uint64(a.skip.Swap(0))
		soc := &agentv1.Reading{SensorId: 1, Value: &agentv1.Reading_Celsius{Celsius: float32(a.celsius.Load())}}
		if a.broken.Load() {
			soc.Value = &agentv1.Reading_Error{Error: "input/output error"}
		}
		m.Readings = []*agentv1.Reading{soc, {SensorId: 2, Value: &agentv1.Reading_MegabitsPerSecond{MegabitsPerSecond: 1000}}}
		if err := stream.Send(m); err != nil {
			return err
		}
		m = &agentv1.WatchResponse{Sequence: m.Sequence, Sample: m.Sample}
		select {
		case <-tick.C:
		case kind := <-notices:
			m.ShutdownNotices = []*agentv1.ShutdownNotice{{Kind: kind}}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (a *fakeAgent) PowerOff(_ context.Context, r *agentv1.PowerOffRequest) (*agentv1.PowerOffResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.GetOperationId())
	if a.powerOff != nil {
		a.powerOff()
	}
	return &agentv1.PowerOffResponse{}, nil
}

// fakeFan turns as it is told.
type fakeFan struct {
	mu     sync.Mutex
	duty   float64
	writes []float64
	fails  error
	panics bool
	hangs  chan struct{} // not nil: SetDuty waits for it
	safe   int
}

func (f *fakeFan) SetDuty(fraction float64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("the port is broken")
	}
	if f.hangs != nil {
		<-f.hangs
	}
	if f.fails != nil {
		return f.fails
	}
	f.duty = fraction
	f.writes = append(f.writes, fraction)
	return nil
}

func (f *fakeFan) RPM() (float64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return 5310*f.duty + 102, nil
}

func (f *fakeFan) Safe() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.safe++
	f.duty = 1
	return nil
}

// driven is the duty at the output.
func (f *fakeFan) driven() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.duty
}

func (f *fakeFan) set(change func(*fakeFan)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func five() []string {
	names := []string{"master"}
	for i := range 4 {
		names = append(names, fmt.Sprintf("worker-%d", i+1))
	}
	return names
}
