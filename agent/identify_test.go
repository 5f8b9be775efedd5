package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// lamp writes down what is done to it, and when.
type lamp struct {
	mu     sync.Mutex
	begun  time.Time
	done   []string
	broken error
}

func (l *lamp) note(what string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, fmt.Sprintf("%v %s", time.Since(l.begun), what))
	return l.broken
}

func (l *lamp) Set(on bool) error { return l.note(map[bool]string{true: "on", false: "off"}[on]) }
func (l *lamp) Restore() error    { return l.note("back") }
func (l *lamp) Name() string      { return "ACT" }

func (l *lamp) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.done, l.begun = nil, time.Now() }()
	return strings.Join(l.done, ", ")
}

func TestIdentify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		light := &lamp{}
		r := start(t, newBoard(), func(c *Config) { c.Light = light })
		call := func(hold *durationpb.Duration) {
			t.Helper()
			response, err := r.client.Identify(t.Context(), &agentv1.IdentifyRequest{Hold: hold})
			if err != nil || response.GetLight() != "ACT" {
				t.Errorf("%v, %v", response, err)
			}
		}
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := light.take(); got != want {
				t.Errorf("the light went\n%s, want\n%s", got, want)
			}
		}
		light.take()
		call(durationpb.New(900 * time.Millisecond))
		time.Sleep(time.Minute)
		expect("0s on, 250ms off, 500ms on, 750ms off, 900ms back")

		call(nil) // ten seconds
		time.Sleep(9100 * time.Millisecond)
		light.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := light.take(); !strings.HasPrefix(got, "150ms off, 400ms on, 650ms off, 900ms") || !strings.HasSuffix(got, "900ms back") {
			t.Errorf("at the end of ten seconds the light went %s", got)
		}

		call(durationpb.New(5 * time.Minute))
		time.Sleep(300 * time.Millisecond)
		call(durationpb.New(400 * time.Millisecond)) // replaces it
		time.Sleep(time.Minute)
		expect("0s on, 250ms off, 300ms back, 300ms on, 550ms off, 700ms back")

		call(durationpb.New(5 * time.Minute))
		time.Sleep(100 * time.Millisecond)
		call(durationpb.New(0))
		time.Sleep(time.Minute)
		expect("0s on, 100ms back")
		call(durationpb.New(0)) // nothing blinks
		expect("")

		call(durationpb.New(5 * time.Minute))
		time.Sleep(100 * time.Millisecond)
		r.stop()
		expect("0s on, 100ms back")
	})
}

func TestIdentifyRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		light := &lamp{}
		r := start(t, newBoard(), func(c *Config) { c.Light = light })
		for _, hold := range []*durationpb.Duration{
			durationpb.New(-time.Nanosecond), durationpb.New(5*time.Minute + 1), {Seconds: 1, Nanos: -1}, {Seconds: 1 << 60},
		} {
			_, err := r.client.Identify(t.Context(), &agentv1.IdentifyRequest{Hold: hold})
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "hold") {
				t.Errorf("%v: %v", hold, err)
			}
		}
		light.broken = syscall.EACCES
		_, err := r.client.Identify(t.Context(), &agentv1.IdentifyRequest{})
		if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("a light that cannot be switched: %v", err)
		}
		dark := start(t, newBoard(), nil)
		if _, err := dark.client.Identify(t.Context(), &agentv1.IdentifyRequest{}); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("a board without a light: %v", err)
		}
	})
}

// TestIdentifyBreaks loses the light while it blinks.
func TestIdentifyBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		light, log := &lamp{}, &lines{}
		r := start(t, newBoard(), func(c *Config) { c.Light, c.Logger = light, log.logger() })
		if _, err := r.client.Identify(t.Context(), &agentv1.IdentifyRequest{}); err != nil {
			t.Fatal(err)
		}
		light.mu.Lock()
		light.broken = syscall.ENODEV
		light.mu.Unlock()
		time.Sleep(time.Minute)
		if log.count("does not blink any more") != 1 || log.count("is not put back") != 1 {
			t.Errorf("logged:\n%s", log)
		}
	})
}

// announcer is a shutdown port that says what a test tells it to.
type announcer struct {
	kinds chan string
	fails chan error
}

func (a *announcer) Watch(ctx context.Context, notify func(kind string)) error {
	for {
		select {
		case kind := <-a.kinds:
			notify(kind)
		case err := <-a.fails:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestShutdownNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system, log := &announcer{kinds: make(chan string), fails: make(chan error)}, &lines{}
		r := start(t, newBoard(), func(c *Config) { c.Shutdown, c.Logger = system, log.logger() })
		stream := r.watch(0)
		r.receive(stream)
		aligned()
		system.kinds <- "reboot"
		m := r.receive(stream)
		if n := m.GetShutdownNotices(); len(n) != 1 || n[0].GetKind() != agentv1.ShutdownKind_SHUTDOWN_KIND_REBOOT || n[0].GetAgeMilliseconds() != 0 {
			t.Errorf("notices: %v", n)
		}
		if m.GetSample() != 1 || m.GetAgeMilliseconds() != 500 {
			t.Errorf("a notice does not wait for a sample: %v", m)
		}
		if m = r.receive(stream); m.GetSample() != 2 || len(m.GetShutdownNotices()) != 0 {
			t.Errorf("it is sent again: %v", m)
		}
		time.Sleep(100 * time.Millisecond)
		if n := r.receive(r.watch(0)).GetShutdownNotices(); len(n) != 1 || n[0].GetAgeMilliseconds() != 600 {
			t.Errorf("a new stream begins with %v", n)
		}
		system.kinds <- "cancelled"
		if n := r.receive(stream).GetShutdownNotices(); len(n) != 1 || n[0].GetKind() != agentv1.ShutdownKind_SHUTDOWN_KIND_CANCELLED {
			t.Errorf("cancelled: %v", n)
		}
		if n := r.receive(r.watch(0)).GetShutdownNotices(); len(n) != 0 {
			t.Errorf("a cancelled shutdown opens a stream: %v", n)
		}
		system.fails <- errors.New("connection closed")
		time.Sleep(shutdownRetry)
		for _, kind := range []string{"", "", "poweroff", "poweroff", ""} { // what is no news is left out
			system.kinds <- kind
			synctest.Wait()
		}
		var kinds []agentv1.ShutdownKind
		for len(kinds) < 2 {
			for _, n := range r.receive(stream).GetShutdownNotices() {
				kinds = append(kinds, n.GetKind())
			}
		}
		if !slices.Equal(kinds, []agentv1.ShutdownKind{agentv1.ShutdownKind_SHUTDOWN_KIND_UNSPECIFIED, agentv1.ShutdownKind_SHUTDOWN_KIND_POWER_OFF}) {
			t.Errorf("after the port failed and came back: %v", kinds)
		}
		if n := r.receive(stream).GetShutdownNotices(); len(n) != 0 {
			t.Errorf("and then %v", n)
		}
		if log.count("shutdowns are not watched") != 1 {
			t.Errorf("logged:\n%s", log)
		}
	})
}
