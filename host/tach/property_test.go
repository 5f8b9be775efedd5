package tach

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// stream is a tachometer wire in a bad cable duct, over two seconds.
type stream struct {
	rpm      float64
	uneven   float64       // share of a turn by which the second magnet is off
	jitter   time.Duration // standard deviation of a stamp
	bounces  float64       // chance of a bounce within 0.4 ms of an edge
	coupled  float64       // chance of a pulse anywhere in an interval
	overflow float64       // share of the edges that a full queue lost, in runs
}

type stamped struct {
	at      time.Duration
	genuine bool
}

// edges makes the wire's edges in order, then numbers them and loses whole runs of them.
func (s stream) edges(random *rand.Rand) (seen []edge) {
	turn := 2 * interval(s.rpm, 2)
	var all []stamped
	for at := time.Duration(0); at < 2*time.Second; at += turn {
		for _, magnet := range []time.Duration{0, time.Duration(float64(turn) * (0.5 + s.uneven))} {
			pulse := at + magnet + time.Duration(random.NormFloat64()*float64(s.jitter))
			all = append(all, stamped{max(pulse, 0), true})
			if random.Float64() < s.bounces {
				all = append(all, stamped{max(pulse, 0) + time.Duration(random.Int64N(int64(400*time.Microsecond))), false})
			}
			if random.Float64() < s.coupled {
				all = append(all, stamped{max(pulse, 0) + time.Duration(random.Int64N(int64(turn/2))), false})
			}
		}
	}
	slices.SortFunc(all, func(a, b stamped) int { return int(a.at - b.at) })

	first := random.Uint32()
	for i := 0; i < len(all); i++ {
		if run := 1 + random.IntN(24); random.Float64() < s.overflow/12 {
			i += run
			continue
		}
		seen = append(seen, edge{all[i].at, first + uint32(i)})
	}
	return seen
}

// Every seed is another fan, cable and load of the machine. None may be read more than 2 % off.
func TestAccuracy(t *testing.T) {
	cases := []struct {
		name   string
		draw   func(*rand.Rand) stream
		within float64
	}{
		{"full speed, clean", func(r *rand.Rand) stream {
			return stream{rpm: 5300, jitter: 20 * time.Microsecond}
		}, 0.002},
		{"full speed, jitter and uneven magnets", func(r *rand.Rand) stream {
			return stream{rpm: 5300, uneven: 0.1 * r.Float64(), jitter: 150 * time.Microsecond}
		}, 0.01},
		{"full speed, lost edges", func(r *rand.Rand) stream {
			return stream{rpm: 5300, jitter: 50 * time.Microsecond, overflow: 0.5 * r.Float64()}
		}, 0.005},
		{"full speed, bounces", func(r *rand.Rand) stream {
			return stream{rpm: 5300, jitter: 50 * time.Microsecond, bounces: r.Float64()}
		}, 0.01},
		{"full speed, coupled pulses", func(r *rand.Rand) stream {
			return stream{rpm: 5300, jitter: 50 * time.Microsecond, coupled: 0.15 * r.Float64()}
		}, 0.015},
		{"any speed, everything at once", func(r *rand.Rand) stream {
			return stream{rpm: 900 + 5000*r.Float64(), uneven: 0.05 * r.Float64(), jitter: 60 * time.Microsecond,
				bounces: 0.2 * r.Float64(), coupled: 0.06 * r.Float64(), overflow: 0.3 * r.Float64()}
		}, 0.02},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			worst := 0.0
			for seed := range uint64(200) {
				random := rand.New(rand.NewPCG(seed, 0))
				s := c.draw(random)
				e := mustNew(t, Config{})
				seen := s.edges(random)
				for _, edge := range seen {
					e.Edge(edge.sequence, edge.at)
				}
				rpm, err := e.RPM(seen[len(seen)-1].at)
				if err != nil {
					t.Fatalf("seed %d: %+v: %v", seed, s, err)
				}
				off := math.Abs(rpm-s.rpm) / s.rpm
				worst = max(worst, off)
				if off > c.within {
					t.Errorf("seed %d: %+v reads %.0f rpm, %.2f %% off", seed, s, rpm, off*100)
				}
			}
			t.Logf("worst of 200: %.2f %%", worst*100)
		})
	}
}

// FuzzEstimator drives the estimator with any stream at all: a reading is a speed that the fan
// can have or an error, and silence is a standstill.
func FuzzEstimator(f *testing.F) {
	f.Add([]byte{1, 6, 0, 1, 6, 0, 1, 6, 0}, uint16(0))
	f.Add([]byte{1, 0, 0, 1, 0, 0, 255, 255, 255, 0, 0, 0, 128, 1, 200}, uint16(900))
	f.Fuzz(func(t *testing.T, data []byte, wait uint16) {
		e := mustNew(t, Config{})
		var sequence uint32
		var at time.Duration
		for ; len(data) >= 3; data = data[3:] {
			sequence += uint32(int8(data[0]))
			at += time.Duration(data[1])*time.Millisecond + time.Duration(data[2])*time.Microsecond
			if data[1] == 255 {
				at -= 400 * time.Millisecond
			}
			e.Edge(sequence, at)
			e.Noisy()
			if rpm, err := e.RPM(at + time.Duration(wait)*time.Millisecond); err == nil && !(rpm >= 0 && rpm <= 15_000) {
				t.Fatalf("%v rpm", rpm)
			}
		}
		if rpm, err := e.RPM(at + StandstillAfter); err != nil || rpm != 0 {
			t.Fatalf("after a second of silence: %v rpm, %v", rpm, err)
		}
	})
}
