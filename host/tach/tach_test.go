package tach

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// feed hands evenly spaced edges to the estimator and returns the stamp of the last.
func feed(e *Estimator, sequence *uint32, from, interval time.Duration, edges int) time.Duration {
	at := from
	for range edges {
		*sequence++
		e.Edge(*sequence, at)
		at += interval
	}
	return at - interval
}

func mustNew(t testing.TB, config Config) *Estimator {
	t.Helper()
	e, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wantRPM(t *testing.T, e *Estimator, now time.Duration, want, within float64) {
	t.Helper()
	rpm, err := e.RPM(now)
	if err != nil {
		t.Fatalf("at %v: %v", now, err)
	}
	if math.Abs(rpm-want) > want*within {
		t.Fatalf("at %v: %.1f rpm, want %.1f within %.1f %%", now, rpm, want, within*100)
	}
}

func interval(rpm float64, pulses int) time.Duration {
	return time.Duration(float64(time.Minute) / (rpm * float64(pulses)))
}

// The queue of 1,024 edges, the wrap of the sequence number and the start of the stamps must
// all be invisible.
func TestSteadySpeed(t *testing.T) {
	for _, rpm := range []float64{120, 410, 1100, 2500, 5323, 14_000} {
		for _, pulses := range []int{1, 2, 4} {
			e := mustNew(t, Config{PulsesPerRevolution: pulses, MaximumRPM: 15_000})
			sequence := uint32(math.MaxUint32 - 40)
			step := interval(rpm, pulses)
			last := feed(e, &sequence, time.Hour, step, int(3*time.Second/step))
			wantRPM(t, e, last, rpm, 0.001)
			wantRPM(t, e, last+step*9/10, rpm, 0.001)
		}
	}
}

// Rounding intervals to milliseconds reads 6,000 rpm where the fan turns at 5,323.
func TestNoRoundingToMilliseconds(t *testing.T) {
	e := mustNew(t, Config{})
	var sequence uint32
	last := feed(e, &sequence, time.Second, interval(5323, 2), 200)
	wantRPM(t, e, last, 5323, 0.0005)
}

func TestStandstill(t *testing.T) {
	e := mustNew(t, Config{})
	wantRPM(t, e, time.Hour, 0, 0)

	var sequence uint32
	last := feed(e, &sequence, time.Second, interval(3000, 2), 300)
	wantRPM(t, e, last+999*time.Millisecond, 0, 0) // one edge is left in the window
	wantRPM(t, e, last+900*time.Millisecond, 3000, 0.001)
	wantRPM(t, e, last+StandstillAfter, 0, 0)

	// The first edge after a stop makes no speed together with those before it.
	sequence++
	e.Edge(sequence, last+5*time.Second)
	wantRPM(t, e, last+5*time.Second, 0, 0)
	last = feed(e, &sequence, last+5*time.Second+interval(900, 2), interval(900, 2), 10)
	wantRPM(t, e, last, 900, 0.001)
}

// With a window above a second the last edges stay in it longer than the fan may be silent.
func TestStandstillDoesNotWaitForTheWindow(t *testing.T) {
	e := mustNew(t, Config{Window: 5 * time.Second})
	var sequence uint32
	last := feed(e, &sequence, 0, interval(3000, 2), 1000)
	wantRPM(t, e, last+time.Second, 0, 0)
}

func TestSpeedFollowsWithinAWindow(t *testing.T) {
	e := mustNew(t, Config{})
	var sequence uint32
	last := feed(e, &sequence, 0, interval(1100, 2), 100)
	last = feed(e, &sequence, last+interval(5000, 2), interval(5000, 2), 170)
	wantRPM(t, e, last, 5000, 0.001) // more than four times as fast, at once: no lock on the old interval
	last = feed(e, &sequence, last+interval(800, 2), interval(800, 2), 28)
	wantRPM(t, e, last, 800, 0.001)
}

// Two magnets are never exactly opposite to each other.
func TestUnevenMagnets(t *testing.T) {
	e := mustNew(t, Config{})
	turn := 2 * interval(5323, 2)
	at := time.Second
	for i := range uint32(180) {
		e.Edge(2*i+1, at)
		e.Edge(2*i+2, at+turn*40/100)
		at += turn
	}
	wantRPM(t, e, at-turn*60/100, 5323, 0.005)
}

func TestLostEdgesAreCountedBySequence(t *testing.T) {
	e := mustNew(t, Config{})
	step := interval(5323, 2)
	at := time.Duration(0)
	for i := range uint32(200) {
		if i%50 < 30 { // the queue overflowed: three fifths of the edges were never delivered
			at += step
			continue
		}
		e.Edge(i, at)
		at += step
	}
	wantRPM(t, e, at-step, 5323, 0.001)
}

// With no two neighbours left, the numbers alone carry the speed.
func TestOnlyTornIntervals(t *testing.T) {
	e := mustNew(t, Config{})
	step := interval(5323, 2)
	var sequence uint32
	for i := range 301 { // two of three edges are lost, every tenth bounces
		at := time.Duration(i) * step
		if sequence++; i%3 == 0 {
			e.Edge(sequence, at)
		}
		if i%10 != 0 {
			continue
		}
		if sequence++; i%3 == 0 {
			e.Edge(sequence, at+200*time.Microsecond)
		}
	}
	wantRPM(t, e, 300*step, 5323, 0.02)
}

func TestBouncesAreNotCounted(t *testing.T) {
	e := mustNew(t, Config{})
	step := interval(5323, 2)
	at, sequence := time.Duration(0), uint32(0)
	for range 300 {
		for _, bounce := range []time.Duration{0, 40 * time.Microsecond, 90 * time.Microsecond, 900 * time.Microsecond} {
			sequence++
			e.Edge(sequence, at+bounce)
		}
		at += step
	}
	wantRPM(t, e, at-step+time.Millisecond, 5323, 0.002)
}

// A coupled pulse in the middle of an interval is longer than the fan's own bound and is found
// by the median.
func TestCoupledPulsesBetweenEdges(t *testing.T) {
	e := mustNew(t, Config{})
	step := interval(5323, 2)
	at, sequence := time.Duration(0), uint32(0)
	for i := range 300 {
		sequence++
		e.Edge(sequence, at)
		if i%4 == 0 {
			sequence++
			e.Edge(sequence, at+step*45/100)
		}
		at += step
	}
	wantRPM(t, e, at-step, 5323, 0.01)
}

func TestStormIsNoiseAndNotANumber(t *testing.T) {
	e := mustNew(t, Config{})
	var sequence uint32
	last := feed(e, &sequence, 0, 40*time.Microsecond, 100) // 25 kHz, 4 ms long so far
	if e.Noisy() {
		t.Fatal("noisy after a burst of 100 edges")
	}
	last = feed(e, &sequence, last+40*time.Microsecond, 40*time.Microsecond, MaximumEdgeRate)
	if !e.Noisy() {
		t.Fatal("not noisy after 2,100 edges in 84 ms")
	}
	rpm, err := e.RPM(last)
	noise, ok := errors.AsType[*NoiseError](err)
	if !ok || rpm != 0 {
		t.Fatalf("rpm %v, error %v; want a NoiseError", rpm, err)
	}
	if noise.Edges <= MaximumEdgeRate || noise.Glitches < noise.Edges*9/10 {
		t.Errorf("noise counts: %+v", noise)
	}
	if text := err.Error(); !strings.Contains(text, "10 kOhm") || strings.Contains(text, "\n") {
		t.Errorf("message: %q", text)
	}

	// The storm ends: a window later the fan is read again.
	last = feed(e, &sequence, last+interval(2500, 2), interval(2500, 2), 90)
	if e.Noisy() {
		t.Error("still noisy a second after the storm")
	}
	wantRPM(t, e, last, 2500, 0.001)
}

// A reader too slow for the storm sees few edges; the numbers tell.
func TestStormBehindASlowReader(t *testing.T) {
	e := mustNew(t, Config{})
	for i := range uint32(100) {
		e.Edge(i*250, time.Duration(i)*10*time.Millisecond)
	}
	if _, err := e.RPM(990 * time.Millisecond); err == nil {
		t.Fatal("25,000 edges a second, most of them lost, read as a speed")
	}
}

// The rate counts by itself, whatever speed the owner thinks possible.
// Whoever switches the edges off when Noisy says so finds the reason in RPM.
func TestNoisyAndRPMAgree(t *testing.T) {
	for _, rate := range []int{1999, 2001, 2030} {
		e := mustNew(t, Config{PulsesPerRevolution: 16, MaximumRPM: 100_000})
		for i := range rate + 20 {
			at := time.Duration(i) * time.Second / time.Duration(rate)
			e.Edge(uint32(i), at)
			if i < MaximumEdgeRate-10 {
				continue
			}
			if _, err := e.RPM(at); (err != nil) != e.Noisy() {
				t.Fatalf("%d edges a second, edge %d: noisy %v, RPM error %v", rate, i, e.Noisy(), err)
			}
		}
		if e.Noisy() != (rate > MaximumEdgeRate) {
			t.Errorf("%d edges a second: noisy %v", rate, e.Noisy())
		}
	}
}

func TestStormBelowTheFastestFan(t *testing.T) {
	e := mustNew(t, Config{MaximumRPM: 100_000})
	for i := range uint32(1100) {
		e.Edge(2*i, time.Duration(2*i)*time.Second/2100) // 63,000 rpm
	}
	if rpm, err := e.RPM(2198 * time.Second / 2100); err == nil {
		t.Fatalf("2,100 edges a second read as %.0f rpm", rpm)
	}
}

func TestImpossibleSpeedIsNoise(t *testing.T) {
	e := mustNew(t, Config{MaximumRPM: 6000})
	var sequence uint32
	last := feed(e, &sequence, 0, interval(9000, 2), 400) // 300 Hz: far below a storm
	if rpm, err := e.RPM(last); err == nil {
		t.Fatalf("a fan of at most 6,000 rpm reads %.0f", rpm)
	}
}

// A line that was requested again counts from one, and stamps never go back.
func TestNewRequestStartsANewRecord(t *testing.T) {
	e := mustNew(t, Config{})
	var sequence uint32
	last := feed(e, &sequence, 0, interval(5000, 2), 100)
	sequence = 0
	last = feed(e, &sequence, last+100*time.Millisecond, interval(1500, 2), 20)
	wantRPM(t, e, last, 1500, 0.001)
	sequence = 1000
	feed(e, &sequence, time.Millisecond, interval(4000, 2), 20)
	wantRPM(t, e, 200*time.Millisecond, 4000, 0.001)
}

func TestConfigReportsEveryFault(t *testing.T) {
	_, err := New(Config{PulsesPerRevolution: 17, Window: 999 * time.Millisecond, MaximumRPM: math.NaN()})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"pulses per revolution: 17", "window: 999ms", "maximum rpm: NaN"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("no %q in %q", field, err)
		}
	}
	for _, config := range []Config{{}, {1, time.Second, 100}, {16, 10 * time.Second, 100_000}} {
		if _, err := New(config); err != nil {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	e := mustNew(t, Config{})
	var sequence uint32
	at := time.Duration(0)
	if n := testing.AllocsPerRun(3000, func() {
		sequence++
		at += 6 * time.Millisecond
		e.Edge(sequence, at)
		e.Noisy()
	}); n != 0 {
		t.Errorf("%v allocations per edge", n)
	}
	if n := testing.AllocsPerRun(100, func() { e.RPM(at) }); n != 0 {
		t.Errorf("%v allocations per reading", n)
	}
}

func BenchmarkEdge(b *testing.B) {
	e := mustNew(b, Config{})
	b.ReportAllocs()
	var sequence uint32
	at := time.Duration(0)
	for b.Loop() {
		sequence++
		at += 6 * time.Millisecond
		e.Edge(sequence, at)
	}
}

func BenchmarkRPM(b *testing.B) {
	e := mustNew(b, Config{})
	var sequence uint32
	last := feed(e, &sequence, 0, interval(5323, 2), 400)
	b.ReportAllocs()
	for b.Loop() {
		e.RPM(last)
	}
}
