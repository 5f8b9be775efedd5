package gpio

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var done = Claim{Line: Line{"pinctrl-bcm2711", 5}, Consumer: "bramble/worker-1", Name: "done.worker-1"}

// story collects what Watch tells, with times since the bubble began.
type story struct {
	begin time.Time
	told  []string
}

func (s *story) see(high bool, at time.Time) {
	level := "low"
	if high {
		level = "high"
	}
	s.told = append(s.told, fmt.Sprintf("%s %v", level, at.Sub(s.begin)))
}

func (s *story) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(s.told, want) {
		t.Errorf("told:\n%q\nwant:\n%q", s.told, want)
	}
}

// follow watches a line in a bubble until the returned function is called.
func follow(t *testing.T, k *simulatedKernel, i *Input) (*story, func() error) {
	t.Helper()
	s := &story{begin: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- i.Watch(ctx, s.see) }()
	synctest.Wait()
	return s, func() error {
		cancel()
		return <-ended
	}
}

func openDone(t *testing.T, k *simulatedKernel, kept ...int) *Input {
	t.Helper()
	names := map[int]string{}
	for _, fd := range kept {
		names[fd] = done.Name
	}
	i, err := machine{k}.openInput(done, k.restart(names))
	if err != nil {
		t.Fatal(err)
	}
	i.monotonic = bubbleClock
	return i
}

func TestWatchTellsLevelThenEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		i := openDone(t, k)
		k.wantRequests(t, "open gpiochip0/5 bramble/worker-1")
		time.Sleep(time.Second)
		s, stop := follow(t, k, i)
		s.want(t, "low 1s")
		time.Sleep(time.Second)
		k.edge(5, true) // the overlay's signature
		time.Sleep(100 * time.Millisecond)
		k.edge(5, false)
		time.Sleep(100 * time.Millisecond)
		k.edge(5, true)
		s.want(t, "low 1s", "high 2s", "low 2.1s", "high 2.2s")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Edges that nobody read are told with their times, and before them what the line had been.
func TestWatchTellsWhatCameWhileNobodyLived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		first := openDone(t, k)
		_, stop := follow(t, k, first)
		time.Sleep(time.Second)
		k.edge(5, false) // a bounce that came and went
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		k.edge(5, true)
		time.Sleep(100 * time.Millisecond)
		k.edge(5, false)
		time.Sleep(10 * time.Second)

		second := openDone(t, k, first.FD())
		if want := (Found{Kept: true, Input: true}); second.Found() != want {
			t.Errorf("found %+v", second.Found())
		}
		s, stop := follow(t, k, second)
		s.want(t, "low 3s", "high 3s", "low 3.1s")
		k.edge(5, true)
		s.want(t, "low 3s", "high 3s", "low 3.1s", "high 13.1s")
		if err := stop(); err != nil {
			t.Error(err)
		}
		k.wantRequests(t, "open gpiochip0/5 bramble/worker-1")
	})
}

// A pulse that is over before the kernel reads its level is reported as two edges to the same level.
func TestPulseThatWasTooShortIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		s, stop := follow(t, k, openDone(t, k))
		time.Sleep(time.Second)
		k.edge(5, true)
		time.Sleep(300 * time.Millisecond)
		k.edge(5, true) // down and up again
		s.want(t, "low 0s", "high 1s", "low 1.3s", "high 1.3s")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Of more edges than the queue holds the oldest are lost. What the level is then is read, not guessed.
func TestLostEdgesMakeTheLevelRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		i := openDone(t, k)
		s, stop := follow(t, k, i)
		k.edge(5, true)
		s.want(t, "low 0s", "high 0s")
		pin := k.pin(5)
		k.mu.Lock()
		pin.sequence += 5 // lost
		k.mu.Unlock()
		time.Sleep(time.Second)
		k.mu.Lock()
		pin.onRead = func() {} // told apart from no reading below
		k.mu.Unlock()
		k.edge(5, false)
		k.mu.Lock()
		k.pin(5).outside = true // the edge to it was lost, too
		k.mu.Unlock()
		s.want(t, "low 0s", "high 0s", "low 1s", "high 1s")
		k.mu.Lock()
		if pin.onRead != nil {
			t.Error("the level was not read")
		}
		k.mu.Unlock()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// An edge between the reading of the level and the queue is told once.
