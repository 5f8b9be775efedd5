package power

import (
	"flag"
	"hash/maphash"
	"math/rand/v2"
	"slices"
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

var (
	depth = flag.Int("depth", usualDepth, "how many events after each step of the story are explored in every order")
	walks = flag.Uint64("walks", usualWalks, "how many random walks are taken")
)

// story is a stop and a start in which all goes well. Whatever else can happen is tried after each of its steps.
var story = []string{
	"a person wants it stopped", "the disk takes a record", "the disk takes a record", "its agent accepts", "the disk takes a record",
	"it shuts down to the end", "time passes", "time passes", "the disk takes a record", "time passes", "the disk takes a record",
	"the rail answers", "time passes", "time passes", "the disk takes a record",
	"a person wants it started", "the disk takes a record", "the disk takes a record", "time passes", "the rail answers", "its agent comes up",
}

// TestEveryOrderOfEvents explores what can happen to a worker: after each step of the story every choice after every other,
// to a depth. Trials that look the same from now on are followed once.
func TestEveryOrderOfEvents(t *testing.T) {
	for _, c := range []struct {
		name string
		sig  Signal
		wire wire
	}{{"overlay", overlay, honest}, {"helper", helper, honest}, {"a line that is stuck high", helper, stuckHigh}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen, total := map[uint64]int{}, 0
			first := begun(wiredUp, c.sig, c.wire)
			for i := range len(story) + 1 {
				states, wrong := explore(first, *depth, seen)
				if wrong != nil {
					t.Fatalf("%s\n%s", wrong.wrong, strings.Join(wrong.log, "\n"))
				}
				total += states
				if i == len(story) {
					break
				}
				next := called(story[i])
				if next.may(first) {
					first.log = append(first.log, next.name)
					next.do(first)
				} else if c.wire == honest {
					t.Fatalf("%q cannot happen in %v", next.name, first.m.State())
				}
			}
			if c.wire == honest && first.m.State() != StateReady {
				t.Errorf("the story ends in %v", first.m.State())
			}
			t.Logf("%d different states within %d events of each step of the story", total, *depth)
			if *depth >= 4 && total < 5000 && c.wire == honest {
				t.Errorf("only %d states: the exploration does not reach far", total)
			}
		})
	}
}

var mark = maphash.MakeSeed()

// explore is breadth first, so that what it finds is as short as can be. seen holds how deep the search went on from each
// state that was met before.
func explore(first *trial, depth int, seen map[uint64]int) (states int, wrong *trial) {
	level := []*trial{first}
	for left := depth; left > 0; left-- {
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
					return states, c
				}
				k := maphash.Bytes(mark, c.key())
				went, met := seen[k]
				if !met {
					states++
				}
				if !met || went < left {
					seen[k] = left
					next = append(next, c)
				}
			}
		}
		level = next
	}
	return states, nil
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
		flag(r.Task.Asked, r.Task.Accepted, r.SeenLow, r.HighAtBoot, r.Noisy, r.LowBefore, r.Doubted, r.Latch != nil, r.Since.BootID == t.clock().BootID)
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
	number(m.line.unheard.rises, m.line.counted.rises, int(m.still/time.Second))
	flag(m.line.unheard.long, m.line.counted.long)
	age(m.stood, m.agent.since, m.line.unheard.from, m.line.counted.from)
	age(m.line.proof.edges[:]...)
	return b
}

// TestLongWalks lets workers of every kind go through hundreds of random things each, and holds that no row of the table
// is dead: together they take each of them.
func TestLongWalks(t *testing.T) {
	taken, rows := make([]int, len(table)), slices.Clone(table[:])
	for i := range rows {
		do := rows[i].do
		rows[i].do = func(m *Machine) {
			taken[i]++
			if do != nil {
				do(m)
			}
		}
	}
	ends := 0
	for seed := range *walks {
		w := walk(seed, rows, false)
		ends += len(w.over)
		if w.wrong != "" {
			w = walk(seed, table[:], true)
			t.Fatalf("seed %d: %s\n%s", seed, w.wrong, tail(w.log, 60))
		}
	}
	for i, n := range taken {
		if n == 0 && *walks >= 1200 {
			t.Errorf("never taken: %q in %v", table[i].when, table[i].from)
		}
	}
	t.Logf("%d walks, %d operations ended", *walks, ends)
}

