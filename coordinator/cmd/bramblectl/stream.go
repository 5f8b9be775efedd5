package main

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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

// reader follows one coordinator through any number of streams: one that restarts is waited for.
type reader[M any] struct {
	*cli
	to   *connection
	open func(context.Context) (grpc.ServerStreamingClient[M], error)
	// take prints a message and reports whether it was the last that is wanted.
	take func(*M) (done bool, err error)
	// say prints a line about the line itself.
	say func(what string) error
	// silence is how long a stream may bring nothing; 0 is for ever.
	silence time.Duration
	// patience is how long a broken line is waited for; 0 is for ever.
	patience time.Duration

	heard bool      // something came on any stream, or must not be proved any more
	lost  time.Time // when the line broke; zero while it holds
}

// run reads until take has enough, or ctx ends, which is no failure. A coordinator that was never reached, or refuses, is
// one, and so is one that does not come back.
func (r *reader[M]) run(ctx context.Context) error {
	for {
		done, broken, err := r.stream(ctx)
		switch {
		case err != nil:
			return err
		case done, ctx.Err() != nil:
			return nil
		case !r.heard, final(broken), r.patience > 0 && !r.lost.IsZero() && time.Since(r.lost) > r.patience:
			return r.to.failed(broken)
		}
		if err := r.sayLost(broken); err != nil {
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
	switch status.Code(err) {
	case codes.Unimplemented, codes.NotFound:
		return true
	}
	f, ok := answered(err)
	return ok && f.code != exitFailed
}

// stream prints one stream. broken is why it ended, err why the reading cannot go on.
func (r *reader[M]) stream(ctx context.Context) (done bool, broken, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The clock stands while we print: a reader who pauses his terminal has not lost the coordinator.
	silence := time.AfterFunc(r.to.timeout, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := r.open(ctx)
	for err == nil {
		var m *M
		if m, err = stream.Recv(); err != nil {
			break
		}
		silence.Stop()
		if err := r.sayFound(); err != nil {
			return false, nil, err
		}
		if done, err := r.take(m); done || err != nil {
			return done, nil, err
		}
		if r.silence > 0 {
			silence.Reset(r.silence)
		}
	}
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		return false, errSilent, nil
	case errors.Is(err, io.EOF):
		return false, status.Error(codes.Unavailable, "the coordinator ended the stream"), nil
	}
	return false, err, nil
}

func (r *reader[M]) sayFound() error {
	r.heard = true
	if r.lost.IsZero() {
		return nil
	}
	gone := time.Since(r.lost)
	r.lost = time.Time{}
	return r.say("connected again after " + screen.Duration(gone))
}

// sayLost tells once that the line broke, not with each attempt.
func (r *reader[M]) sayLost(broken error) error {
	if !r.lost.IsZero() {
		return nil
	}
	r.lost = time.Now()
	reason := r.to.reason(broken)
	if errors.Is(broken, errSilent) && r.silence > 0 {
		reason = "nothing heard for " + screen.Duration(r.silence)
	}
	return r.say("connection lost, trying again: " + reason)
}
