package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// played is a case whose operation goes as the lines say.
func played(t *testing.T, lines ...string) *fake {
	t.Helper()
	f := story(t, "night.json")
	if err := f.play(strings.Join(lines, "\n")); err != nil {
		t.Fatal(err)
	}
	return f
}

// reboots is one node's restart: how it stands after some milestones.
func reboots(state, step string, milestones ...string) string {
	var all []string
	for i, name := range milestones {
		all = append(all, fmt.Sprintf(`{"name": %q, "afterMilliseconds": "%d"}`, name, 1000*i))
	}
	return fmt.Sprintf(`{"id": "op-7", "kind": "OPERATION_KIND_REBOOT", "state": "OPERATION_STATE_%s", "tookMilliseconds": "2000",
		"steps": [{"node": "worker-2", "state": "STEP_STATE_%s", "milestones": [%s]}]}`, state, step, strings.Join(all, ", "))
}

func oneLineEach(lines ...string) []string {
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, "\n", " ")
	}
	return lines
}

// A coordinator that restarts meanwhile goes on with the operation, and so does the following. Nothing is told twice.
func TestFollowStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, ready := reboots("RUNNING", "RUNNING", "asked"), reboots("DONE", "DONE", "asked", "announced", "ready")
		f := played(t, oneLineEach(`{"operation": `+asked+`}`, "break", reboots("RUNNING", "RUNNING", "asked", "announced"), "break", ready)...)
		var stdout bytes.Buffer
		code, stderr := watched(t, f, time.Hour, &stdout, "reboot", "worker-2", "--wait")
		if code != 0 || stderr != "" {
			t.Errorf("ended with %d and said %q", code, stderr)
		}
		check(t, "printed", stdout.String(), `op-7: reboot worker-2; Ctrl-C ends the following, not the operation
   +0.0 s  worker-2  asked
connection lost, trying again: the coordinator stops
connected again after 1 s
   +1.0 s  worker-2  announced
connection lost, trying again: the coordinator stops
connected again after 1 s
   +2.0 s  worker-2  ready
op-7: reboot worker-2 done after 2 s
`)
	})
}

// One that does not come back is not waited for for ever, and the operation is not called lost.
func TestFollowGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := played(t, oneLineEach(`{"operation": `+reboots("RUNNING", "RUNNING", "asked")+`}`)...)
		for range 200 {
			f.course = append(f.course, nil)
		}
		gone := &leaves{fake: f}
		var stdout bytes.Buffer
		started := time.Now()
		code, stderr := watched(t, gone, time.Hour, &stdout, "reboot", "worker-2", "--wait", "-o", "json")
		if took := time.Since(started); code != exitReach || took < patience || took > patience+10*time.Second {
			t.Errorf("ended with %d after %v", code, took)
		}
		check(t, "standard error", stderr, `bramblectl: connection lost, trying again: the coordinator stops
bramblectl: cannot reach the coordinator at unix:///run/bramble/coordinator.sock: the coordinator stops; operation op-7 goes on wherever the coordinator does: bramblectl operation op-7 --wait
`)
		if n := strings.Count(stdout.String(), "\n"); n != 1 {
			t.Errorf("printed %d lines:\n%s", n, stdout.String())
		}
	})
}

// leaves is a coordinator that answers one watch and then is about to stop for ever.
type leaves struct {
	*fake
	left bool
}

func (l *leaves) WatchOperation(q *coordinatorv1.WatchOperationRequest, stream grpc.ServerStreamingServer[coordinatorv1.WatchOperationResponse]) error {
	if l.left {
		return status.Error(codes.Unavailable, "the coordinator stops")
	}
	l.left = true
	return l.fake.WatchOperation(q, stream)
}

// An operation that the coordinator has forgotten cannot be followed.
func TestFollowWhatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := played(t, oneLineEach(`{"operation": `+reboots("RUNNING", "RUNNING")+`}`, strings.Replace(reboots("RUNNING", "RUNNING"), "op-7", "op-8", 1), "break")...)
		code, stderr := watched(t, f, time.Hour, io.Discard, "reboot", "worker-2", "--wait")
		if code != exitFailed || !strings.Contains(stderr, `operation "op-7": not found`) {
			t.Errorf("ended with %d and said %q", code, stderr)
		}
	})
}

// A request whose answer was lost is made again in the same name, so that it begins once.
func TestLostAnswerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := played(t, oneLineEach("lose", "lose", `{"operation": `+reboots("RUNNING", "RUNNING")+`}`)...)
		var stdout bytes.Buffer
		code, stderr := watched(t, f, time.Hour, &stdout, "reboot", "worker-2")
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout.String(), "op-7: reboot worker-2 has begun") {
			t.Errorf("ended with %d and said %q:\n%s", code, stderr, stdout.String())
		}
		if len(f.begun) != 3 || f.begun[0] == "" || len(slices.Compact(slices.Clone(f.begun))) != 1 {
			t.Errorf("asked in the names %q", f.begun)
		}

		// Another request has another name.
		watched(t, f, time.Hour, io.Discard, "reboot", "worker-2")
		if f.begun[3] == f.begun[0] {
			t.Errorf("two requests in the name %q", f.begun[0])
		}
	})
}