func tail(log []string, n int) string { return strings.Join(log[max(0, len(log)-n):], "\n") }

// walk is one worker's life, the same for the same seed.
func walk(seed uint64, rows []row, trace bool) *trial {
	r := rand.New(rand.NewPCG(seed, 4))
	pick := func(n int) bool { return r.IntN(n) == 0 }
	cfg := Config{Node: "worker-2", Rail: RailLine, Line: true, TrustWiring: !pick(3), CutWhenHalted: pick(2)}
	switch r.IntN(8) {
	case 0:
		cfg.Rail, cfg.Line = RailNone, !pick(3)
	case 1:
		cfg.Rail = RailCommand
	case 2:
		cfg.Line = false
	case 3:
		cfg.CutStuckAfter, cfg.FenceLostAfter = time.Minute, 5*time.Minute
	}
	sig := []Signal{overlay, overlay, helper, helper, helper, {}, {Mechanism: MechanismHelper, Error: "bramble-done is not installed"}}[r.IntN(7)]
	t := newTrial(cfg, sig, []wire{honest, honest, honest, honest, honest, honest, stuckLow, stuckHigh}[r.IntN(8)])
	t.rows, t.trace = rows, trace
	t.start(0)
	chaos := []int{2, 4, 8, 20, 50}[r.IntN(5)]
	for range 250 {
		c := t.goesOn(pick(2), r.IntN(12))
		if i := r.IntN(len(choices) + len(more)); pick(chaos) && i < len(choices) {
			c = &choices[i]
		} else if i >= len(choices) && pick(chaos) {
			c = &more[i-len(choices)]
		}
		if !c.may(t) {
			continue
		}
		if trace {
			t.log = append(t.log, c.name)
		}
		c.do(t)
		if t.wrong != "" {
			break
		}
	}
	return t
}

// goesOn is what would happen next if all went well.
func (t *trial) goesOn(wait bool, die int) *choice {
	name := "time passes"
	switch {
	case t.m == nil && die > 9 && t.disk != nil && t.disk.Latch != nil:
		name = "the wiring is not trusted any more"
	case t.m == nil && die > 7 && t.disk != nil && t.disk.Latch != nil:
		name = "its line rises again before a coordinator that starts"
	case t.m == nil && die < 3:
		name = []string{"the master restarts", "the coordinator starts a minute later", "the wiring is not trusted any more"}[die]
	case t.m == nil:
		name = "the coordinator starts"
	case len(t.writing) > 0:
		name = "the disk takes a record"
	case t.m.State() == StateReady && die == 1 && !wait:
		name = "a person wants it restarted"
	case in(StateProven, StateRebooting).has(t.m.State()) && die == 0:
		name = "the coordinator is killed"
	case t.ask.operation != "" && die < 2:
		name = "its agent accepts, and the connection breaks"
	case t.phase == stopsReboot && t.agent && die < 4:
		name = "it restarts, and nobody notices the break"
	case t.phase == stopsOff && t.agent && die == 0:
		name = "somebody types reboot after a power-off"
	case t.unwritten:
		name = "the rail answers"
	case wait:
	case t.ask.operation != "":
		name = "its agent accepts"
	case t.phase == boot:
		name = "its agent comes up"
	case t.phase == stopsOff:
		name = "it shuts down to the end"
	case t.phase == stopsReboot:
		name = "it restarts"
	case t.m.State() == StateReady:
		name = "a person wants it stopped"
	case t.m.State() == StateOff:
		name = "a person wants it started"
	}
	return called(name)
}

// called is the choice of that name.
func called(name string) *choice {
	for _, list := range [][]choice{choices, more} {
		for i := range list {
			if list[i].name == name {
				return &list[i]
			}
		}
	}
	panic("no choice is called " + name)
}
