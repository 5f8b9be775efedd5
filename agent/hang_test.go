package agent

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// lines collects what an agent logs.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) count(substring string) int { return strings.Count(l.String(), substring) }

func (l *lines) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: l, Level: hclog.Debug})
}

// TestSensorThatHangs blocks one read for a minute. The others go on in every sample, only the first of which is late,
// and no more than one read of the sensor is ever under way.
func TestSensorThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := newBoard(), &lines{}
		r := start(t, b, func(c *Config) { c.Logger = log.logger() })
		stream := r.watch(0)
		r.receive(stream)
		gate := make(chan struct{})
		aligned()
		r.set(func(b *board) { b.hung["cpu-thermal"], b.values["nvme/Composite"] = gate, 39 })
		m := r.receive(stream)
		if m.GetAgeMilliseconds() != 250 {
			t.Errorf("the sample that found out is %d ms old when it is sent", m.GetAgeMilliseconds())
		}
		if _, failure, ok := celsius(m.GetReadings(), 1); ok || failure != errUnanswered.Error() {
			t.Errorf("the sensor that hangs reads %q", failure)
		}
		if value, _, _ := celsius(m.GetReadings(), 2); value != 39 {
			t.Errorf("the sensor beside it reads %v", value)
		}
		for i := range 60 {
			aligned()
			r.set(func(b *board) { b.values["nvme/Composite"] = float64(40 + i) })
			m := r.receive(stream)
			if m.GetAgeMilliseconds() != 0 || len(m.GetReadings()) != 1 || m.GetSample() != uint64(i)+3 {
				t.Fatalf("sample %d: %v", i, m)
			}
		}
		synctest.Wait()
		if reads, busy := b.reads["cpu-thermal"], b.reading; reads != 2 || busy != 1 {
			t.Errorf("read %d times, %d under way", reads, busy)
		}
		aligned()
		r.set(func(b *board) { delete(b.hung, "cpu-thermal") })
		close(gate)
		if value, failure, ok := celsius(r.receive(stream).GetReadings(), 1); !ok || value != 45 {
			t.Errorf("after it answered: %v, %q", value, failure)
		}
		synctest.Wait()
		if log.count("does not answer") != 1 || log.count("answers again") != 1 {
			t.Errorf("logged:\n%s", log)
		}
	})
}

// TestSlowSensor answers after 0.7 s each time: late for its sample, in time for the next.
func TestSlowSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		r := start(t, b, nil)
		stream := r.watch(0)
		r.receive(stream)
		aligned()
		r.set(func(b *board) { b.slow["nvme/Composite"] = 700 * time.Millisecond })
		if _, failure, _ := celsius(r.receive(stream).GetReadings(), 2); failure == "" {
			t.Error("the first late answer is no failure")
		}
		for i := range 5 {
			r.set(func(b *board) { b.values["cpu-thermal"]++ }) // after it was read, and before the slow one answers
			time.Sleep(460 * time.Millisecond)
			r.set(func(b *board) { b.values["nvme/Composite"]++ })
			m := r.receive(stream)
			if value, _, ok := celsius(m.GetReadings(), 1); !ok || value != float32(46+i) {
				t.Errorf("sample %d: the sensor beside it: %v", i, m.GetReadings())
			}
			if value, _, ok := celsius(m.GetReadings(), 2); !ok || value != float32(38+i) {
				t.Errorf("sample %d: %v", i, m.GetReadings())
			}
			if m.GetAgeMilliseconds() != 250 {
				t.Errorf("sample %d is %d ms old", i, m.GetAgeMilliseconds())
			}
		}
	})
}

// TestEverythingHangs takes away all sensors and the firmware at once, and the agent itself in the end.
func TestEverythingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		r := start(t, b, nil)
		stream := r.watch(0)
		r.receive(stream)
		gate := make(chan struct{})
		aligned()
		r.set(func(b *board) {
			for _, s := range b.sensors {
				b.hung[s.Name] = gate
			}
			b.hung["word"] = gate
		})
		m := r.receive(stream)
		if len(m.GetReadings()) != 4 || m.GetThrottling().GetError() == "" || m.GetAgeMilliseconds() != 1250 {
			t.Errorf("first: %v", m)
		}
		for range 100 {
			if m = r.receive(stream); m.GetAgeMilliseconds() != 0 || len(m.GetReadings()) != 0 {
				t.Fatalf("then: %v", m)
			}
		}
		synctest.Wait()
		if b.reading != 5 {
			t.Errorf("%d reads are under way", b.reading)
		}
		begun := time.Now()
		r.stop()
		if d := time.Since(begun); d > joinGrace+stopGrace {
			t.Errorf("stopping took %v", d)
		}
		close(gate) // a bubble ends when all its goroutines have
	})
}

// TestSensorsChangeWhileOneHangs gives sensor numbers another meaning while a read is under way.
func TestSensorsChangeWhileOneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		r := start(t, b, nil)
		gate := make(chan struct{})
		aligned()
		r.set(func(b *board) { b.hung["cpu-thermal"] = gate })
		time.Sleep(2 * time.Second)
		r.set(func(b *board) {
			b.sensors = append([]Sensor{{Name: "room", Kind: OtherTemperature}}, b.sensors...)
			b.values["room"] = 21
		})
		time.Sleep(2 * time.Second)
		readings := r.node().GetReadings()
		synctest.Wait()
		if b.reading != 1 {
			t.Errorf("%d reads are under way", b.reading)
		}
		if value, _, _ := celsius(readings, 1); value != 21 {
			t.Errorf("room: %v", readings)
		}
		if _, failure, _ := celsius(readings, 2); failure != errUnanswered.Error() {
			t.Errorf("cpu-thermal: %v", readings)
		}
		again := make(chan struct{})
		r.set(func(b *board) { b.hung["cpu-thermal"] = again })
		close(gate) // the answer comes, but the number that was asked for means another sensor by now
		time.Sleep(time.Second)
		if value, _, ok := celsius(r.node().GetReadings(), 2); ok {
			t.Errorf("cpu-thermal reads %v from before the change", value)
		}
		r.set(func(b *board) { delete(b.hung, "cpu-thermal") })
		close(again)
		time.Sleep(2 * time.Second)
		if value, failure, _ := celsius(r.node().GetReadings(), 2); value != 45 {
			t.Errorf("cpu-thermal after it answered: %v, %q", value, failure)
		}
	})
}

// TestFailuresAreLoggedOnce counts lines, not samples.
func TestFailuresAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := newBoard(), &lines{}
		r := start(t, b, func(c *Config) { c.Logger = log.logger() })
		aligned()
		r.set(func(b *board) { b.failures["nvme/Composite"] = syscall.EIO })
		for i := range 120 { // and a supply that flaps once a second, for two minutes
			r.set(func(b *board) { b.word = uint32(i % 2) })
			time.Sleep(time.Second)
		}
		if n := log.count("sensor does not answer"); n != 1 {
			t.Errorf("%d lines about the sensor", n)
		}
		if n := log.count("throttling flag rose"); n != 2 {
			t.Errorf("%d lines about the flag", n)
		}
	})
}