func TestEdgeDuringTheReading(t *testing.T) {
	for _, c := range []struct {
		name  string
		early bool // the edge's stamp is older than the reading, which has seen its level
		want  []string
	}{
		{"queued at once", false, []string{"low 1.001s", "high 1.001s"}},
		{"queued late", true, []string{"high 1s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := header()
				i := openDone(t, k)
				time.Sleep(time.Second)
				k.mu.Lock()
				if c.early {
					k.pin(5).outside = true
				} else {
					k.pin(5).onRead = func() {
						time.Sleep(time.Millisecond)
						k.edge(5, true)
					}
				}
				k.mu.Unlock()
				s, stop := follow(t, k, i)
				if c.early {
					k.edge(5, true) // in the same instant of the bubble
				}
				time.Sleep(time.Second)
				s.want(t, c.want...)
				k.edge(5, false)
				s.want(t, append(c.want, "low 2s")...)
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A wire that picks up a fan's 25 kHz ends Watch with words, and not the processor.
func TestStormEndsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		i := openDone(t, k)
		ended := make(chan error)
		go func() { ended <- i.Watch(t.Context(), func(bool, time.Time) {}) }()
		go func() {
			for n := range 2 * stormEdges {
				k.edge(5, n%2 == 0)
				time.Sleep(40 * time.Microsecond)
			}
		}()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "1000 edges within a second") || !strings.Contains(err.Error(), "pinctrl-bcm2711/5") {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Minute)
		_, stop := follow(t, k, i) // and it can be watched again
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWatchEndsWithTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		i := openDone(t, k)
		ended := make(chan error)
		go func() { ended <- i.Watch(t.Context(), func(bool, time.Time) {}) }()
		synctest.Wait()
		k.mu.Lock()
		k.pin(5).fault = syscall.ENODEV
		close(k.pin(5).arrived)
		k.mu.Unlock()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "gpio line pinctrl-bcm2711/5") {
			t.Errorf("error %v", err)
		}
	})
}

// A rail's descriptor is never made an input: that would switch the rail.
func TestKeptOutputIsNoDoneLine(t *testing.T) {
	k := header()
	o, err := machine{k}.openOutput(rail, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Set(true); err != nil {
		t.Fatal(err)
	}
	claim := done
	claim.Line = rail.Line
	if _, err := (machine{k}).openInput(claim, k.restart(map[int]string{o.FD(): done.Name})); err == nil || !strings.Contains(err.Error(), `output of "bramble/worker-1"`) {
		t.Errorf("error %v", err)
	}
	k.pin(17).wantHistory(t, false, true)
}

// The other way round nothing that is driven is lost.
func TestKeptInputOfAnotherKindIsWatched(t *testing.T) {
	k := header()
	fd, err := k.request("gpiochip0", 5, "bramble/worker-1", mode{direction: asIs, activeLow: true})
	if err != nil {
		t.Fatal(err)
	}
	i := openDone(t, k, fd)
	k.wantRequests(t, "open gpiochip0/5 bramble/worker-1", "configure gpiochip0/5")
	if i.Found().On || k.pin(5).direction != watched {
		t.Errorf("found %+v", i.Found())
	}
	if i.Close() != nil || i.Close() == nil {
		t.Error("closing it twice")
	}
}

func TestBusyDoneLineNamesItsHolder(t *testing.T) {
	k := header()
	k.devices["gpiochip0"].held = map[int]string{5: "power_ctrl"}
	_, err := machine{k}.openInput(done, nil)
	if err == nil || !strings.Contains(err.Error(), `held by "power_ctrl"`) {
		t.Errorf("error %v", err)
	}
}
