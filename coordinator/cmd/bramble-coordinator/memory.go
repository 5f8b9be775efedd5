package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/coordinator/store"
)

// memory is the store as the coordinator sees it.
type memory struct{ *store.Store }

var _ coordinator.Store = memory{}

func (m memory) Load() ([]core.Entry, error) {
	kept, err := m.Store.Load()
	entries := make([]core.Entry, len(kept))
	for i, e := range kept {
		entries[i] = core.Entry(e)
	}
	return entries, err
}

func (m memory) Write(entries []core.Entry) error {
	plain := make([]store.Entry, len(entries))
	for i, e := range entries {
		plain[i] = store.Entry(e)
	}
	return m.Store.Write(plain)
}

func (m memory) Damage() string {
	d, damaged := m.Store.Damage()
	if !damaged {
		return ""
	}
	return fmt.Sprintf("%s; it is kept as %s", d.Reason, d.File)
}

// noMemory stands for a store that cannot be opened. Fans are driven and nodes followed all the same; nothing is switched,
// since nothing could be written down before.
type noMemory struct{ err error }

var _ coordinator.Store = noMemory{}

func (m noMemory) Load() ([]core.Entry, error) { return nil, nil }

func (m noMemory) Write([]core.Entry) error { return m.err }

func (m noMemory) Damage() string { return "" }

func (m noMemory) Acknowledge() error { return m.err }

// remember opens the file of operations and proofs. close is never nil.
func remember(path string) (s coordinator.Store, close func() error, err error) {
	none := func() error { return nil }
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		err = fmt.Errorf("%w: make %s for this user (as a service: StateDirectory=bramble), and restart", err, filepath.Dir(path))
		return noMemory{err}, none, err
	}
	opened, err := store.Open(path)
	if err != nil {
		return noMemory{err}, none, err
	}
	return memory{opened}, opened.Close, nil
}

// clock reads what the times in the store are counted from. Without a boot's identifier, each run counts as a new boot.
func (c *cli) clock() power.Instant {
	var now unix.Timespec
	id, err := os.ReadFile(c.at("proc/sys/kernel/random/boot_id"))
	if err = errors.Join(err, unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)); err != nil {
		return power.Instant{}
	}
	return power.Instant{BootID: strings.TrimSpace(string(id)), Boottime: time.Duration(now.Nano())}
}
