package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/credentials"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/identity"
)

// Config is a case and what it is attached to. The zero value is a case without nodes and fans, and works.
type Config struct {
	// Core names the nodes and fans and says how they are treated.
	Core core.Config
	// Hardware is what the fans and rails of Core are attached to.
	Hardware Hardware
	// Dial connects to a node's address. Default: "unix:PATH" and a TCP host with a port.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Credentials are for dialling nodes, by name. A node without is dialled in plain text, and then its address must
	// not leave this machine: New refuses it otherwise, also with a Dial of your own.
	Credentials map[string]credentials.TransportCredentials
	// Listeners are served until Run ends, which closes them: the coordinator's API with health, reflection and
	// channelz. None is for use as a library alone.
	Listeners []net.Listener
	// ServerCredentials are for all Listeners but unix sockets. Without, New refuses a TCP listener that is not on
	// loopback.
	ServerCredentials credentials.TransportCredentials
	// Clock reads this machine's boot identifier and CLOCK_BOOTTIME, so that deadlines in the Store outlast the coordinator.
	// Nil: each run counts as a new boot.
	Clock func() power.Instant
	// Alive is called by the control loop after each complete tick, once a second: feed a watchdog with it. It must not
	// block. Nil is none.
	Alive func()
	// Logger gets one line for each change of state. Nil is silent.
	Logger hclog.Logger
}

// Hardware are the ports of a case, by the names in core.Config.
type Hardware struct {
	// Fans has one port for each fan.
	Fans map[string]Fan
	// Rails has one port for each node with a rail.
	Rails map[string]Rail
	// DoneLines has one port for each node with a done line.
	DoneLines map[string]DoneLine
	// Store is the memory that outlasts the coordinator. Nil is none: operations and proofs are forgotten with it.
	Store Store
}

// Fan is the port of one fan. Its methods are called by one goroutine, never at the same time; while one of them hangs,
// so does the control loop, Alive is not called, and a watchdog can act.
type Fan interface {
	// SetDuty sets the duty as a fraction of full drive, 0 to 1.
	SetDuty(fraction float64) error
	// RPM measures the speed. It is only called where core.FanConfig.Tach is set.
	RPM() (float64, error)
	// Safe leaves the fan so that it cools whatever happens next, mostly at full. It may be called more than once.
	Safe() error
}

// Event is one numbered thing that happened in the case.
type Event = core.Report

var (
	// ErrNotRunning is the answer to a change that is asked for before Run or after it.
	ErrNotRunning = errors.New("the coordinator does not run")
	// ErrOutput is the answer to SetFan when the fan's output does not take the duty. It is tried again every second.
	ErrOutput = errors.New("the duty is set, but the fan's output does not take it and is tried again every second")
	errTwice  = errors.New("the coordinator ran already: make a new one")
)

