package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// system is a system that goes down when it is asked, unless a test lets it refuse or think.
type system struct {
	mu      sync.Mutex
	asked   []string
	refusal error
	think   chan struct{} // it answers when this is closed; nil: at once
	ready   error
}

func (s *system) ask(ctx context.Context, what string) error {
	s.mu.Lock()
	s.asked = append(s.asked, what)
	refusal, think := s.refusal, s.think
	s.mu.Unlock()
	if think != nil {
		<-think
	}
	return cmp.Or(refusal, ctx.Err())
}

func (s *system) PowerOff(ctx context.Context) error { return s.ask(ctx, "poweroff") }
func (s *system) Reboot(ctx context.Context) error   { return s.ask(ctx, "reboot") }

func (s *system) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// set changes it between two questions.
func (s *system) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *system) was(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.asked, want) {
		t.Errorf("the system was asked %q, want %q", s.asked, want)
	}
}

// jumper is a board's end of its done line.
type jumper struct {
	mu      sync.Mutex
	signal  DoneSignal
	failure error
	high    bool
	pulses  int
}

func newJumper() *jumper {
	return &jumper{signal: DoneSignal{Mechanism: DoneByHelper, Chip: "pinctrl-bcm2711", Line: 26, Source: "/usr/lib/systemd/system-shutdown/bramble-done"}}
}

func (j *jumper) Signal() DoneSignal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.signal
}

// becomes changes it between two looks.
func (j *jumper) becomes(signal DoneSignal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.signal = signal
}

func (j *jumper) set(high bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.high = high; high {
		j.pulses++
	}
}

func (j *jumper) is() (high bool, pulses int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.high, j.pulses
}

func (j *jumper) Pulse(ctx context.Context, width time.Duration) error {
	if j.failure != nil {
		return j.failure
	}
	j.set(true)
	defer j.set(false)
	select {
	case <-time.After(width):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *rig) powerOff(id string) (repeated bool, err error) {
	answer, err := r.client.PowerOff(context.Background(), &agentv1.PowerOffRequest{OperationId: id})
	return answer.GetRepeated(), err
}

func (r *rig) reboot(id string) (repeated bool, err error) {
	answer, err := r.client.Reboot(context.Background(), &agentv1.RebootRequest{OperationId: id})
	return answer.GetRepeated(), err
}

func (r *rig) cancel(id string) error {
	_, err := r.client.CancelPowerOff(context.Background(), &agentv1.CancelPowerOffRequest{OperationId: id})
	return err
}

// wants checks an answer's code, and what its text names.
func (r *rig) wants(err error, code codes.Code, mention ...string) {
	r.Helper()
	text := status.Convert(err).Message()
	for _, part := range mention {
		if !strings.Contains(text, part) {
			r.Errorf("no %q in %q", part, text)
		}
	}
	if status.Code(err) != code || strings.Contains(text, "\n") {
		r.Errorf("%v, want %v", err, code)
	}
}

const (
	toldPowerOff  = agentv1.ShutdownKind_SHUTDOWN_KIND_POWER_OFF
	toldReboot    = agentv1.ShutdownKind_SHUTDOWN_KIND_REBOOT
	toldUnnamed   = agentv1.ShutdownKind_SHUTDOWN_KIND_UNSPECIFIED
	toldCancelled = agentv1.ShutdownKind_SHUTDOWN_KIND_CANCELLED
)

func TestPowerOffIsAskedOnceAndAnnouncedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{}
		r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine = s, newJumper() })
		stream := r.watch(0)
		r.receive(stream)
		aligned()
		if repeated, err := r.powerOff("case-stop/worker-1"); err != nil || repeated {
			t.Errorf("repeated %v, %v", repeated, err)
		}
		if m := r.receive(stream); m.GetSample() != 1 || len(m.GetShutdownNotices()) != 1 || m.GetShutdownNotices()[0].GetKind() != toldPowerOff {
			t.Errorf("announced: %v", m)
		}
		for range 2 {
			if repeated, err := r.powerOff("case-stop/worker-1"); err != nil || !repeated {
				t.Errorf("again: repeated %v, %v", repeated, err)
			}
		}
		s.was(t, "poweroff")
		_, err := r.reboot("case-stop/worker-1")
		r.wants(err, codes.InvalidArgument, "operation_id", "another kind")
		if _, err := r.reboot("rolling/worker-1"); err != nil {
			t.Error(err)
		}
		s.was(t, "poweroff", "reboot")
	})
}

func TestOperationIDIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{}
		r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine = s, newJumper() })
		for id, ok := range map[string]bool{"": false, "x": true, strings.Repeat("ä", 64): true, strings.Repeat("a", 65): false} {
			if _, err := r.reboot(id); (err == nil) != ok {
				t.Errorf("%q: %v", id, err)
			} else if !ok {
				r.wants(err, codes.InvalidArgument, "operation_id: has", "1 to 64")
			}
		}
	})
}

func TestPowerOffWhoseEndNobodyCouldSeeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := &system{}, newJumper()
		r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine = s, j })
		broken := j.signal
		broken.Trouble = "nothing would raise the done line: install bramble-done"
		for mention, signal := range map[string]DoneSignal{"install bramble-done": broken, "dtoverlay=gpio-poweroff": {}} {
			j.becomes(signal)
			_, err := r.powerOff("one")
			r.wants(err, codes.FailedPrecondition, "nobody could see the end", mention)
		}
		s.was(t)
		if _, err := r.reboot("two"); err != nil {
			t.Errorf("a reboot has no end to see: %v", err)
		}
		if _, err := r.client.PowerOff(context.Background(), &agentv1.PowerOffRequest{OperationId: "one", WithoutDoneSignal: true}); err != nil {
			t.Errorf("told that no signal is involved: %v", err)
		}
		s.was(t, "reboot", "poweroff")
	})
}

func TestRefusalsHaveTheirCodes(t *testing.T) {
	for _, c := range []struct {
		refusal error
		code    codes.Code
	}{
		{fmt.Errorf("logind: no rule: %w", fs.ErrPermission), codes.PermissionDenied},
		{fmt.Errorf("logind: apt: %w", ErrBlocked), codes.FailedPrecondition},
		{fmt.Errorf("logind: %w", ErrUnderWay), codes.FailedPrecondition},
		{fmt.Errorf("no logind: %w", errors.ErrUnsupported), codes.FailedPrecondition},
		{errors.New("the bus does not answer"), codes.Unavailable},
		{context.DeadlineExceeded, codes.Unavailable},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &system{refusal: c.refusal}
			r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine = s, newJumper() })
			stream := r.watch(0)
			r.receive(stream)
			_, err := r.powerOff("one")
			r.wants(err, c.code, c.refusal.Error())
			_, err = r.reboot("two")
			r.wants(err, c.code, c.refusal.Error())
			for range 2 {
				if m := r.receive(stream); len(m.GetShutdownNotices()) != 0 {
					t.Errorf("announced: %v", m)
				}
			}

			// Refused is not carried out: the same operation may be asked again, and what is under way then is not it.
			s.set(func() { s.refusal = ErrUnderWay })
			_, err = r.powerOff("one")
			r.wants(err, codes.FailedPrecondition, "under way")
			s.set(func() { s.refusal = nil })
			if repeated, err := r.powerOff("one"); err != nil || repeated {
				t.Errorf("repeated %v, %v", repeated, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), func(c *Config) { c.DoneLine = newJumper() })
		_, err := r.powerOff("one")
		r.wants(err, codes.FailedPrecondition, "doctor")
	})
}

// TestManyAskAtOnce asks for one operation from ten callers while the system thinks, and for another one.
func TestManyAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{think: make(chan struct{})}
		r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine = s, newJumper() })
		var wg sync.WaitGroup
		var mu sync.Mutex
		first := 0
		for range 10 {
			wg.Go(func() {
				repeated, err := r.powerOff("one")
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				} else if !repeated {
					first++
				}
			})
		}
		synctest.Wait()
		_, err := r.reboot("two")
		r.wants(err, codes.FailedPrecondition, `operation "one"`, "under way")
		r.wants(r.cancel("one"), codes.FailedPrecondition, "too late")
		close(s.think)
		wg.Wait()
		s.was(t, "poweroff")
		if first != 1 {
			t.Errorf("%d were the first", first)
		}
	})
}

