package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// An answer that is missed while the machine goes down cuts the workers; one that is made up on a restart stops them.
func TestGoingDownAsksUntilItKnows(t *testing.T) {
	slow := func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() }
	says := func(down bool) func(context.Context) (bool, error) {
		return func(context.Context) (bool, error) { return down, nil }
	}
	for name, test := range map[string]struct {
		answers []func(context.Context) (bool, error) // the last one again and again
		want    bool
		within  time.Duration
	}{
		"a restart":                   {[]func(context.Context) (bool, error){says(false)}, false, 0},
		"a shutdown":                  {[]func(context.Context) (bool, error){says(true)}, true, 0},
		"a shutdown, systemd is busy": {[]func(context.Context) (bool, error){slow, slow, says(true)}, true, 8 * time.Second},
		"a restart, systemd is busy":  {[]func(context.Context) (bool, error){slow, says(false)}, false, 4 * time.Second},
		"systemd does not answer":     {[]func(context.Context) (bool, error){slow}, false, 20 * time.Second},
		"there is no bus on this host": {[]func(context.Context) (bool, error){func(context.Context) (bool, error) {
			return false, fmt.Errorf("system bus: %w", fs.ErrNotExist)
		}}, false, 0},
		"the bus is started anew": {[]func(context.Context) (bool, error){func(context.Context) (bool, error) {
			return false, errors.New("connection refused")
		}, says(true)}, true, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, start := 0, time.Now()
				ask := func(ctx context.Context) (bool, error) {
					answer := test.answers[min(asked, len(test.answers)-1)]
					asked++
					return answer(ctx)
				}
				if got := goingDown(t.Context(), ask, hclog.NewNullLogger()); got != test.want || time.Since(start) > test.within {
					t.Errorf("%t after %s; want %t within %s", got, time.Since(start), test.want, test.within)
				}
			})
		})
	}
}

// A stop that takes its time is not killed; one whose control loop hangs is.
func TestPatienceLastsAsLongAsTheControlLoop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.sock")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	heard := func() (count int) {
		text := make([]byte, 64)
		for manager.SetReadDeadline(time.Now().Add(time.Millisecond)) == nil {
			n, err := manager.Read(text)
			if err != nil {
				break
			}
			if got := string(text[:n]); got != "EXTEND_TIMEOUT_USEC=30000000" {
				t.Errorf("told %q", got)
			}
			count++
		}
		return count
	}
	var p patience
	tick := p.tick(hclog.NewNullLogger())
	tick()
	if n := heard(); n != 0 {
		t.Errorf("asked for more time %d times before the end", n)
	}
	p.ask(hclog.NewNullLogger())
	if n := heard(); n != 1 {
		t.Errorf("asked for more time %d times at first, want once", n)
	}
	tick()
	tick()
	if n := heard(); n != 1 {
		t.Errorf("two ticks asked for more time %d times, want once", n)
	}
}
