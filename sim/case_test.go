package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// trace drives a case through a busy quarter of an hour in steps of dt and writes down,
// every second, all that can be read from it, and everything that happened.
func trace(t testing.TB, seed uint64, dt time.Duration) string {
	t.Helper()
	c := newCase(t, Config{Seed: seed, Resistance: 1.2, ThirdMode: SlowMode{Kelvin: 8}})
	must(t, c.Play(Scenario{SettledDuty: 0.5, Steps: []Step{
		{At: 0, Bursts: true},
		{At: 61500 * time.Millisecond, Fault: FaultHotRoom, Value: 40},
		{At: 200 * time.Second, Fault: FaultNoisyTach},
		{At: 300 * time.Second, Board: "worker-3", Fault: FaultFailedSensor},
		{At: 333333 * time.Microsecond * 1000, Clear: FaultNoisyTach},
		{At: 400 * time.Second, Fault: FaultSupplySag},
		{At: 401 * time.Second, Clear: FaultSupplySag},
	}}))
	feed := c.Events()
	var out strings.Builder
	for second := 1; second <= 1000; second++ {
		must(t, c.Fan().SetDuty(float64(second%90)/90))
		switch second {
		case 20:
			must(t, c.Board("worker-1").PowerOff())
		case 40:
			must(t, c.Rail("worker-1").Set(false))
		case 45:
			must(t, c.Rail("worker-1").Set(true))
		case 700:
			must(t, c.Board("worker-4").Reboot())
		case 900:
			must(t, c.Rail("worker-2").Set(false))
		}
		for until := time.Duration(second) * time.Second; c.Now() < until; {
			c.Step(min(dt, until-c.Now()))
		}
		for e, more := feed.Next(); more; e, more = feed.Next() {
			fmt.Fprintln(&out, e)
		}
		rpm, err := c.Fan().RPM()
		fmt.Fprintf(&out, "%v %v %v %v %v\n", c.Now(), rpm, err, c.Supply().Amps(), c.Ambient())
		for _, b := range c.Boards() {
			celsius, sensorErr := b.Celsius()
			word, wordErr := b.ThrottleWord()
			fmt.Fprintln(&out, b.Name(), celsius, sensorErr, word, wordErr, b.TrueCelsius(), b.BootID(), b.State(), b.ClockHertz(), b.Load())
		}
	}
	return out.String()
}

func differ(a, b string) string {
	al, bl := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(al), len(bl)) {
		if al[i] != bl[i] {
			return fmt.Sprintf("line %d:\n%s\n%s", i+1, al[i], bl[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(al), len(bl))
}

func TestTheSameSeedGivesTheSameTrace(t *testing.T) {
	first := trace(t, 7, time.Second)
	if again := trace(t, 7, time.Second); again != first {
		t.Errorf("two runs differ in %s", differ(first, again))
	}
	if other := trace(t, 8, time.Second); other == first {
		t.Error("another seed gives the same trace")
	}
	if !strings.Contains(first, "worker-2 lost") {
		t.Error("the trace has none of the events")
	}
}

func TestTheLengthOfStepsDoesNotMatter(t *testing.T) {
	second := trace(t, 7, time.Second)
	for _, dt := range []time.Duration{100 * time.Millisecond, 17777777} {
		if short := trace(t, 7, dt); short != second {
			t.Errorf("steps of %v differ from those of a second in %s", dt, differ(second, short))
		}
	}
	hour, seconds := newCase(t, Config{}), newCase(t, Config{})
	hour.Step(time.Hour)
	for range 3600 {
		seconds.Step(time.Second)
	}
	for i, b := range hour.Boards() {
		if got, want := b.TrueCelsius(), seconds.Boards()[i].TrueCelsius(); got != want {
			t.Errorf("%s: %v C after a step of an hour, %v C after 3600 of a second", b.Name(), got, want)
		}
	}
}

func TestStepsOfNothing(t *testing.T) {
	c := newCase(t, Config{})
	c.Step(0)
	c.Step(-time.Hour)
	if now := c.Now(); now != 0 {
		t.Errorf("time went to %v", now)
	}
	if at := c.Time(90 * time.Second); !at.Equal(time.Unix(90, 0)) {
		t.Errorf("a case that never ran is in %v", at)
	}
}

// busy is what a second of control does with a case: a step, every reading, and
// a new duty.
func busy(c *Case, boards []*Board, second int) float64 {
	c.Step(time.Second)
	hottest := 0.0
	for _, b := range boards {
		celsius, _ := b.Celsius()
		_, _ = b.ThrottleWord()
		hottest = max(hottest, celsius)
	}
	rpm, _ := c.Fan().RPM()
	_ = c.Fan().SetDuty(float64(second%50) / 50)
	return hottest + rpm
}

func TestSteppingAllocatesNothing(t *testing.T) {
	c := newCase(t, Config{})
	boards := c.Boards()
	second := 0
	if n := testing.AllocsPerRun(1000, func() {
		busy(c, boards, second)
		second++
	}); n != 0 {
		t.Errorf("%v allocations a second", n)
	}
}

// BenchmarkSecond is a virtual second of five boards. The bare plant and its
// controllers are to run at 50,000 times real time: 20 us in all.
func BenchmarkSecond(b *testing.B) {
	for _, work := range []struct {
		name string
		do   func(c *Case, boards []*Board, second int)
	}{
		{"settled", func(c *Case, _ []*Board, _ int) { c.Step(time.Second) }},
		{"busy", func(c *Case, boards []*Board, second int) { busy(c, boards, second) }},
	} {
		b.Run(work.name, func(b *testing.B) {
			c := newCase(b, Config{})
			boards := c.Boards()
			c.Step(time.Minute)
			b.ReportAllocs()
			second := 0
			for b.Loop() {
				work.do(c, boards, second)
				second++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
		})
	}
}

func TestNextIsWhenSomethingHappens(t *testing.T) {
	c := newCase(t, Config{})
	if at, due := c.Next(); due {
		t.Errorf("something is due at %v", at)
	}
	must(t, c.Board("worker-1").PowerOff())
	feed := c.Events()
	for at, due := c.Next(); due; at, due = c.Next() {
		c.Step(at - c.Now() - 1)
		if e, early := feed.Next(); early {
			t.Errorf("%v came before %v", e, at)
		}
		c.Step(1)
		for e, more := feed.Next(); more; e, more = feed.Next() {
			if e.At != at {
				t.Errorf("%v, due was %v", e, at)
			}
		}
	}
	if s := c.Board("worker-1").State(); s != StateHalted || c.DoneLine("worker-1").High() {
		t.Errorf("in the end the board is %v", s)
	}
}
