package power

import (
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// begun is a trial whose node is up and whose machine has seen that.
func begun(cfg Config, sig Signal, w wire) *trial {
	t := newTrial(cfg, sig, w)
	t.start(0)
	t.pass(time.Second)
	t.speak()
	for len(t.writing) > 0 {
		t.toDisk()
	}
	return t
}

var (
	overlay = Signal{Mechanism: MechanismOverlay}
	helper  = Signal{Mechanism: MechanismHelper}
	wiredUp = Config{Node: "worker-2", Rail: RailLine, Line: true, TrustWiring: true, CutWhenHalted: true}
)

// TestEveryOrderOfEvents explores what can happen to a worker that is up: every choice after every other, to a depth.
// Trials that look the same from now on are followed once.
func TestEveryOrderOfEvents(t *testing.T) {
	depth := 7
	if testing.Short() {
		depth = 6
	}
	for _, c := range []struct {
		name string
		cfg  Config
		sig  Signal
		wire wire
	}{
		{"overlay", wiredUp, overlay, honest},
		{"helper", wiredUp, helper, honest},
		{"stuck high", wiredUp, helper, stuckHigh},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			states, wrong := explore(begun(c.cfg, c.sig, c.wire), depth)
			if wrong != nil {
				t.Fatalf("%s\n%s", wrong.wrong, strings.Join(wrong.log, "\n"))
			}
			t.Logf("%d different states to a depth of %d", states, depth)
			if !testing.Short() && states < 5000 {
				t.Errorf("only %d states: the exploration does not reach far", states)
			}
		})
	}
}

// explore is breadth first, so that what it finds is as short as can be.
func explore(first *trial, depth int) (states int, wrong *trial) {
	seed := maphash.MakeSeed()
	seen := map[uint64]bool{maphash.Bytes(seed, first.key()): true}
	level := []*trial{first}
	for range depth {
		var next []*trial
		for _, t := range level {
			for i := range choices {
				if !choices[i].may(t) {
					continue
				}
				c := t.clone()
				c.log = append(c.log, choices[i].name)
				choices[i].do(c)
				if c.wrong != "" {
					return len(seen), c
				}
				if k := maphash.Bytes(seed, c.key()); !seen[k] {
					seen[k] = true
					next = append(next, c)
				}
			}
		}
		level = next
	}
	return len(seen), nil
}

// key is everything that can matter from now on: times as ages, boots and operations as how they stand to each other.
func (t *trial) key() []byte {
	b := make([]byte, 0, 512)
	number := func(values ...int) {
		for _, v := range values {
			b = strconv.AppendInt(append(b, ' '), int64(v), 36)
		}
	}
	flag := func(values ...bool) {
		for _, v := range values {
			b = strconv.AppendBool(b, v)
		}
	}
	age := func(times ...time.Time) {
		for _, at := range times {
			if at.IsZero() {
				b = append(b, '-')
			} else {
				number(int(min(t.now.Sub(at), 10*time.Minute) / time.Millisecond))
			}
		}
	}
	boot := func(id string) { flag(id == "", id == t.bootID()) }
	record := func(r *Record) {
		if r == nil {
			return
		}
		number(int(r.Task.Kind), int(r.Desired), int(r.Announced), int(r.Wiring), int(r.Fault), int(r.Was), int(r.Signal.Mechanism), len(r.Cut))
		flag(r.Task.Asked, r.Task.Accepted, r.SeenLow, r.HighAtBoot, r.Latch != nil, r.Since.BootID == t.clock().BootID)
		boot(r.Task.BootID)
		boot(r.BootID)
		number(int((t.clock().Boottime - r.Since.Boottime) / time.Millisecond))
		if r.Latch != nil {
			boot(r.Latch.BootID)
			number(int((t.clock().Boottime - r.Latch.At.Boottime) / time.Millisecond))
		}
	}
	number(int(t.phase), len(t.ask.operation), len(t.open), len(t.said), len(t.writing))
	flag(t.agent, t.rail, t.line, t.unwritten, t.ask.reboot, t.granted, t.alone, t.forced)
	record(t.disk)
	for i := range t.writing {
		record(&t.writing[i].Record)
	}
	m := t.m
	if m == nil {
		return b
	}
	record(&m.rec)
	number(int(m.state), int(m.number-m.stored), int(m.rail.seen), int(m.rail.want), m.rail.contrary, m.rail.tries, int(m.line.level))
	flag(m.rail.writing, m.rail.failed != nil, m.rail.granted, m.rail.moved, m.line.proof.known, m.line.proof.high, m.line.wasHigh, m.agent.alive,
		m.asked.waiting, m.asked.refused != nil, m.proved.torn)
	age(m.stage, m.observed, m.rail.written, m.rail.rise, m.rail.fall, m.line.since, m.line.proof.from, m.line.proof.ripe, m.agent.spoke, m.agent.sampled,
		m.agent.silent, m.asked.proceed, m.asked.at, m.asked.again, m.proved.at, m.proved.due, m.proved.quiet)
	age(m.line.proof.edges[:]...)
	return b
}

// TestLongWalks lets a thousand workers of every kind go through hundreds of random things each.
func TestLongWalks(t *testing.T) {
	walks := uint64(2000)
	if testing.Short() {
		walks = 200
	}
	var ends, cuts int
	for seed := range walks {
		w := walk(seed, table[:], false)
		ends += len(w.over)
		cuts += strings.Count(strings.Join(w.log, "\n"), "cutting")
		if w.wrong != "" {
			w = walk(seed, table[:], true)
			t.Fatalf("seed %d: %s\n%s", seed, w.wrong, tail(w.log, 200))
		}
	}
	t.Logf("%d operations ended", ends)
}

func tail(log []string, n int) string { return strings.Join(log[max(0, len(log)-n):], "\n") }

// walk is one worker's life, the same for the same seed.
func walk(seed uint64, rows []row, trace bool) *trial {
	r := rand.New(rand.NewPCG(seed, 4))
	pick := func(n int) bool { return r.IntN(n) == 0 }
	cfg := Config{Node: "worker-2", Rail: RailLine, Line: true, TrustWiring: !pick(3), CutWhenHalted: pick(2)}
	switch r.IntN(8) {
	case 0:
		cfg.Rail = RailNone
	case 1:
		cfg.Rail = RailCommand
	case 2:
		cfg.Line = false
	case 3:
		cfg.CutStuckAfter, cfg.FenceLostAfter = time.Minute, 5*time.Minute
	}
	sig := []Signal{overlay, helper, {}, {Mechanism: MechanismHelper, Error: "bramble-done is not installed"}}[r.IntN(8)*r.IntN(2)%4]
	t := newTrial(cfg, sig, wire(r.IntN(12)/10*(1+r.IntN(2))))
	t.rows, t.trace = rows, trace
	t.start(0)
	all := append(append([]choice(nil), choices...), more...)
	rare := len(choices) + r.IntN(len(more)+1)
	for range 400 {
		i := r.IntN(rare)
		if pick(3) {
			i = r.IntN(2) // time and disk go on
		}
		if !all[i].may(t) || i >= len(choices)-4 && i < len(choices) && t.m != nil && !pick(8) {
			continue
		}
		if trace {
			t.log = append(t.log, all[i].name)
		}
		all[i].do(t)
		if t.wrong != "" {
			break
		}
	}
	return t
}
