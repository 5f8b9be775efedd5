package fan_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

var errWrite = errors.New("write failed")

// storm draws inputs from bytes: the same bytes are the same story.
type storm struct {
	bytes []byte
	in    fan.Input
	now   time.Time
	calm  int // events left in which only temperatures change
}

func (s *storm) done() bool { return len(s.bytes) == 0 }

func (s *storm) draw() byte {
	if s.done() {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

func (s *storm) number() float64 {
	switch b := s.draw(); b {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1)
	case 2:
		return -1e300
	case 3:
		var raw [8]byte
		for i := range raw {
			raw[i] = s.draw()
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(raw[:]))
	default:
		return float64(b) / 2
	}
}

// next changes one thing and lets some time pass.
func (s *storm) next() {
	defer func() { s.now = s.now.Add(time.Duration(s.draw()) * 10 * time.Millisecond) }()
	if s.calm > 0 {
		s.calm--
		if n := len(s.in.Nodes); n > 0 {
			s.in.Nodes[int(s.draw())%n].Celsius = 35 + float64(s.draw()%60)/2
		}
		return
	}
	switch s.draw() % 16 {
	case 0, 1:
		if len(s.in.Nodes) < 8 {
			n := worker(string('a'+rune(s.draw()%9)), s.number())
			n.Known = s.draw()%8 != 0
			s.in.Nodes = append(s.in.Nodes, n)
		}
	case 2:
		if n := len(s.in.Nodes); n > 0 {
			i := int(s.draw()) % n
			s.in.Nodes = append(s.in.Nodes[:i], s.in.Nodes[i+1:]...)
		}
	case 3:
		s.in.Tach, s.in.RPM = fan.Tach(s.draw()%3), s.number()*40
	case 4:
		s.in.WriteErr = nil
		if s.draw()%2 == 0 {
			s.in.WriteErr = errWrite
		}
	case 5:
		s.in.Override = fan.Override{Active: true, Duty: s.number() / 100, Until: s.now.Add(time.Duration(s.draw()) * time.Second)}
	case 6:
		s.now = s.now.Add(time.Duration(int8(s.draw())) * time.Hour)
	case 7, 8, 9:
		s.in.Tach, s.in.WriteErr, s.calm = fan.TachAbsent, nil, int(s.draw())
		for i := range s.in.Nodes {
			s.in.Nodes[i] = worker(s.in.Nodes[i].Node, 50)
		}
	default:
		if n := len(s.in.Nodes); n > 0 {
			s.change(&s.in.Nodes[int(s.draw())%n])
		}
	}
}

func (s *storm) change(n *fan.NodeInput) {
	switch s.draw() % 12 {
	case 0:
		n.Known = !n.Known
	case 1:
		n.Booting = !n.Booting
	case 2:
		n.Age = time.Duration(int8(s.draw())) * 50 * time.Millisecond
	case 3:
		n.SetPointCelsius = s.number()
	case 4:
		n.LimitCelsius = s.number()
	case 5:
		n.Age = 0
	default:
		n.Celsius = s.number()
	}
}

// trusted is what the fan may rely on, said again in the test's own words.
func trusted(n fan.NodeInput) bool {
	between := func(x float64) bool { return x >= -40 && x <= 125 }
	return n.Known && n.Age < 5*time.Second && n.Age > -5*time.Second && between(n.Celsius) && between(n.SetPointCelsius) && !math.IsNaN(n.LimitCelsius)
}

// checkStep holds one step against the promises.
func checkStep(t *testing.T, cfg fan.Config, in fan.Input, elapsed time.Duration, before, out fan.Output) {
	t.Helper()
	d := out.Decision
	fail := func(what string) {
		t.Helper()
		t.Fatalf("%s: %v\nmode %v, cause %v, bound %v; before %v\ninput %+v", what, d, d.Mode, d.Cause, d.Bound, before.Decision, in)
	}
	switch duty := out.Duty; {
	case !(duty == 0 && cfg.MayStop || duty >= 0.20 && duty <= 1):
		fail("duty out of range")
	case duty != d.Duty:
		fail("the decision tells another duty")
	case out.Changed != (duty != before.Duty || in.WriteErr != nil):
		fail("wrong about the change")
	case (d.Mode == fan.ModeFailSafe) != (d.Cause != fan.CauseNone):
		fail("mode and cause disagree")
	case d.Mode == fan.ModeFailSafe && duty != 1:
		fail("fail-safe is not full")
	case d.Stalled && duty != 1:
		fail("stalled and not full")
	case d.String() == "":
		fail("nothing said")
	}
	for _, x := range []float64{d.Celsius, d.ErrorCelsius, d.Proportional, d.Integral, d.Derivative, d.FeedForward, d.Unlimited, d.RPM, d.ExpectedRPM} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			fail("a term is not a number")
		}
	}
	booting := false
	for _, n := range in.Nodes {
		booting = booting || n.Booting
		if !n.Booting && (!trusted(n) || n.LimitCelsius > 0 && n.Celsius >= n.LimitCelsius) && out.Duty != 1 {
			fail("an input that is unknown or over its limit, and not full")
		}
	}
	if in.WriteErr != nil && out.Duty != 1 {
		fail("the write failed, and not full")
	}
	if booting && (out.Duty < 0.5 || out.Duty < before.Duty) {
		fail("a node boots")
	}
	// In auto on both sides the duty keeps to the slew limits: the ramp does, the
	// duty was within three resolutions of it and is within half of one. Boot and
	// kick rise at once.
	auto := d.Mode == fan.ModeAuto && before.Decision.Mode == fan.ModeAuto && before.Decision.Bound != fan.BoundKick
	seconds := min(max(elapsed, 0), 5*time.Second).Seconds()
	up := 0.08*seconds + 0.07 + 1e-9
	if auto && d.Bound != fan.BoundBootHold && d.Bound != fan.BoundKick && before.Duty > 0 && out.Duty-before.Duty > up {
		fail("rose too fast")
	}
	if auto && out.Duty > 0 && before.Duty-out.Duty > 0.005*seconds+0.07+1e-9 {
		fail("fell too fast")
	}
}

// weather runs one story and hands every decision to seen.
func weather(t *testing.T, cfg fan.Config, bytes []byte, seen func(fan.Decision)) {
	s := &storm{bytes: bytes, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	c := fan.New(cfg)
	var before fan.Output
	last := s.now
	for !s.done() {
		s.next()
		out := c.Step(s.now, s.in)
		checkStep(t, cfg, s.in, s.now.Sub(last), before, out)
		before, last = out, s.now
		seen(out.Decision)
	}
}

func TestNoStormBreaksThePromises(t *testing.T) {
	causes, bounds := map[fan.Cause]int{}, map[fan.Bound]int{}
	steps, stalled := 0, 0
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		bytes := make([]byte, 2000)
		for i := range bytes {
			bytes[i] = byte(random.Uint32())
		}
		cfg := fan.Config{MayStop: seed%2 == 0}
		if seed%3 == 0 {
			cfg.DerivativeTime, cfg.FeedForwardTime = 5*time.Second, 5*time.Second
		}
		weather(t, cfg, bytes, func(d fan.Decision) {
			causes[d.Cause]++
			bounds[d.Bound]++
			steps++
			if d.Stalled {
				stalled++
			}
		})
	}
	t.Logf("%d steps, %d stalled; causes %v; bounds %v", steps, stalled, causes, bounds)
	// A storm that never comes to a rule says nothing about it.
	for c := fan.CauseNone; c <= fan.CauseInputUnknown; c++ {
		if causes[c] == 0 && c != fan.CauseConfiguration {
			t.Errorf("no storm came to cause %v", c)
		}
	}
	for b := fan.BoundNone; b <= fan.BoundKick; b++ {
		if bounds[b] == 0 {
			t.Errorf("no storm came to bound %v", b)
		}
	}
}

func FuzzStep(f *testing.F) {
	f.Add(true, []byte{0, 1, 80, 20, 0, 2, 90, 100, 7, 0, 6, 120, 100})
	f.Add(false, []byte{0, 4, 90, 100, 7, 0, 1, 100, 5, 60, 200, 100, 6, 200, 100, 3, 1, 0, 100, 100})
	f.Fuzz(func(t *testing.T, mayStop bool, bytes []byte) {
		if len(bytes) > 1<<14 {
			return
		}
		weather(t, fan.Config{MayStop: mayStop}, bytes, func(fan.Decision) {})
	})
}

func TestStepAllocatesNothing(t *testing.T) {
	b := newBench(t, fan.Config{MayStop: true, DerivativeTime: time.Second}, worker("a", 50), worker("b", 52), worker("c", 54), worker("d", 56), worker("e", 51))
	b.rpm = lagging(1.5, 0)
	b.run(time.Minute)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		b.node(i % 5).Celsius = 45 + float64(i%23)
		b.node(2).Known = i%50 != 0
		b.node(3).Booting = i%70 > 60
		b.in.Override.Active = i%90 > 80
		b.now = b.now.Add(b.every)
		b.fan.Step(b.now, b.in)
	}); n != 0 {
		t.Errorf("%v allocations a step, want none", n)
	}
}

func BenchmarkStep(b *testing.B) {
	in := fan.Input{Tach: fan.TachReading, RPM: 3000}
	for _, name := range []string{"master", "worker-1", "worker-2", "worker-3", "worker-4"} {
		in.Nodes = append(in.Nodes, worker(name, 50), worker(name, 45))
		in.Nodes[len(in.Nodes)-1].Sensor = "nvme"
	}
	c, now := fan.New(fan.Config{}), time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		in.Nodes[i%10].Celsius = 45 + float64(i%20)
		now = now.Add(time.Second)
		c.Step(now, in)
	}
}
