package main

import (
	"errors"
	"time"

	"github.com/bramblemesh/bramble/host/firmware"
)

const (
	reopenEvery = 30 * time.Second // a device that appears or becomes readable late, as at boot, is found then
	reopenAfter = 10               // failures in a row before the source itself is doubted
)

// throttling is the throttling word as the agent's port. It finds its source when one appears, and looks for another
// when the one in use keeps failing.
type throttling struct {
	root     string
	source   *firmware.Throttling // nil: none
	why      error                // why there is none
	next     time.Time            // when to look again
	failures int
}

func (t *throttling) open(now time.Time) {
	t.next, t.failures = now.Add(reopenEvery), 0
	t.source, t.why = firmware.Open(t.root)
}

// Word reads the word.
func (t *throttling) Word() (word, known uint32, err error) {
	if now := time.Now(); t.source == nil && !now.Before(t.next) {
		t.open(now)
	}
	if t.source == nil {
		return 0, 0, t.why
	}
	word, known, err = t.source.Word()
	if err == nil {
		t.failures = 0
		return word, known, nil
	}
	if t.failures++; t.failures >= reopenAfter {
		t.why = errors.Join(err, t.source.Close())
		t.source, t.next = nil, time.Now()
	}
	return 0, 0, err
}

// Source is the path that was read; "" without one.
func (t *throttling) Source() string {
	if t.source == nil {
		return ""
	}
	return t.source.Source()
}
