package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// board is a board whose every part a test can move, break and hang.
type board struct {
	mu       sync.Mutex
	sensors  []Sensor
	values   map[string]float64
	failures map[string]error
	hung     map[string]chan struct{} // a read of it returns when the channel is closed
	slow     map[string]time.Duration
	reads    map[string]int
	reading  int // reads under way, hung ones included
	word     uint32
	known    uint32
	wordErr  error
	source   string
}

func newBoard() *board {
	return &board{
		sensors: []Sensor{
			{Name: "cpu-thermal", Kind: SoCTemperature, Source: "/sys/class/thermal/thermal_zone0/temp", LimitCelsius: 90},
			{Name: "nvme/Composite", Kind: DriveTemperature, Source: "/sys/class/hwmon/hwmon1/temp1_input"},
			{Name: "cpu-clock", Kind: CPUClock, Source: "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"},
			{Name: "eth0", Kind: LinkSpeed, Source: "/sys/class/net/eth0/speed"},
		},
		values:   map[string]float64{"cpu-thermal": 45, "nvme/Composite": 38, "cpu-clock": 600e6, "eth0": 1000},
		failures: map[string]error{},
		hung:     map[string]chan struct{}{},
		slow:     map[string]time.Duration{},
		reads:    map[string]int{},
		known:    0xf000f,
		source:   "/dev/vcio_gencmd",
	}
}

func (b *board) Sensors() []Sensor {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sensors
}

func (b *board) Read(i int) (float64, error) {
	b.mu.Lock()
	name := b.sensors[i].Name
	b.reads[name]++
	b.mu.Unlock()
	defer b.hang(name)()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values[name], b.failures[name]
}

func (b *board) Word() (word, known uint32, err error) {
	defer b.hang("word")()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.word, b.known, b.wordErr
}

func (b *board) Source() string { return b.source }

// hang blocks for as long as the named read hangs, and counts the reads under way until the returned call.
func (b *board) hang(name string) (done func()) {
	b.mu.Lock()
	b.reading++
	gate, slow := b.hung[name], b.slow[name]
	b.mu.Unlock()
	time.Sleep(slow)
	if gate != nil {
		<-gate
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.reading--
	}
}

// set changes the board between two samples.
func (b *board) set(change func(*board)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// rig is an agent that serves a board to a client, in a bubble.
type rig struct {
	*testing.T
	*board
	agent  *Agent
	client agentv1.AgentServiceClient
	dial   func() agentv1.AgentServiceClient // another connection: one carries at most 32 streams
	stop   func()                            // ends Serve and waits for it; also called at the end of the test
}

// start runs an agent over the board inside the test's bubble. It has taken its first sample when start returns.
func start(t *testing.T, b *board, change func(*Config)) *rig {
	t.Helper()
	cfg := Config{Name: "worker-1", Version: "test", BootID: "boot-1", Thermal: b, Throttle: b}
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- a.Serve(ctx, listener) }()
	connect := func() agentv1.AgentServiceClient {
		conn := dial(t, listener)
		t.Cleanup(func() { conn.Close() })
		return agentv1.NewAgentServiceClient(conn)
	}
	r := &rig{T: t, board: b, agent: a, client: connect(), dial: connect}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(r.stop)
	synctest.Wait()
	return r
}

func dial(t *testing.T, listener *bufconn.Listener) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///agent",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// watch opens a stream that ends with the test.
func (r *rig) watch(deadBand float32) agentv1.AgentService_WatchClient {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r.Cleanup(cancel)
	stream, err := r.client.Watch(ctx, &agentv1.WatchRequest{DeadBandCelsius: deadBand})
	if err != nil {
		r.Fatal(err)
	}
	return stream
}

// receive gives the next message.
func (r *rig) receive(stream agentv1.AgentService_WatchClient) *agentv1.WatchResponse {
	r.Helper()
	m, err := stream.Recv()
	if err != nil {
		r.Fatalf("receive: %v", err)
	}
	return m
}

// node asks for the whole state.
func (r *rig) node() *agentv1.GetNodeResponse {
	r.Helper()
	response, err := r.client.GetNode(context.Background(), &agentv1.GetNodeRequest{})
	if err != nil {
		r.Fatal(err)
	}
	return response
}

// celsius is what a message says of a sensor; ok tells whether it says a temperature.
func celsius(readings []*agentv1.Reading, id uint32) (value float32, failure string, ok bool) {
	for _, reading := range readings {
		if reading.GetSensorId() == id {
			_, ok = reading.GetValue().(*agentv1.Reading_Celsius)
			return reading.GetCelsius(), reading.GetError(), ok
		}
	}
	return 0, "", false
}

// drain reads until the stream ends, and returns why.
func drain(stream agentv1.AgentService_WatchClient) error {
	for {
		if _, err := stream.Recv(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// aligned sleeps to the middle between two samples, so that a change lands in the next one.
func aligned() { time.Sleep(500 * time.Millisecond) }