// When no answer comes at all, nobody knows whether it began; the name says how to ask without harm.
func TestLostForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := played(t, oneLineEach(slices.Repeat([]string{"lose"}, 100)...)...)
		code, stderr := watched(t, f, time.Hour, io.Discard, "case", "stop", "--request-id", "storm-1")
		if code != exitReach || !strings.HasSuffix(stderr, "it may have begun: see bramblectl operations, or ask again with --request-id storm-1, which never begins it twice\n") {
			t.Errorf("ended with %d and said %q", code, stderr)
		}
		code, stderr = watched(t, f, 5*time.Second, io.Discard, "case", "stop", "--request-id", "storm-1")
		if code != exitInterrupted || !strings.Contains(stderr, "interrupted before the answer came; it may have begun") {
			t.Errorf("interrupted, it ended with %d and said %q", code, stderr)
		}
	})
}

// A coordinator that is not there was asked nothing: no second try, no doubt.
func TestNobodyWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		started := time.Now()
		code := run(t.Context(), process{args: []string{"case", "stop"}, getenv: func(string) string { return "" }, stdout: io.Discard, stderr: &stderr,
			width: func() int { return 0 }, now: time.Now,
			dial: func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("no route to host") }})
		if took := time.Since(started); code != exitReach || strings.Contains(stderr.String(), "may have begun") || took > 5*time.Second {
			t.Errorf("ended with %d after %v and said %q", code, took, stderr.String())
		}
	})
}

// Events go on after a restart, with those that were missed and none twice.
func TestEventsCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		event := func(number uint64, message string) *coordinatorv1.Event {
			return &coordinatorv1.Event{Number: number, Kind: coordinatorv1.EventKind_EVENT_KIND_OPERATION, Subject: "worker-1", Message: message}
		}
		f := story(t, "empty.json")
		f.whole.Events = []*coordinatorv1.Event{event(1, "told at first")}
		f.whole.GetEvents()[0].AgeMilliseconds = 5000
		later := story(t, "empty.json").whole
		later.Events = []*coordinatorv1.Event{event(0, "told at first"), event(0, "told then"), event(0, "missed"), event(1, "new")}
		for i, age := range []uint64{8000, 2500, 900, 100} {
			later.GetEvents()[i].AgeMilliseconds = age
		}
		f.next = []script{
			{messages: []*coordinatorv1.WatchResponse{{Sequence: 2, Events: []*coordinatorv1.Event{event(1, "told at first"), event(2, "told then")}}}, pause: time.Second,
				end: status.Error(codes.Unavailable, "stopping")},
			{whole: later, messages: []*coordinatorv1.WatchResponse{{Sequence: 2, Events: []*coordinatorv1.Event{event(1, "new"), event(2, "newer")}}}, pause: time.Second},
		}
		var stdout bytes.Buffer
		code, stderr := watched(t, f, 6*time.Second, &stdout, "events", "-f")
		if code != 0 {
			t.Errorf("ended with %d", code)
		}
		var told []string
		for line := range strings.Lines(stdout.String()) {
			_, message, _ := strings.Cut(strings.TrimSpace(line), "worker-1  ")
			told = append(told, message)
		}
		check(t, "told", strings.Join(told, ", "), "told at first, told then, missed, new, newer")
		check(t, "standard error", stderr, "bramblectl: connection lost, trying again: stopping\nbramblectl: connected again after 1 s\n")
	})
}

// A connection that ends without a word is one too.
func TestFollowAcrossACutLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := played(t, oneLineEach(`{"operation": `+reboots("RUNNING", "RUNNING", "asked")+`}`)...)
		l := bufconn.Listen(1 << 16)
		s := newServer(f)
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		var stdout, stderr bytes.Buffer
		var lines []net.Conn
		time.AfterFunc(3*time.Second, func() {
			f.mu.Lock()
			f.answer.Operation.State = coordinatorv1.OperationState_OPERATION_STATE_DONE
			f.mu.Unlock()
			for _, line := range lines {
				line.Close()
			}
		})
		code := run(t.Context(), process{args: []string{"operation", "op-7", "--wait"}, getenv: func(string) string { return "" }, stdout: &stdout, stderr: &stderr,
			width: func() int { return 0 }, now: time.Now,
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				line, err := l.DialContext(ctx)
				lines = append(lines, line)
				return line, err
			}})
		if code != 0 || !strings.Contains(stdout.String(), "connection lost, trying again: ") || !strings.HasSuffix(stdout.String(), "op-7: reboot worker-2 done after 2 s\n") {
			t.Errorf("ended with %d and said %q:\n%s", code, stderr.String(), stdout.String())
		}
		s.Stop()
		<-served
	})
}
