package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// watched runs bramblectl against f in a bubble for a while, then presses Ctrl-C.
func watched(t *testing.T, f coordinatorv1.CoordinatorServiceServer, while time.Duration, stdout io.Writer, args ...string) (code int, stderr string) {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	s := newServer(f)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	// A Ctrl-C, and no deadline: that would reach the other end of a call, too.
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	defer time.AfterFunc(while, interrupt).Stop()
	var errs bytes.Buffer
	code = run(ctx, process{
		args: args, getenv: func(string) string { return "" }, stdout: stdout, stderr: &errs, width: func() int { return 0 },
		now:  func() time.Time { return time.Now().UTC() },
		dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.DialContext(ctx) },
	})
	s.Stop()
	if err := <-served; err != nil {
		t.Errorf("the fake ended with %v", err)
	}
	return code, errs.String()
}

// broken is a stream that says one heartbeat and breaks, with a case that is another one when it starts again.
func broken(t *testing.T) *fake {
	f := story(t, "empty.json")
	f.next = []script{
		{messages: []*coordinatorv1.WatchResponse{{Sequence: 2}}, pause: 4 * time.Second, end: status.Error(codes.Unavailable, "shutting down")},
		{pause: time.Second, messages: heartbeats(60)},
	}
	return f
}

func heartbeats(n int) []*coordinatorv1.WatchResponse {
	all := make([]*coordinatorv1.WatchResponse, n)
	for i := range all {
		all[i] = &coordinatorv1.WatchResponse{Sequence: uint64(i + 2)}
	}
	return all
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestWatchStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stdout bytes.Buffer
		code, stderr := watched(t, broken(t), 20*time.Second, &stdout, "watch")
		if code != 0 || stderr != "" {
			t.Errorf("ended with %d after Ctrl-C and said %q", code, stderr)
		}
		check(t, "printed", stdout.String(), `00:00:00  bare  no node is configured
00:00:04  watch  connection lost, trying again: shutting down
00:00:05  watch  connected again after 1 s
`)
	})
}

// The events of the time in between are lost; what they would have told is found by comparing.
func TestWatchCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := story(t, "pico5.json")
		later := proto.CloneOf(f.whole)
		n := later.GetNodes()
		n[0].BootId, n[0].Reboots = "another", 1
		n[1].Rail = coordinatorv1.RailState_RAIL_STATE_OFF
		n[1].GetThrottling().GetFlags()[0].Active = false
		n[2].Maintenance = true
		n[3].Presence, n[3].PresenceReason = coordinatorv1.Presence_PRESENCE_UNREACHABLE, "no route to host"
		n[4].GetMeasurements()[0].Value = &coordinatorv1.Measurement_Celsius{Celsius: 49}
		later.Nodes = append(n, &coordinatorv1.Node{Name: "worker-5"})
		later.GetCase().Alarms = []*coordinatorv1.Alarm{{Kind: coordinatorv1.AlarmKind_ALARM_KIND_NODE_UNREACHABLE, Subject: "worker-3", Message: "no route to host: is it plugged in?"}}
		fan := later.GetCase().GetFans()[0]
		fan.Mode, fan.Reason, fan.DutyFraction = coordinatorv1.FanMode_FAN_MODE_AUTOMATIC, "worker-2 leads", new(0.97)
		away := status.Error(codes.Unavailable, "starting")
		f.next = []script{{end: away}, {refusal: away}, {refusal: away}, {refusal: away}, {whole: later, messages: heartbeats(9), pause: time.Second}}

		var stdout bytes.Buffer
		watched(t, f, 10*time.Second, &stdout, "watch")
		_, after, _ := strings.Cut(stdout.String(), "connection lost, trying again: starting\n")
		check(t, "printed after the stream broke", after, `00:00:04  watch     connected again after 4 s
00:00:04  master    meanwhile: restarted
00:00:04  worker-1  meanwhile: rail off
00:00:04  worker-1  meanwhile: flags: under-voltage 3x, throttled 1x
00:00:04  worker-2  meanwhile: is in maintenance
00:00:04  worker-3  meanwhile: unreachable: no route to host
00:00:04  worker-4  meanwhile: sensor cpu-thermal reads again: 49.0 C
00:00:04  worker-5  meanwhile: new in the case
00:00:04  rear      meanwhile: 97 %, 4950 rpm, automatic: worker-2 leads
00:00:04  worker-3  meanwhile: alarm: no route to host: is it plugged in?
00:00:04  worker-1  meanwhile: alarm over: under voltage
00:00:04  worker-3  meanwhile: alarm over: node stale
00:00:04  worker-4  meanwhile: alarm over: sensor failed cpu-thermal
`)
	})
}

func TestWatchKeepsDataClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stdout bytes.Buffer
		_, stderr := watched(t, broken(t), 6*time.Second, &stdout, "watch", "-o", "json")
		check(t, "standard error", stderr, "bramblectl: connection lost, trying again: shutting down\nbramblectl: connected again after 1 s\n")
		for line := range strings.Lines(stdout.String()) {
			if !strings.HasPrefix(line, `{"sequence":`) {
				t.Errorf("standard output has %q", line)
			}
		}
	})
}

// A stream on which nothing comes is dead, although the connection stands.
func TestWatchNoticesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := story(t, "empty.json")
		f.next = []script{{}, {pause: 4 * time.Second, messages: heartbeats(9)}}
		var stdout bytes.Buffer
		watched(t, f, 30*time.Second, &stdout, "watch")
		check(t, "printed", stdout.String(), `00:00:00  bare  no node is configured
00:00:05  watch  connection lost, trying again: nothing heard for 5 s
00:00:06  watch  connected again after 1 s
`)
	})
}

// A person who pauses his terminal has not lost the coordinator.
func TestWatchForgivesItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := story(t, "empty.json")
		f.next = []script{{pause: time.Second, messages: heartbeats(60)}}
		slow := &paused{pause: 20 * time.Second}
		watched(t, f, time.Minute/2, slow, "watch")
		check(t, "printed", slow.printed.String(), "00:00:00  bare  no node is configured\n")
	})
}

// paused is a terminal that blocks its first writer for a while.
type paused struct {
	printed bytes.Buffer
	pause   time.Duration
}

func (p *paused) Write(b []byte) (int, error) {
	time.Sleep(p.pause)
	p.pause = 0
	return p.printed.Write(b)
}

// A refusal ends the watch, also when it comes later.
func TestWatchEndsWhenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := story(t, "empty.json")
		f.next = []script{{end: status.Error(codes.PermissionDenied, "you were removed from group bramble-viewer")}}
		code, stderr := watched(t, f, time.Hour, io.Discard, "watch")
		if code != exitRefused {
			t.Errorf("ended with %d", code)
		}
		check(t, "standard error", stderr, "bramblectl: refused: you were removed from group bramble-viewer\n")
	})
}

// A dial that leads nowhere costs the timeout and no more, and Ctrl-C ends it sooner.
func TestNoAnswer(t *testing.T) {
	for _, c := range []struct {
		patience, want time.Duration
		code           int
		stderr         string
	}{
		{time.Hour, 3 * time.Second, exitReach, "no answer within 3 s"},
		{time.Second, time.Second, exitInterrupted, "interrupted before the answer came"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, interrupt := context.WithTimeout(t.Context(), c.patience)
			defer interrupt()
			var stderr bytes.Buffer
			started := time.Now()
			code := run(ctx, process{args: []string{"nodes"}, getenv: func(string) string { return "" }, stdout: io.Discard, stderr: &stderr,
				width: func() int { return 0 }, now: time.Now,
				dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}})
			if took := time.Since(started); code != c.code || took != c.want || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("ended with %d after %v and said %q", code, took, stderr.String())
			}
		})
	}
}

// A case of 10,000 nodes is more than gRPC takes unless told to.
func TestBigCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := story(t, "pico5.json")
		f.whole.Nodes = slices.Repeat(f.whole.GetNodes(), 2000)
		var stdout bytes.Buffer
		if code, stderr := watched(t, f, time.Hour, &stdout, "status"); code != 0 || !strings.Contains(stdout.String(), "8000 of 10000 live") {
			t.Errorf("ended with %d and said %q:\n%s", code, stderr, stdout.String())
		}
	})
}

func TestOutputThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, command := range []string{"watch", "status"} {
			code, stderr := watched(t, story(t, "empty.json"), time.Hour, full{}, command)
			if code != exitFailed {
				t.Errorf("%s ended with %d", command, code)
			}
			check(t, "standard error", stderr, "bramblectl: writing the output: no space left on device\n")
		}
	})
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }
