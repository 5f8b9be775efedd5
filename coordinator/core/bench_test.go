package core_test

import (
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
)

// second is what a coordinator of five nodes does in one second of steady life.
type second struct {
	core *core.Core
	now  time.Time
	said []core.NodeMessage
	seen []core.Event // of the rails
}

func newSecond(t testing.TB) *second {
	s := &second{now: time.Now()}
	var err error
	cfg := five()
	for i := range cfg.Nodes[1:] {
		cfg.Nodes[i+1].Power = power.Config{Rail: power.RailLine, Line: true, TrustWiring: true}
	}
	if s.core, err = core.Open(cfg, s.now, power.Instant{BootID: "1"}, nil, ""); err != nil {
		t.Fatal(err)
	}
	s.core.Step(s.now, core.Wake{})
	for _, n := range five().Nodes {
		info := &core.NodeInfo{Name: n.Name, BootID: "1", Board: core.Board{LimitCelsius: 80}, Sensors: []core.Sensor{
			{ID: 1, Name: "cpu-thermal", Kind: core.SensorSoC}, {ID: 2, Name: "nvme", Kind: core.SensorDrive, LimitCelsius: 80},
			{ID: 3, Name: "cpu", Kind: core.SensorClock}, {ID: 4, Name: "eth0", Kind: core.SensorLink},
		}}
		m := core.Message{Sequence: 1, Info: info, Readings: []core.Reading{{SensorID: 1, Celsius: 54.2}, {SensorID: 2, Celsius: 41}, {SensorID: 3, Hertz: 6e8}, {SensorID: 4, MegabitsPerSecond: 1000}}}
		s.core.Step(s.now, core.StreamOpened{Node: n.Name})
		s.core.Step(s.now, core.NodeMessage{Node: n.Name, Message: m})
		s.seen = append(s.seen, core.RailObserved{Node: n.Name, On: true})
		s.core.Step(s.now, core.LineObserved{Node: n.Name})
		s.said = append(s.said, core.NodeMessage{Node: n.Name, Message: core.Message{Sequence: 1, Readings: m.Readings}})
	}
	for range 600 {
		s.pass()
	}
	return s
}

func (s *second) pass() {
	s.now = s.now.Add(time.Second)
	for i := range s.said {
		m := &s.said[i].Message
		m.Sequence++
		m.Readings[0].Celsius = 54.5 - m.Readings[0].Celsius + 54 // so that it moves
		s.step(s.said[i])
	}
	for _, ev := range s.seen {
		s.step(ev)
	}
	s.step(core.FanMeasured{Fan: "main", RPM: 3000})
	s.step(core.Tick{})
}

// step is the shell, as far as a steady second has need of one.
func (s *second) step(ev core.Event) {
	for _, e := range s.core.Step(s.now, ev) {
		switch e := e.(type) {
		case core.WriteDuty:
			s.core.Step(s.now, core.FanWritten{Fan: e.Fan})
			return
		case core.Store:
			s.core.Step(s.now, core.Stored{Number: e.Number})
			return
		}
	}
}

func TestSteadySecondAllocatesNothing(t *testing.T) {
	s := newSecond(t)
	if n := testing.AllocsPerRun(1000, s.pass); n != 0 {
		t.Errorf("a second of five nodes in steady state makes %g allocations, want 0", n)
	}
}

func BenchmarkSecond(b *testing.B) {
	s := newSecond(b)
	b.ReportAllocs()
	for b.Loop() {
		s.pass()
	}
}

// An hour in which nothing happens writes nothing: cards wear.
func TestIdleHourWritesNothing(t *testing.T) {
	c := newClient(small())
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.run(11 * time.Minute)
	before := c.disk.writes
	c.run(time.Hour)
	if n := c.disk.writes - before; n != 0 {
		t.Errorf("%d writes in an idle hour, want 0\n%s", n, c.log.String())
	}
	// A link that flaps all the time is told of in the log, which is not worth more than a write in ten minutes.
	before = c.disk.writes
	for range 180 {
		c.end(c.agents[0], "it flaps")
		c.agents[0].up = false
		c.run(10 * time.Second)
		c.agents[0].up = true
		c.run(10 * time.Second)
	}
	if n := c.disk.writes - before; n > 7 {
		t.Errorf("%d writes in an hour of a flapping link, want at most 7", n)
	}
}
