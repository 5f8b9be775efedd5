package fan_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

// The plant is five boards under one fan: two Pi 4B and three 3B+. Each board
// has a fast mode (the chip) and a slow one (the board), fitted to the step
// responses of github.com/sjchiass/pitemp and the settled temperatures of
// github.com/renaudallard/pi_fan. What no source gives is assumed: the 3B+ at
// 0.92 of a Pi 4, the share of heat when idle, one fan for five boards, its lag.
type plant struct {
	room, resistance float64 // room in Celsius; 1 is one board in free air
	rpm              float64
	boards           [5]board
	random           *rand.Rand
}

type board struct {
	name          string
	model3        bool
	fast, slow    float64
	reading, step float64
	burst         float64 // load while in bursts
	burstLeft     int
}

func newPlant(room, resistance float64, seed uint64) *plant {
	p := &plant{room: room, resistance: resistance, rpm: speed(1), random: rand.New(rand.NewPCG(seed, 1))}
	for i := range p.boards {
		b := &p.boards[i]
		b.name = [...]string{"master", "worker-1", "worker-2", "worker-3", "worker-4"}[i]
		b.model3, b.step, b.slow = i >= 2, 0.487, 20
		if b.model3 {
			b.step = 0.538
		}
		p.read(b)
	}
	return p
}

// speed is the reference fan's: idle slope below 20 %, loaded slope above.
func speed(duty float64) float64 {
	switch percent := 100 * duty; {
	case percent < 7:
		return 0
	case percent < 10:
		return 410
	case percent < 20:
		return 410 + 68*(percent-10)
	default:
		return 53.1*percent + 102
	}
}

func (p *plant) step(second int, duty float64) {
	p.rpm += (speed(duty) - p.rpm) * (1 - math.Exp(-1/1.5))
	air := p.resistance * (13.1 + 22.2*math.Pow(max(p.rpm, 350)/1000, -0.85))
	for i := range p.boards {
		b := &p.boards[i]
		load, gain := p.load(second, i), 1.0
		if b.model3 {
			gain = 0.92
			if p.celsius(b) >= 60 {
				load *= 0.8
			}
		}
		if over := p.celsius(b) - 80; over > 0 {
			load *= max(0, 1-over/5)
		}
		b.fast += (gain*7.5*load - b.fast) * (1 - math.Exp(-1/3.2))
		b.slow += (gain*air*(0.4+0.6*load) - b.slow) * (1 - math.Exp(-1/(2.5*air)))
		p.read(b)
	}
}

func (p *plant) celsius(b *board) float64 { return p.room + b.fast + b.slow }

func (p *plant) read(b *board) {
	b.reading = math.Round((p.celsius(b)+0.2*p.random.NormFloat64())/b.step) * b.step
}

// load is the reference of three hours: idle, one board full, all full, idle,
// and bursts of each board's own.
func (p *plant) load(second, i int) float64 {
	b := &p.boards[i]
	switch minute := second / 60; {
	case minute < 30, minute >= 90 && minute < 120:
		return 0.02
	case minute < 60:
		if i == 3 {
			return 1
		}
		return 0.02
	case minute < 90:
		return 1
	}
	if b.burstLeft--; b.burstLeft < 0 {
		b.burst = [...]float64{0.02, 0.02, 0.25, 0.6, 1}[p.random.IntN(5)]
		b.burstLeft = 20 + p.random.IntN(161)
	}
	return b.burst
}

func (p *plant) inputs(in []fan.NodeInput) []fan.NodeInput {
	in = in[:0]
	for i := range p.boards {
		b := &p.boards[i]
		limit := 80.0
		if b.model3 {
			limit = 60
		}
		in = append(in, fan.NodeInput{Node: b.name, Sensor: "cpu", Celsius: b.reading, SetPointCelsius: 55, LimitCelsius: limit, Known: true})
	}
	return in
}

// score is one row of the reference table: the first minute is not counted, and
// a duty change counts from 1 %.
type score struct {
	most, meanDuty   float64
	over, overLimit  int // seconds: a 3B+ at 60 or more; any board at its limit
	changes, moved   float64
	failSafe, stalls int
}

func reference(t *testing.T, cfg fan.Config, room, resistance float64, seed uint64) score {
	const seconds = 3 * 60 * 60
	p, c := newPlant(room, resistance, seed), fan.New(cfg)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var s score
	var in []fan.NodeInput
	duty := 1.0
	for second := range seconds {
		in = p.inputs(in)
		out := c.Step(start.Add(time.Duration(second)*time.Second), fan.Input{Nodes: in, Tach: fan.TachReading, RPM: p.rpm})
		checkDuty(t, out)
		if second >= 60 {
			s.count(p, out, duty)
		}
		duty = out.Duty
		p.step(second, duty)
	}
	s.meanDuty /= seconds - 60
	s.changes /= 3
	s.moved /= 3
	return s
}

func (s *score) count(p *plant, out fan.Output, before float64) {
	for i := range p.boards {
		b := &p.boards[i]
		s.most = max(s.most, b.reading)
		if b.model3 && b.reading >= 60 {
			s.over++
		}
		if b.reading >= 80 || b.model3 && b.reading >= 60 {
			s.overLimit++
		}
	}
	s.meanDuty += 100 * out.Duty
	if move := 100 * math.Abs(out.Duty-before); move >= 1-1e-9 {
		s.changes++
		s.moved += move
	}
	if out.Decision.Mode == fan.ModeFailSafe {
		s.failSafe++
	}
	if out.Decision.Stalled {
		s.stalls++
	}
}

func checkDuty(t *testing.T, out fan.Output) {
	t.Helper()
	if d := out.Duty; !(d == 0 || d >= 0.20 && d <= 1) {
		t.Fatalf("duty %v is neither 0 nor between the minimum and 1: %v", d, out.Decision)
	}
}

func TestReferencePlants(t *testing.T) {
	for _, plant := range []struct {
		name             string
		room, resistance float64
	}{{"easy", 22, 1}, {"hard", 26, 1.35}} {
		t.Run(plant.name, func(t *testing.T) {
			t.Log("plant |      most | 3B+ >= 60 C | mean duty | changes |     moved |  (the first minute is not counted)")
			for seed := range uint64(5) {
				s := reference(t, fan.Config{}, plant.room, plant.resistance, seed)
				t.Logf("%-5s | %7.1f C | %9d s | %7.1f %% | %5.0f/h | %5.0f %%/h", plant.name, s.most, s.over, s.meanDuty, s.changes, s.moved)
				if s.over > 0 || s.overLimit > 0 {
					t.Errorf("seed %d: %d s with a 3B+ at or over 60 C, %d s with a board at its limit; want none", seed, s.over, s.overLimit)
				}
				if s.failSafe > 0 || s.stalls > 0 {
					t.Errorf("seed %d: %d s in fail-safe and %d s stalled in a healthy case; want none", seed, s.failSafe, s.stalls)
				}
			}
		})
	}
}
