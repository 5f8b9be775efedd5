package core_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/fan"
)

// world is what a core sees: agents that sample once a second, links, fans and rails, and a shell that does as the core
// says. It is driven by hand and has no goroutine.
type world struct {
	cfg    core.Config
	core   *core.Core
	base   time.Time // with a monotonic reading
	at     time.Duration
	wall   time.Duration // by which the wall clock is off
	tick   time.Duration // the next control tick
	agents []*agent
	fans   []*fanPort
	out    func(at time.Duration, line string)
	heed   func(core.Event, []core.Effect) // sees every step; may be nil
	check  func()                          // after each control tick; may be nil

	timers    []timer
	disk      *disk // nil: nothing is remembered
	verbose   bool  // says what is written
	kill      func(place string) bool
	dead      bool // the coordinator was killed
	lost      int  // file systems
	excesses  int  // of the supply
	unwritten int  // acts that were not on disk
	answers   map[uint64]core.Answer
}

type agent struct {
	name      string
	calls     string // itself so, if not by its name
	up, dark  bool   // the process serves; the link swallows
	boot      string
	heardBoot string
	celsius   []float64 // of each sensor; NaN is a failure
	sensors   []core.Sensor
	limit     float64
	next      time.Duration // sample
	dial      time.Duration // under way until then; 0 when none is
	open      bool
	hung      bool // a dial or stream that neither speaks nor ends
	sequence  uint64
	samples   uint64
	flags     []core.FlagState
	edges     []core.FlagEdge
	notices   []core.ShutdownNotice
	announced core.ShutdownKind
	rail      string // "", "on", "off", "error", "unseen"
	railErr   error
	board
}

type fanPort struct {
	name              string
	duty              float64
	stalled           bool
	tachErr, writeErr error
}

func newWorld(cfg core.Config, out func(time.Duration, string)) *world {
	w := &world{cfg: cfg, base: time.Now(), out: out, answers: map[uint64]core.Answer{}}
	for i, n := range cfg.Nodes {
		w.agents = append(w.agents, &agent{
			name: n.Name, boot: "1", celsius: []float64{45}, limit: 80,
			sensors: []core.Sensor{{ID: 1, Name: "cpu-thermal", Kind: core.SensorSoC}},
			next:    time.Duration(i+1) * 100 * time.Millisecond,
			board:   board{wire: n.Name, bootFor: 20 * time.Second, stopFor: 6 * time.Second},
		})
	}
	for _, f := range cfg.Fans {
		w.fans = append(w.fans, &fanPort{name: f.Name})
	}
	return w
}

func (w *world) start() error {
	if w.disk != nil {
		return w.open("master/1")
	}
	var err error
	if w.core, err = core.New(w.cfg, w.now()); err == nil {
		w.lines()
	}
	return err
}

// now is the time of the core: a monotonic reading that only grows, and a wall clock that may jump. Go offers no other
// way to make such a time than to write into one: see the layout in package time.
func (w *world) now() time.Time {
	t := w.base.Add(w.at)
	if w.wall == 0 {
		return t
	}
	layout := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	layout.wall += uint64(int64(w.wall/time.Second)) << 30
	return t
}

// run moves time, and everything that is due in it.
func (w *world) run(d time.Duration) {
	for end := w.at + d; ; {
		next, do := w.earliest()
		if next > end {
			w.at = end
			return
		}
		w.at = max(w.at, next)
		do()
	}
}

func (w *world) earliest() (time.Duration, func()) {
	at, do := w.tick, w.control
	// A tick at the same moment comes after all else, as a shell would have it.
	sooner := func(t time.Duration, f func()) {
		if t <= at {
			at, do = t, f
		}
	}
	if !w.dead {
		sooner(w.core.Next().Sub(w.base), func() { w.step(core.Wake{}) })
	}
	for _, a := range w.agents {
		sooner(a.next, func() { w.sample(a) })
		if a.dial > 0 {
			sooner(a.dial, func() { w.answer(a) })
		}
	}
	for i := len(w.timers) - 1; i >= 0; i-- {
		sooner(w.timers[i].at, func() {
			do := w.timers[i].do
			w.timers = slices.Delete(w.timers, i, i+1)
			do()
		})
	}
	return at, do
}

func (w *world) control() {
	w.tick += core.Interval
	for _, f := range w.fans {
		rpm := fan.DefaultCurve().Expected(f.duty)
		if f.stalled {
			rpm = 0
		}
		w.step(core.FanMeasured{Fan: f.name, RPM: rpm, Err: f.tachErr})
	}
	for _, a := range w.agents {
		switch a.rail {
		case "on", "off":
			w.step(core.RailObserved{Node: a.name, On: a.rail == "on"})
		case "error":
			w.step(core.RailObserved{Node: a.name, Err: errors.New("no such device")})
		case "unseen":
			w.step(core.RailObserved{Node: a.name, Err: fmt.Errorf("rails are not read: %w", errors.ErrUnsupported)})
		}
	}
	w.step(core.Tick{})
	if w.check != nil {
		w.check()
	}
}

