package agent

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	defaultHold = 10 * time.Second
	maxHold     = 5 * time.Minute
	halfBlink   = 250 * time.Millisecond // on, then as long off: 2 Hz
)

// blinker owns the light. One goroutine switches it, so that calls cannot mix.
type blinker struct {
	light    Light
	logger   hclog.Logger
	requests chan blink
}

// blink asks for the light to blink, or to stop with a hold of 0.
type blink struct {
	hold   time.Duration
	answer chan error
}

func newBlinker(light Light, logger hclog.Logger) *blinker {
	return &blinker{light: light, logger: logger, requests: make(chan blink)}
}

// hold is the one that a request asks for.
func hold(asked *time.Duration) (time.Duration, error) {
	if asked == nil {
		return defaultHold, nil
	}
	if *asked < 0 || *asked > maxHold {
		return 0, badRequest("hold: %v is not allowed: 0 (stop) to %v", *asked, maxHold)
	}
	return *asked, nil
}

// identify makes the light blink, or stop, and returns its name once it has been switched.
func (a *Agent) identify(ctx context.Context, hold time.Duration) (string, error) {
	b := a.blinker
	if b.light == nil {
		return "", errNoLight
	}
	request := blink{hold: hold, answer: make(chan error, 1)}
	select {
	case b.requests <- request:
	case <-a.stopping:
		return "", errStopping
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case err := <-request.answer:
		return b.light.Name(), err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// run serves requests until the context is done, and puts the light back whenever it stops to blink.
func (b *blinker) run(ctx context.Context) {
	var next *blink
	for {
		if next == nil {
			select {
			case <-ctx.Done():
				return
			case request := <-b.requests:
				next = &request
			}
		}
		if next.hold == 0 {
			next.answer <- nil
			next = nil
			continue
		}
		next = b.blink(ctx, *next)
	}
}

// blink blinks for one request and puts the light back. It returns the request that came meanwhile and replaces it.
func (b *blinker) blink(ctx context.Context, request blink) (next *blink) {
	on := true
	err := b.light.Set(on)
	defer func() {
		if err := b.light.Restore(); err != nil {
			b.logger.Warn("light is not put back", "error", err)
		}
	}()
	request.answer <- err
	if err != nil {
		return nil
	}
	b.logger.Info("light blinks", "reason", "identify")
	end, ticker := time.NewTimer(request.hold), time.NewTicker(halfBlink)
	defer end.Stop()
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-end.C:
			return nil
		case replacing := <-b.requests:
			return &replacing
		case <-ticker.C:
			on = !on
			if err := b.light.Set(on); err != nil {
				b.logger.Warn("light does not blink any more", "error", err)
				return nil
			}
		}
	}
}
