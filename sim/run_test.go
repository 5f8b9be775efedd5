package sim

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// check reports an error from a goroutine, which must not end the test.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// running runs the case in a bubble until the returned function is called,
// which joins it.
func running(t *testing.T, c *Case) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { check(t, c.Run(ctx)) })
	synctest.Wait()
	return func() { cancel(); group.Wait() }
}

func TestRunFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCase(t, Config{})
		c.Step(5 * time.Second)
		begin := time.Now()
		stop := running(t, c)
		time.Sleep(1234567891)
		if got, want := c.Now(), 5*time.Second+1234567891; got != want {
			t.Errorf("the case is at %v, want %v", got, want)
		}
		if got := c.Time(5 * time.Second); !got.Equal(begin) {
			t.Errorf("5 s is %v on the clock, want %v", got, begin)
		}
		if err := c.Run(t.Context()); err == nil {
			t.Error("it runs twice at once")
		}
		c.Step(time.Minute)
		if got, want := c.Now(), 65*time.Second+1234567891; got != want {
			t.Errorf("after a step ahead the case is at %v, want %v", got, want)
		}
		time.Sleep(time.Second)
		if got, want := c.Now(), 66*time.Second+1234567891; got != want {
			t.Errorf("a second later the case is at %v, want %v", got, want)
		}
		stop()
		before := c.Now()
		time.Sleep(time.Hour)
		if got := c.Now(); got != before {
			t.Errorf("it went on from %v to %v after Run ended", before, got)
		}
		stop = running(t, c)
		time.Sleep(time.Second)
		if got := c.Now(); got != before+time.Second {
			t.Errorf("a second Run brought it from %v to %v", before, got)
		}
		stop()
	})
}

// A case on the clock has the same readings as one that is stepped.
func TestRunAndStepAgree(t *testing.T) {
	stepped := newCase(t, Config{Seed: 5})
	must(t, stepped.Play(burst()))
	var want []float64
	for range 120 {
		stepped.Step(time.Second)
		celsius, err := stepped.Board("worker-3").Celsius()
		must(t, err)
		want = append(want, celsius)
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCase(t, Config{Seed: 5})
		must(t, c.Play(burst()))
		defer running(t, c)()
		var got []float64
		for range 120 {
			time.Sleep(time.Second)
			celsius, err := c.Board("worker-3").Celsius()
			must(t, err)
			got = append(got, celsius)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("on the clock\n%v\nstepped\n%v", got, want)
		}
	})
}

// Everything that watches a line or a board hears of it at its instant, not at
// the next second.
func TestWatchersHearInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Pico5()
		cfg.Boards[1].StopTime = 150 * time.Millisecond
		c := newCase(t, cfg)
		defer running(t, c)()
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var edges, announced []string
		group.Go(func() {
			check(t, c.DoneLine("worker-1").Watch(ctx, func(high bool, at time.Time) {
				if !at.Equal(time.Now()) {
					t.Errorf("an edge of %v came at %v", at, time.Now())
				}
				edges = append(edges, fmt.Sprint(high))
			}))
		})
		group.Go(func() {
			check(t, c.Board("worker-1").Watch(ctx, func(kind string) {
				announced = append(announced, fmt.Sprintf("%s at %v", kind, c.Now()))
			}))
		})
		time.Sleep(time.Second)
		must(t, c.Board("worker-1").Reboot())
		time.Sleep(time.Minute)
		must(t, c.Board("worker-1").PowerOff())
		must(t, c.Board("worker-2").PowerOff())
		time.Sleep(time.Minute)
		cancel()
		group.Wait()
		if want := []string{"false", "true", "false", "true", "false"}; !reflect.DeepEqual(edges, want) {
			t.Errorf("edges %v, want %v", edges, want)
		}
		if want := []string{"reboot at 1s", "poweroff at 1m1s"}; !reflect.DeepEqual(announced, want) {
			t.Errorf("announced %v, want %v", announced, want)
		}
		if len(c.feeds) != 0 {
			t.Errorf("%d feeds are left over", len(c.feeds))
		}
	})
}

func TestALateWatcherHearsOfAShutdownUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCase(t, Config{})
		must(t, c.Board("worker-1").PowerOff())
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		heard := ""
		group.Go(func() {
			check(t, c.Board("worker-1").Watch(ctx, func(kind string) { heard += kind }))
		})
		synctest.Wait()
		cancel()
		group.Wait()
		if heard != "poweroff" {
			t.Errorf("heard %q", heard)
		}
	})
}

func TestAClosedFeedIsGone(t *testing.T) {
	c := newCase(t, Config{})
	kept, closed := c.Events(), c.Events()
	closed.Close()
	closed.Close()
	must(t, c.Rail("worker-1").Set(false))
	if _, more := closed.Next(); more {
		t.Error("a closed feed has events")
	}
	for _, want := range []string{"0.000 worker-1 rail-off", "0.000 worker-1 lost"} {
		if e, more := kept.Next(); !more || e.String() != want {
			t.Errorf("got %v, want %s", e, want)
		}
	}
}

// All of the surface from many goroutines at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCase(t, Config{})
		must(t, c.Play(reference()))
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { check(t, c.Run(ctx)) })
		for i, b := range c.Boards() {
			group.Go(func() { check(t, b.Watch(ctx, func(string) { _ = b.State() })) })
			if line := c.DoneLine(b.Name()); line != nil {
				group.Go(func() { check(t, line.Watch(ctx, func(bool, time.Time) { _ = line.High() })) })
			}
			group.Go(func() {
				for n := range 200 {
					time.Sleep(time.Duration(100+i) * time.Millisecond)
					_, _ = b.Celsius()
					_, _ = b.ThrottleWord()
					_, _, _, _ = b.Silent(), b.BootID(), b.ClockHertz(), b.SetLight(n%2 == 0)
					_ = c.Fan().SetDuty(float64(n) / 200)
					_, _ = c.Fan().RPM()
					_, _, _ = c.Supply().Volts(), c.Supply().CommittedAmps(), c.Faults()
					switch rail := c.Rail(b.Name()); {
					case rail != nil && n%50 == 10:
						_ = b.PowerOff()
					case rail != nil && n%50 == 40:
						check(t, rail.Set(false))
						check(t, rail.Set(true))
					case n%20 == 5:
						check(t, c.Fault(Fault{Kind: FaultSilentAgent, Board: b.Name()}))
						check(t, c.Clear(Fault{Kind: FaultSilentAgent, Board: b.Name()}))
					}
				}
			})
		}
		time.Sleep(time.Minute)
		cancel()
		group.Wait()
	})
}
