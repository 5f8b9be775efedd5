package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/screen"
)

const (
	retryAfter = time.Second
	// A coordinator sends something every second. Five missing heartbeats are a dead line, which gRPC alone would
	// not notice for a minute.
	silenceLimit = 5 * time.Second
)

// errSilent ends a stream on which nothing comes any more.
var errSilent = status.Error(codes.DeadlineExceeded, "nothing heard from the coordinator")

func (c *cli) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Follow what happens, a line for each event, until Ctrl-C",
		Args:  commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := c.connect()
			if err != nil {
				return err
			}
			defer to.conn.Close()
			w := &watcher{cli: c, to: to}
			return w.run(cmd.Context())
		},
	}
}

// watcher follows one coordinator through any number of streams.
type watcher struct {
	*cli
	to    *connection
	log   screen.Log
	heard bool      // something came on any stream
	lost  time.Time // when the line broke; zero while it holds
}

// run watches until ctx ends, which is no failure. A coordinator that was never reached, or refuses, is one.
func (w *watcher) run(ctx context.Context) error {
	for {
		broken, err := w.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case !w.heard || final(broken):
			return w.to.failed(broken)
		}
		if err := w.sayLost(broken); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryAfter):
		}
	}
}

// final is an answer that trying again would not change.
func final(err error) bool {
	f, ok := answered(err)
	return ok && (f.code != exitFailed || status.Code(err) == codes.Unimplemented)
}

// follow prints one stream. broken is why it ended, err why the watch cannot go on.
func (w *watcher) follow(ctx context.Context) (broken, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The clock stands while we print: a reader who pauses his terminal has not lost the coordinator.
	silence := time.AfterFunc(w.timeout, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := w.to.Watch(ctx, &coordinatorv1.WatchRequest{})
	for err == nil {
		var m *coordinatorv1.WatchResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		silence.Stop()
		if err := w.take(m); err != nil {
			return nil, err
		}
		silence.Reset(silenceLimit)
	}
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		return errSilent, nil
	case errors.Is(err, io.EOF):
		return status.Error(codes.Unavailable, "the coordinator ended the stream"), nil
	}
	return err, nil
}

// take prints one message.
func (w *watcher) take(m *coordinatorv1.WatchResponse) error {
	w.heard = true
	if !w.lost.IsZero() {
		gone := w.now().Sub(w.lost)
		w.lost = time.Time{}
		if err := w.say("connected again after " + screen.Duration(gone)); err != nil {
			return err
		}
	}
	if w.output != formatTable {
		var text bytes.Buffer
		if err := w.encode(&text, m, ""); err != nil {
			return err
		}
		return w.write(text.String())
	}
	s := w.screen()
	var text strings.Builder
	for _, notice := range w.log.Take(m, s.Now) {
		text.WriteString(s.Notice(notice, w.log.SubjectWidth()))
	}
	return w.write(text.String())
}

// sayLost tells once that the line broke, not with each attempt.
func (w *watcher) sayLost(broken error) error {
	if !w.lost.IsZero() {
		return nil
	}
	w.lost = w.now()
	reason := w.to.reason(broken)
	if errors.Is(broken, errSilent) {
		reason = "nothing heard for " + screen.Duration(silenceLimit)
	}
	return w.say("connection lost, trying again: " + reason)
}

// say prints a line about the watch itself: among the others for a person, beside the data for a program.
func (w *watcher) say(what string) error {
	s := w.screen()
	line := s.Notice(screen.Notice{At: s.Now, Subject: "watch", What: what}, w.log.SubjectWidth())
	if w.output == formatTable {
		return w.write(line)
	}
	_, err := io.WriteString(w.stderr, "bramblectl: "+what+"\n")
	return err
}