// Coordinator looks after one case. Make one with New and let it work with Run. All methods may be called by any number
// of goroutines.
type Coordinator struct {
	cfg    Config
	logger hclog.Logger
	links  map[string]*link
	tracks map[string]*track
	saves  chan core.Store // to be kept; one at the most
	inbox  chan letter
	ran    atomic.Bool
	done   chan struct{} // closed when Run is about to return
	room   chan struct{} // one place for each subscriber of the API
	panics chan string   // of other goroutines than the control loop

	duties map[string]float64 // last written, by fan; the control loop's
	fresh  map[string]bool    // written in this tick; the control loop's

	tickets atomic.Uint64         // given to what people ask
	waiting map[uint64]chan reply // for the core's answer, by ticket; the control loop's

	mu      sync.Mutex // guards what follows; never held during I/O
	core    *core.Core
	started time.Time
	events  ring
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// letter is what other goroutines send to the control loop.
type letter struct {
	event    core.Event
	received time.Time
	answer   chan error // of a SetFan; nil otherwise
	ticket   uint64     // of another wish; 0 otherwise
	reply    chan reply // for that ticket
}

// New checks a Config and prepares a coordinator; it starts nothing. The error joins every fault, each with what is
// allowed or what to do.
func New(cfg Config) (*Coordinator, error) {
	now := time.Now()
	made, err := core.New(cfg.Core, now)
	if err := errors.Join(err, cfg.attached(), cfg.protected()); err != nil {
		return nil, err
	}
	c := &Coordinator{
		cfg: cfg, logger: cfg.Logger, links: map[string]*link{}, inbox: make(chan letter), done: make(chan struct{}),
		room: make(chan struct{}, subscribers), panics: make(chan string, 1), duties: map[string]float64{}, fresh: map[string]bool{}, core: made, started: now,
		tracks: map[string]*track{}, saves: make(chan core.Store, 1), waiting: map[uint64]chan reply{},
	}
	if c.logger == nil {
		c.logger = hclog.NewNullLogger()
	}
	if c.cfg.Dial == nil {
		c.cfg.Dial = dial
	}
	for _, n := range cfg.Core.Nodes {
		c.links[n.Name] = &link{node: n, attempts: make(chan time.Duration, 1), asks: make(chan ask, askRoom)}
	}
	for node, port := range cfg.Hardware.Rails {
		c.tracks[node] = &track{node: node, port: port, sets: make(chan bool, setRoom)}
	}
	return c, nil
}

// attached finds fans and rails without a port, and ports without a fan or a rail.
func (cfg *Config) attached() error {
	var faults []error
	fans, rails, lines := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, f := range cfg.Core.Fans {
		if fans[f.Name] = true; cfg.Hardware.Fans[f.Name] == nil {
			faults = append(faults, fmt.Errorf("fan %s: Hardware.Fans has no port of that name", f.Name))
		}
	}
	for _, n := range cfg.Core.Nodes {
		if rails[n.Name] = n.Rail; n.Rail && cfg.Hardware.Rails[n.Name] == nil {
			faults = append(faults, fmt.Errorf("node %s: it has a rail, and Hardware.Rails has no port of that name", n.Name))
		}
		if lines[n.Name] = n.Power.Line; n.Power.Line && cfg.Hardware.DoneLines[n.Name] == nil {
			faults = append(faults, fmt.Errorf("node %s: it has a done line, and Hardware.DoneLines has no port of that name", n.Name))
		}
	}
	for name := range cfg.Hardware.Fans {
		if !fans[name] {
			faults = append(faults, fmt.Errorf("Hardware.Fans: %s: no fan in Core has that name", name))
		}
	}
	for name := range cfg.Hardware.Rails {
		if !rails[name] {
			faults = append(faults, fmt.Errorf("Hardware.Rails: %s: no node with a rail in Core has that name", name))
		}
	}
	for name := range cfg.Hardware.DoneLines {
		if !lines[name] {
			faults = append(faults, fmt.Errorf("Hardware.DoneLines: %s: no node with a done line in Core has that name", name))
		}
	}
	return errors.Join(faults...)
}

// protected finds listeners and addresses that would be open to a network.
func (cfg *Config) protected() error {
	var faults []error
	for _, l := range cfg.Listeners {
		if at := l.Addr(); strings.HasPrefix(at.Network(), "tcp") && cfg.ServerCredentials == nil && !identity.Loopback(at.String()) {
			faults = append(faults, fmt.Errorf("listener %s: it can be reached from the network: set ServerCredentials (authority, certificate and key), or listen on a unix socket or loopback", at))
		}
	}
	for _, n := range cfg.Core.Nodes {
		if n.Address != "" && cfg.Credentials[n.Name] == nil && !identity.Loopback(n.Address) {
			faults = append(faults, fmt.Errorf("node %s: address %s leaves this machine: set its Credentials (authority, certificate and key), or use a unix socket or loopback", n.Name, n.Address))
		}
	}
	return errors.Join(faults...)
}

// Run looks after the case until ctx ends, a listener fails or a port panics. It blocks, and has joined everything that
// it started when it returns or panics; every fan is Safe by then. The error is nil when ctx ended it and every fan is
// safe. Run works once.
func (c *Coordinator) Run(ctx context.Context) (err error) {
	if !c.ran.CompareAndSwap(false, true) {
		return errTwice
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var started sync.WaitGroup
	var server *api
	// In this order, from the last to the first, also while panicking: the fans cannot wait for anything else.
	defer started.Wait()
	defer func() { server.stop() }()
	defer close(c.done)
	defer cancel(nil)
	defer func() { err = errors.Join(err, c.safe()) }()

	if err := c.begin(time.Now()); err != nil {
		return err
	}
	for _, l := range c.links {
		started.Go(func() { c.follow(ctx, l) })
		started.Go(func() { c.converse(ctx, l) })
	}
	for _, t := range c.tracks {
		started.Go(func() { c.operate(ctx, t) })
	}
	started.Go(func() { c.save(ctx) })
	for node, line := range c.cfg.Hardware.DoneLines {
		started.Go(func() { c.listen(ctx, node, line) })
	}
	var ready func()
	server, ready = c.serve(&started, cancel)
	return c.control(ctx, ready)
}

// begin starts the case's time anew, from what the store keeps: silence counts from Run on, not from New.
func (c *Coordinator) begin(now time.Time) error {
	fresh, err := c.remember(now)
	if err != nil {
		return fmt.Errorf("what the last coordinator left behind: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started, c.core = now, fresh
	return nil
}

// safe puts every fan into its safe state, whatever the others do.
func (c *Coordinator) safe() error {
	var faults []error
	for _, f := range c.cfg.Core.Fans {
		if err := rescue(c.cfg.Hardware.Fans[f.Name].Safe); err != nil {
			faults = append(faults, fmt.Errorf("fan %s: it could not be left safe: %w", f.Name, err))
		}
	}
	return errors.Join(faults...)
}

func rescue(safe func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return safe()
}

// Nodes returns every node, in the configuration's order. The slices inside are shared: do not change them.
func (c *Coordinator) Nodes() []core.NodeView {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Nodes(0)
}

// Fans returns every fan, in the configuration's order.
func (c *Coordinator) Fans() []core.FanView {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Fans(0)
}

// Fan returns one fan; the empty name means the only one. The error is a core.ErrNotFound or core.ErrInvalid.
func (c *Coordinator) Fan(name string) (core.FanView, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Fan(name)
}

// Alarms returns what is wrong now, oldest first.
func (c *Coordinator) Alarms() []core.Alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Alarms()
}

// SetFan holds a duty for a while, or gives the fan back, and returns the fan as it is then. The empty name means the
// only fan. The error is a core.ErrNotFound, core.ErrInvalid or core.ErrReadOnly when it was refused and nothing changed,
// ErrNotRunning, or that of ctx. With an ErrOutput it was accepted, and the fan's output did not take the duty yet.
func (c *Coordinator) SetFan(ctx context.Context, name string, setting core.FanSetting) (core.FanView, error) {
	if !c.ran.Load() {
		return core.FanView{}, ErrNotRunning
	}
	answer := make(chan error, 1)
	select {
	case c.inbox <- letter{event: core.SetFan{Fan: name, FanSetting: setting}, received: time.Now(), answer: answer}:
	case <-c.done:
		return core.FanView{}, ErrNotRunning
	case <-ctx.Done():
		return core.FanView{}, ctx.Err()
	}
	select {
	case err := <-answer:
		if err != nil {
			return core.FanView{}, err
		}
		f, err := c.Fan(name)
		if err == nil && f.WriteError != "" {
			err = fmt.Errorf("fan %s: %w (%s): check its wiring and its driver", f.Name, ErrOutput, f.WriteError)
		}
		return f, err
	case <-c.done:
		return core.FanView{}, ErrNotRunning
	case <-ctx.Done():
		return core.FanView{}, ctx.Err()
	}
}