func TestOperationsSurviveTheAgentAndNotTheBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "operations.json")
		s := &system{}
		run := func(boot string) *rig {
			return start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine, c.OperationsPath, c.BootID = s, newJumper(), path, boot })
		}
		r := run("boot-1")
		if _, err := r.powerOff("one"); err != nil {
			t.Fatal(err)
		}
		r.stop()
		r = run("boot-1")
		if repeated, err := r.powerOff("one"); err != nil || !repeated {
			t.Errorf("after a restart of the agent: repeated %v, %v", repeated, err)
		}
		s.was(t, "poweroff")
		r.stop()
		r = run("boot-2")
		if repeated, err := r.powerOff("one"); err != nil || repeated {
			t.Errorf("in the next boot: repeated %v, %v", repeated, err)
		}
		s.was(t, "poweroff", "poweroff")
		r.stop()

		// Damaged, it is forgotten, and said so.
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		log := &lines{}
		start(t, newBoard(), func(c *Config) { c.OperationsPath, c.BootID, c.Logger = path, "boot-2", log.logger() })
		if log.count("are forgotten") != 1 {
			t.Errorf("logged:\n%s", log)
		}
	})
}

// TestAgentDiesWhileItAsks leaves what a killed agent leaves: an operation that was written down and not yet answered.
func TestAgentDiesWhileItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for refusal, want := range map[error]codes.Code{nil: codes.OK, ErrUnderWay: codes.OK, ErrBlocked: codes.FailedPrecondition} {
			path := filepath.Join(t.TempDir(), "operations.json")
			if err := writeState(path, pages{"boot-1", []operation{{ID: "one", Kind: "poweroff"}}}); err != nil {
				t.Fatal(err)
			}
			s := &system{refusal: refusal}
			r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine, c.OperationsPath = s, newJumper(), path })
			_, err := r.powerOff("one")
			r.wants(err, want)
			s.was(t, "poweroff")
			if repeated, _ := r.powerOff("one"); repeated != (want == codes.OK) {
				t.Errorf("%v: repeated %v", refusal, repeated)
			}
			_, err = r.powerOff("two") // another one is not what is under way
			if refusal != nil {
				r.wants(err, codes.FailedPrecondition)
			}
			r.stop()
		}
	})
}

func TestPowerOffIsCalledOffWhileItIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{}
		r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine, c.PowerOffHold = s, newJumper(), 3*time.Second })
		answer := make(chan error, 1)
		ask := func(id string) {
			_, err := r.powerOff(id)
			answer <- err
		}
		r.wants(r.cancel("one"), codes.FailedPrecondition, `operation "one"`, "nothing of it is pending")
		go ask("one")
		time.Sleep(2 * time.Second)
		r.wants(r.cancel("two"), codes.FailedPrecondition, "nothing of it is pending")
		if err := r.cancel("one"); err != nil {
			t.Error(err)
		}
		r.wants(<-answer, codes.Aborted, "called off")
		time.Sleep(10 * time.Second)
		s.was(t)

		// Called off is not carried out: it may be asked again, and then it is too late.
		go ask("one")
		time.Sleep(3*time.Second - time.Nanosecond)
		s.was(t)
		if err := <-answer; err != nil {
			t.Error(err)
		}
		s.was(t, "poweroff")
		r.wants(r.cancel("one"), codes.FailedPrecondition, "too late", "switched on again")
	})
}

func TestOperationTakesItsCourseWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{}
		r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine, c.PowerOffHold = s, newJumper(), 5*time.Second })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := r.client.PowerOff(ctx, &agentv1.PowerOffRequest{OperationId: "one"})
		r.wants(err, codes.DeadlineExceeded)
		if repeated, err := r.powerOff("one"); err != nil || !repeated {
			t.Errorf("asked again: repeated %v, %v", repeated, err)
		}
		s.was(t, "poweroff")
	})
}

func TestHeldBackOperationIsGivenUpWithTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{}
		r := start(t, newBoard(), func(c *Config) { c.Power, c.DoneLine, c.PowerOffHold = s, newJumper(), 5*time.Second })
		answer := make(chan error, 1)
		go func() {
			_, err := r.powerOff("one")
			answer <- err
		}()
		time.Sleep(time.Second)
		r.stop()
		r.wants(<-answer, codes.Unavailable)
		time.Sleep(10 * time.Second)
		s.was(t)
	})
}
