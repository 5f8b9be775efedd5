package sim

import (
	"testing"
	"time"
)

func TestCurrentsAddUp(t *testing.T) {
	c := newCase(t, Config{})
	supply := c.Supply()
	// 3.2 fixed, 0.1 the fan, two Pi 4B and three 3B+ at a load of 0.02.
	idle := 3.2 + 0.1 + 2*(0.6+0.02*0.65) + 3*(0.5+0.02*0.84)
	near(t, "idle", supply.Amps(), idle, 1e-9)
	near(t, "committed", supply.CommittedAmps(), 5.1+2*1.25+3*1.34, 1e-9)
	for _, b := range c.Boards() {
		must(t, b.SetLoad(1))
	}
	near(t, "full", supply.Amps(), 3.2+0.1+2*1.25+3*1.34, 1e-9)
	if supply.Volts() < 4.9 || supply.LimitAmps() != 15 {
		t.Errorf("%v V of a supply with %v A", supply.Volts(), supply.LimitAmps())
	}

	must(t, c.Board("worker-2").PowerOff())
	c.Step(time.Minute)
	near(t, "halted", supply.Amps(), 3.2+0.1+2*1.25+2*1.34+0.1, 1e-9)
	must(t, c.Rail("worker-2").Set(false))
	near(t, "cut", supply.Amps(), 3.2+0.1+2*1.25+2*1.34, 1e-9)
	near(t, "committed after the cut", supply.CommittedAmps(), 5.1+2*1.25+2*1.34, 1e-9)

	must(t, c.Rail("worker-2").Set(true))
	near(t, "inrush", supply.Amps(), 3.2+0.1+2*1.25+2*1.34+1.2+2, 1e-9)
	c.Step(200 * time.Millisecond)
	near(t, "booting", supply.Amps(), 3.2+0.1+2*1.25+2*1.34+1.2, 1e-9)
	near(t, "committed while booting", supply.CommittedAmps(), 5.1+2*1.25+2*1.34+1.2, 1e-9)
}

func TestUnderVoltageWhenTheSumExceedsTheLimit(t *testing.T) {
	cfg := Config{Supply: SupplyConfig{LimitAmps: 9}}
	c := newCase(t, cfg)
	c.Step(10 * time.Second)
	for _, b := range c.Boards() {
		if w := word(t, b); w != 0 {
			t.Errorf("idle, %s reports %#x", b.Name(), w)
		}
		must(t, b.SetLoad(1)) // 9.82 A in all
	}
	c.Step(100 * time.Millisecond)
	for _, b := range c.Boards() {
		if w := word(t, b); w != 0x50005 {
			t.Errorf("over the limit, %s reports %#x", b.Name(), w)
		}
		if hz := b.ClockHertz(); hz != 600e6 {
			t.Errorf("over the limit, %s runs at %d Hz", b.Name(), hz)
		}
		must(t, b.SetLoad(0.1))
	}
	c.Step(2 * time.Second)
	for _, b := range c.Boards() {
		if w := word(t, b); w != 0x50000 {
			t.Errorf("after it, %s reports %#x", b.Name(), w)
		}
	}
}

// Four workers started at once pull the supply down; two seconds apart they do
// not.
func TestStartingTogetherSagsTheSupply(t *testing.T) {
	start := func(stagger time.Duration) uint32 {
		cfg := Pico5()
		for i := range cfg.Boards[1:] {
			cfg.Boards[i+1].StartsOff = true
		}
		c := newCase(t, cfg)
		for _, b := range c.Boards()[1:] {
			must(t, c.Rail(b.Name()).Set(true))
			c.Step(stagger)
		}
		c.Step(time.Minute)
		return word(t, c.Board("master"))
	}
	if w := start(0); w != 0x50000 {
		t.Errorf("started together, the master reports %#x", w)
	}
	if w := start(2 * time.Second); w != 0 {
		t.Errorf("started one by one, the master reports %#x", w)
	}
}

func TestSupplySag(t *testing.T) {
	c := newCase(t, Config{})
	must(t, c.Fault(Fault{Kind: FaultSupplySag}))
	c.Step(time.Second)
	if w := word(t, c.Board("worker-4")); w != 0x50005 || c.Supply().Volts() >= 4.63 {
		t.Errorf("%#x at %v V", w, c.Supply().Volts())
	}
	must(t, c.Fault(Fault{Kind: FaultSupplySag, Value: 0.1}))
	c.Step(time.Second)
	if w := word(t, c.Board("worker-4")); w != 0x50000 {
		t.Errorf("%#x at %v V", w, c.Supply().Volts())
	}
}

// The inrush of several boards at once shows on those that run already, each of
// which reports it; of one board at a time it does not.
func TestASagShowsOnTheNeighbours(t *testing.T) {
	for stagger, want := range map[time.Duration]uint32{0: 0x50005, time.Second: 0} {
		cfg := Pico5()
		cfg.Supply.LimitAmps = 12
		for i := range cfg.Boards[2:] {
			cfg.Boards[i+2].StartsOff = true
		}
		c := newCase(t, cfg)
		must(t, c.Board("worker-1").SetLoad(0.5))
		var flags uint32
		for _, name := range []string{"worker-2", "worker-3", "worker-4"} {
			must(t, c.Rail(name).Set(true))
			for range stagger / tick {
				c.Step(tick)
				flags |= word(t, c.Board("master")) & word(t, c.Board("worker-1"))
			}
		}
		c.Step(tick)
		flags |= word(t, c.Board("master")) & word(t, c.Board("worker-1"))
		if flags != want {
			t.Errorf("%v apart, both neighbours report %#x, want %#x", stagger, flags, want)
		}
		c.Step(2 * time.Second)
		if now := word(t, c.Board("worker-1")) & 0xf; now != 0 {
			t.Errorf("two seconds later worker-1 still reports %#x", now)
		}
	}
}
