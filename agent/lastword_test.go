package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

// stalled is a subscriber of the agent's own that takes a message only when a test says so.
func stalled(t *testing.T, a *Agent) (take chan struct{}) {
	take = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.watch(ctx, 0, func(*agentv1.WatchResponse) error {
			select {
			case <-take:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return take
}

// TestShutdownWaitsForSubscribers measures how long a notice holds the shutdown back.
func TestShutdownWaitsForSubscribers(t *testing.T) {
	for name, c := range map[string]struct {
		subscribers int
		takes       int // messages that the slow one takes, one each 100 ms
		want        time.Duration
	}{
		"nobody watches":           {0, 0, 0},
		"all are quick":            {3, 0, 0},
		"one is behind":            {-1, 2, 200 * time.Millisecond}, // the first, then the one with the notice
		"one does not read at all": {-1, 0, noticeGrace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				typed := &announcer{kinds: make(chan string)}
				r := start(t, newBoard(), func(c *Config) { c.Shutdown, c.Interval = typed, MaxInterval })
				for range c.subscribers {
					r.receive(r.watch(0))
				}
				var take chan struct{}
				if c.subscribers < 0 {
					take = stalled(t, r.agent)
				}
				synctest.Wait()
				begin := time.Now()
				typed.kinds <- "poweroff"
				go func() {
					for range c.takes {
						time.Sleep(100 * time.Millisecond)
						take <- struct{}{}
					}
				}()
				typed.kinds <- "poweroff" // taken when the first has been told
				if took := time.Since(begin); took != c.want {
					t.Errorf("took %v, want %v", took, c.want)
				}
			})
		})
	}
}

// TestLastWord stops an agent in a shutdown whose kind the system tells late, or never.
func TestLastWord(t *testing.T) {
	for name, c := range map[string]struct {
		announced []string
		late      string        // told 300 ms after the agent is asked to stop
		want      time.Duration // until the agent has stopped
		kinds     []agentv1.ShutdownKind
	}{
		"no shutdown":        {nil, "", 0, nil},
		"known at once":      {[]string{"reboot"}, "", 0, []agentv1.ShutdownKind{toldReboot}},
		"known late":         {[]string{""}, "poweroff", 300 * time.Millisecond, []agentv1.ShutdownKind{toldUnnamed, toldPowerOff}},
		"never known":        {[]string{""}, "", stopGrace, []agentv1.ShutdownKind{toldUnnamed}},
		"called off":         {[]string{"", "cancelled"}, "", 0, []agentv1.ShutdownKind{toldUnnamed, toldCancelled}},
		"called off so late": {[]string{""}, "cancelled", 300 * time.Millisecond, []agentv1.ShutdownKind{toldUnnamed, toldCancelled}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				typed := &announcer{kinds: make(chan string)}
				r := start(t, newBoard(), func(c *Config) { c.Shutdown = typed })
				stream := r.watch(0)
				r.receive(stream)
				for _, kind := range c.announced {
					typed.kinds <- kind
				}
				synctest.Wait()
				if c.late != "" {
					go func() {
						time.Sleep(300 * time.Millisecond)
						typed.kinds <- c.late
					}()
				}
				begin := time.Now()
				r.stop()
				if took := time.Since(begin); took != c.want {
					t.Errorf("stopped after %v, want %v", took, c.want)
				}
				var kinds []agentv1.ShutdownKind
				for {
					m, err := stream.Recv()
					if err != nil {
						break
					}
					for _, n := range m.GetShutdownNotices() {
						kinds = append(kinds, n.GetKind())
					}
				}
				if len(kinds) != len(c.kinds) {
					t.Fatalf("told %v, want %v", kinds, c.kinds)
				}
				for i, kind := range c.kinds {
					if kinds[i] != kind {
						t.Errorf("told %v, want %v", kinds, c.kinds)
					}
				}
			})
		})
	}
}

// TestNoLogindIsNoNews is a machine without what tells of shutdowns, such as a container.
func TestNoLogindIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		typed, log := &announcer{fails: make(chan error)}, &lines{}
		r := start(t, newBoard(), func(c *Config) { c.Shutdown, c.Logger = typed, log.logger() })
		for range 5 {
			typed.fails <- errors.ErrUnsupported
			synctest.Wait()
			if got := told(r.node().GetNode(), ShutdownNoticeCapability); got.State != Unsupported {
				t.Errorf("%+v", got)
			}
			time.Sleep(shutdownRetry)
		}
		if n := log.count("shutdowns are not watched"); n != 1 {
			t.Errorf("%d lines:\n%s", n, log)
		}
	})
}
