package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

func (r *rig) pulse(ctx context.Context, width *durationpb.Duration) error {
	_, err := r.client.PulseDoneLine(ctx, &agentv1.PulseDoneLineRequest{Width: width})
	return err
}

func TestPulseHasTheWidthThatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJumper()
		r := start(t, newBoard(), func(c *Config) { c.DoneLine = j })
		for width, want := range map[*durationpb.Duration]time.Duration{
			nil: 200 * time.Millisecond, durationpb.New(minPulse): minPulse, durationpb.New(maxPulse): maxPulse,
			durationpb.New(minPulse - 1): 0, durationpb.New(maxPulse + 1): 0, {Seconds: 1, Nanos: -1}: 0,
		} {
			begin := time.Now()
			err := r.pulse(context.Background(), width)
			if want == 0 {
				r.wants(err, codes.InvalidArgument, "width")
			} else if err != nil {
				t.Errorf("%v: %v", width, err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("%v took %v, want %v", width, took, want)
			}
		}
		if high, pulses := j.is(); high || pulses != 3 {
			t.Errorf("high %v, %d pulses", high, pulses)
		}
		go r.pulse(context.Background(), durationpb.New(time.Second))
		synctest.Wait()
		r.wants(r.pulse(context.Background(), nil), codes.FailedPrecondition, "another pulse")
		time.Sleep(time.Second)

	})
	synctest.Test(t, func(t *testing.T) {
		j := newJumper()
		j.failure = errors.New("no done line of our own: the kernel owns it")
		r := start(t, newBoard(), func(c *Config) { c.DoneLine = j })
		r.wants(r.pulse(context.Background(), nil), codes.FailedPrecondition, "the kernel owns it")
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		r.wants(r.pulse(context.Background(), nil), codes.FailedPrecondition, "done: {line: N}")
	})
}

func TestPulseEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJumper()
		r := start(t, newBoard(), func(c *Config) { c.DoneLine = j })
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		r.wants(r.pulse(ctx, durationpb.New(time.Second)), codes.DeadlineExceeded)
		synctest.Wait()
		if high, pulses := j.is(); high || pulses != 1 {
			t.Errorf("high %v, %d pulses", high, pulses)
		}
	})
}

// TestNoPulseLooksLikeTheEnd is about a watcher that takes a line which is high for half a second, after an announcement,
// for the proof that the board has ended.
func TestNoPulseLooksLikeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, typed, j := &system{think: make(chan struct{})}, &announcer{kinds: make(chan string)}, newJumper()
		r := start(t, newBoard(), func(c *Config) { c.Power, c.Shutdown, c.DoneLine = s, typed, j })
		pulsed := make(chan error, 1)
		begin := func() {
			t.Helper()
			go func() { pulsed <- r.pulse(context.Background(), durationpb.New(2*time.Second)) }()
			synctest.Wait()
			if high, _ := j.is(); !high {
				t.Fatal("there is no pulse")
			}
		}
		refused := func(when string) {
			t.Helper()
			_, before := j.is()
			r.wants(r.pulse(context.Background(), nil), codes.FailedPrecondition, "a shutdown is on its way")
			if high, pulses := j.is(); high || pulses != before {
				t.Errorf("%s: high %v, %d pulses after %d", when, high, pulses, before)
			}
		}

		// Asked: the line is low before the system is.
		begin()
		answer := make(chan error, 1)
		go func() {
			_, err := r.powerOff("one")
			answer <- err
		}()
		synctest.Wait()
		r.wants(<-pulsed, codes.FailedPrecondition, "a shutdown is on its way")
		refused("while the system thinks")
		s.set(func() { s.refusal = ErrBlocked }) // of the next one
		close(s.think)
		if err := <-answer; err != nil {
			t.Fatal(err)
		}
		refused("after it was accepted")
		typed.kinds <- "cancelled"
		synctest.Wait()

		// Refused, all is as before.
		_, err := r.powerOff("two")
		r.wants(err, codes.FailedPrecondition)
		if err := r.pulse(context.Background(), nil); err != nil {
			t.Errorf("after a refusal: %v", err)
		}

		// Typed.
		begin()
		typed.kinds <- "poweroff"
		synctest.Wait()
		r.wants(<-pulsed, codes.FailedPrecondition, "a shutdown is on its way")
		refused("after a typed one")
		typed.kinds <- "cancelled"
		synctest.Wait()
		if err := r.pulse(context.Background(), nil); err != nil {
			t.Errorf("after it was called off: %v", err)
		}
	})
}

func TestDoneSignalIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJumper()
		r := start(t, newBoard(), func(c *Config) { c.DoneLine = j })
		stream := r.watch(0)
		check := func(n *agentv1.Node, state CapabilityState, source, detail string) {
			t.Helper()
			if got, want := told(n, DoneSignalCapability), (Capability{DoneSignalCapability, state, source, detail}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		n := r.receive(stream).GetNode()
		if s := n.GetDoneSignal(); s.GetMechanism() != agentv1.DoneMechanism_DONE_MECHANISM_HELPER || s.GetChip() != "pinctrl-bcm2711" || s.GetLine() != 26 || s.GetError() != "" {
			t.Errorf("%v", s)
		}
		check(n, Available, newJumper().signal.Source, "")

		for _, c := range []struct {
			signal DoneSignal
			state  CapabilityState
		}{
			{DoneSignal{Mechanism: DoneByHelper, Trouble: "bramble-done has gone"}, Failed},
			{DoneSignal{Mechanism: DoneByOverlay, Line: 17, ActiveLow: true, ActiveDelay: 100 * time.Millisecond,
				InactiveDelay: 150 * time.Millisecond, Timeout: 3 * time.Second, Source: "/proc/device-tree/power_ctrl"}, Available},
			{DoneSignal{Mechanism: DoneByOverlay, Line: 18, Source: "/proc/device-tree/power_ctrl"}, Available},
			{DoneSignal{}, Unsupported},
		} {
			j.becomes(c.signal)
			n := r.receive(stream).GetNode()
			check(n, c.state, c.signal.Source, c.signal.Trouble)
			s := n.GetDoneSignal()
			if (s != nil) != (c.signal.Mechanism != 0) || s.GetError() != c.signal.Trouble || s.GetLine() != c.signal.Line || s.GetActiveLow() != c.signal.ActiveLow ||
				s.GetActiveDelayMilliseconds() != uint32(c.signal.ActiveDelay.Milliseconds()) || s.GetInactiveDelayMilliseconds() != uint32(c.signal.InactiveDelay.Milliseconds()) ||
				s.GetTimeoutMilliseconds() != uint32(c.signal.Timeout.Milliseconds()) {
				t.Errorf("%v, want %+v", s, c.signal)
			}
			if s := r.node().GetNode().GetDoneSignal(); (s != nil) != (c.signal.Mechanism != 0) {
				t.Errorf("asked once: %v", s)
			}
		}
	})
}

func TestSystemIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, typed, log := &system{}, &announcer{kinds: make(chan string), fails: make(chan error)}, &lines{}
		r := start(t, newBoard(), func(c *Config) { c.Power, c.Shutdown, c.Logger = s, typed, log.logger() })
		check := func(kind CapabilityKind, state CapabilityState, detail string) {
			t.Helper()
			if got := told(r.node().GetNode(), kind); got.State != state || !strings.Contains(got.Detail, detail) {
				t.Errorf("%+v, want %v %q", got, state, detail)
			}
		}
		check(PowerOffCapability, Available, "")
		check(ShutdownNoticeCapability, Available, "")
		s.set(func() { s.ready = errors.New("no polkit rule") })
		check(PowerOffCapability, Failed, "no polkit rule")
		s.set(func() { s.ready = errors.ErrUnsupported })
		check(PowerOffCapability, Unsupported, "")
		for range 3 {
			typed.fails <- errors.New("the bus has gone away")
			synctest.Wait()
			check(ShutdownNoticeCapability, Failed, "the bus has gone away")
			time.Sleep(shutdownRetry)
		}
		if n := log.count("shutdowns are not watched"); n != 1 {
			t.Errorf("%d lines about it:\n%s", n, log)
		}
		time.Sleep(shutdownRetry)
		check(ShutdownNoticeCapability, Available, "")
	})
}
