package main

import (
	"fmt"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/store"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// openStore opens what outlasts the coordinator: a file, or memory without one. closeStore is nil with an error only.
func openStore(path string) (kept coordinator.Store, closeStore func() error, err error) {
	if path == "" {
		return &virtual.Memory{}, func() error { return nil }, nil
	}
	s, err := store.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("--store: %w", err)
	}
	return file{s}, s.Close, nil
}

// file is a store's file as the coordinator sees it.
type file struct{ *store.Store }

func (f file) Load() ([]core.Entry, error) {
	kept, err := f.Store.Load()
	entries := make([]core.Entry, len(kept))
	for i, e := range kept {
		entries[i] = core.Entry(e)
	}
	return entries, err
}

func (f file) Write(entries []core.Entry) error {
	plain := make([]store.Entry, len(entries))
	for i, e := range entries {
		plain[i] = store.Entry(e)
	}
	return f.Store.Write(plain)
}

func (f file) Damage() string {
	d, damaged := f.Store.Damage()
	if !damaged {
		return ""
	}
	return fmt.Sprintf("%s; it is kept as %s", d.Reason, d.File)
}
