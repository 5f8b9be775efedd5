package main

import (
	"errors"
	"time"

	"github.com/bramblemesh/bramble/host/firmware"
)

const (
	reopenEvery = 30 * time.Second // a device that appears, answers or becomes readable late, as at boot, is found then
	reopenAfter = 10               // failures in a row before the source itself is doubted
)

// throttlingSource is the way to the throttling word that is open.
type throttlingSource interface {
	Word() (word, known uint32, err error)
	Source() string
	Denied() error
	Upgrade() bool // goes over to a better one that answers by now, if there is one
	Close() error
}

// throttling is the throttling word as the agent's port. It finds its source when one appears, goes over to a better one
// when that answers, and looks for another when the one in use keeps failing.
type throttling struct {
	root     string
	source   throttlingSource // nil: none
	why      error            // why there is none
	next     time.Time        // when to look for one, or for a better one
	failures int
}

func (t *throttling) open(now time.Time) {
	t.next, t.failures = now.Add(reopenEvery), 0
	source, err := firmware.Open(t.root)
	if err != nil {
		t.source, t.why = nil, err
		return
	}
	t.source, t.why = source, nil
}

// look looks for a source, or for a better one, when it is time to.
func (t *throttling) look(now time.Time) {
	switch {
	case now.Before(t.next):
	case t.source == nil:
		t.open(now)
	default:
		t.next = now.Add(reopenEvery)
		if t.source.Upgrade() {
			t.failures = 0
		}
	}
}

// Word reads the word.
func (t *throttling) Word() (word, known uint32, err error) {
	t.look(time.Now())
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