// answer is what a dialled agent does.
func (w *world) answer(a *agent) {
	a.dial = 0
	switch {
	case a.dark:
		a.hung = true
	case !a.up:
		w.step(core.StreamClosed{Node: a.name, Reason: "connection refused"})
	default:
		a.open, a.sequence = true, 0
		w.step(core.StreamOpened{Node: a.name})
		w.speak(a)
	}
}

func (w *world) sample(a *agent) {
	a.next += time.Second
	a.samples++
	if a.open && a.up && !a.dark {
		w.speak(a)
	}
}

func (w *world) speak(a *agent) {
	a.sequence++
	m := core.Message{Sequence: a.sequence, Sample: a.samples, Age: w.at - (a.next - time.Second)}
	if m.Age > time.Second {
		m.Age = 0 // it was not up at the time of that sample
	}
	if a.sequence == 1 {
		m.Info = &core.NodeInfo{Name: cmp.Or(a.calls, a.name), BootID: a.boot, Sensors: a.sensors, Board: core.Board{LimitCelsius: a.limit}, DoneSignal: a.signal}
		m.Age = 0
		if a.announced != core.ShutdownUnspecified {
			a.notices = []core.ShutdownNotice{{Kind: a.announced}}
		}
	}
	for i, s := range a.sensors {
		r := core.Reading{SensorID: s.ID, Celsius: a.celsius[i]}
		if a.celsius[i] != a.celsius[i] {
			r.Celsius, r.Error = 0, "input/output error"
		}
		m.Readings = append(m.Readings, r)
	}
	m.Throttling = &core.Throttling{Source: 1, Flags: a.flags}
	m.Edges, a.edges = a.edges, nil
	m.Notices, a.notices = a.notices, nil
	w.step(core.NodeMessage{Node: a.name, Message: m})
}

// end closes a node's stream from its side.
func (w *world) end(a *agent, reason string) {
	if a.open && !a.dark {
		a.open = false
		w.step(core.StreamClosed{Node: a.name, Reason: reason})
	}
}

// step is the shell: it does what the core says, and says what it did.
func (w *world) step(ev core.Event) {
	if w.dead {
		return
	}
	effects := slices.Clone(w.core.Step(w.now(), ev))
	if w.heed != nil {
		w.heed(ev, effects)
	}
	for _, e := range effects {
		if p, ok := e.(core.Publish); ok {
			w.out(w.at, fmt.Sprintf("#%d %s: %s", p.Report.Number, p.Report.Kind, p.Report.Message))
		}
	}
	for _, e := range effects {
		if w.dead {
			return
		}
		switch e := e.(type) {
		case core.Connect:
			w.agent(e.Node).dial = w.at + max(e.After, 1)
		case core.Disconnect:
			w.out(w.at, fmt.Sprintf("disconnect %s: %s", e.Node, e.Reason))
			a := w.agent(e.Node)
			a.open, a.hung, a.dial = false, false, 0
			w.step(core.StreamClosed{Node: e.Node, Reason: "cancelled"})
		case core.WriteDuty:
			f := w.fan(e.Fan)
			if f.writeErr == nil {
				f.duty = e.Fraction
			}
			w.out(w.at, fmt.Sprintf("write %s %.0f %%", e.Fan, 100*e.Fraction))
			w.step(core.FanWritten{Fan: e.Fan, Err: f.writeErr})
		case core.Refuse:
			w.out(w.at, "refused: "+e.Err.Error())
		default:
			w.carryOut(e)
		}
	}
}

func (w *world) agent(name string) *agent {
	i := slices.IndexFunc(w.agents, func(a *agent) bool { return a.name == name })
	return w.agents[i]
}

func (w *world) fan(name string) *fanPort {
	i := slices.IndexFunc(w.fans, func(f *fanPort) bool { return f.name == name })
	return w.fans[i]
}

// five is the case of the documentation: five nodes around one fan with a tach.
func five() core.Config {
	cfg := core.Config{Fans: []core.FanConfig{{Name: "main", Tach: true}}}
	for name := range strings.FieldsSeq("master worker-1 worker-2 worker-3 worker-4") {
		cfg.Nodes = append(cfg.Nodes, core.NodeConfig{Name: name, Address: name + ":7700"})
	}
	return cfg
}

func TestWallClockOfWorldJumps(t *testing.T) {
	w := newWorld(core.Config{}, nil)
	before := w.now()
	w.at, w.wall = time.Second, -10*365*24*time.Hour
	after := w.now()
	if got := after.Sub(before); got != time.Second {
		t.Errorf("the monotonic clock moved by %s, want 1 s", got)
	}
	if got := after.Round(0).Sub(before.Round(0)); cmp.Compare(got, w.wall) <= 0 || got > w.wall+2*time.Second {
		t.Errorf("the wall clock moved by %s, want about %s", got, w.wall)
	}
}
