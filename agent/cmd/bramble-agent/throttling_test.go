package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// fallback is a source that a better one takes the place of once that answers.
type fallback struct {
	better   bool // answers by now
	upgraded bool
	looks    int
}

func (f *fallback) Word() (word, known uint32, err error) {
	if f.upgraded {
		return 0xe0008, 0xf000f, nil
	}
	return 0, 0x10001, nil
}

func (f *fallback) Source() string {
	if f.upgraded {
		return "/dev/vcio_gencmd"
	}
	return "/sys/class/hwmon/hwmon1/in0_lcrit_alarm"
}

func (f *fallback) Upgrade() bool {
	f.looks++
	f.upgraded = f.upgraded || f.better
	return f.better
}

func (f *fallback) Denied() error { return nil }
func (f *fallback) Close() error  { return nil }

func TestThrottlingGoesOverToABetterSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fallback{}
		w := &throttling{source: f, next: time.Now().Add(reopenEvery)}
		read := func(known uint32, looks int) {
			t.Helper()
			if _, got, err := w.Word(); got != known || err != nil || f.looks != looks {
				t.Errorf("known %#x, %v, %d looks; want %#x and %d", got, err, f.looks, known, looks)
			}
		}
		read(0x10001, 0)
		time.Sleep(reopenEvery)
		read(0x10001, 1)
		f.better = true
		time.Sleep(reopenEvery - time.Second)
		read(0x10001, 1)
		time.Sleep(time.Second)
		read(0xf000f, 2)
		if w.Source() != "/dev/vcio_gencmd" {
			t.Errorf("from %s", w.Source())
		}
	})
}
