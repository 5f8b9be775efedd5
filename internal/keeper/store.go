package keeper

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/internal/daemon"
)

// renewal is how often everything is offered again, so that a keeper that came late or lost what it had gets it.
const renewal = 30 * time.Second

// Store is systemd's store and bramble-rails in one. Its methods may be called from any goroutine.
type Store struct {
	rails Client
	left  []daemon.Descriptor // of earlier processes

	mu   sync.Mutex
	mine []daemon.Descriptor // what this process has kept
}

// Open takes what earlier processes left, from systemd and from the bramble-rails behind a socket. It is called once in a
// process, before anything else reads systemd's descriptors. The store is good beside an error, which says which of
// the two could not be asked.
func Open(socket string) (*Store, error) {
	left, systemd := daemon.Kept()
	s := &Store{rails: Client{socket}, left: left}
	got, rails := s.rails.Get()
	for _, d := range got {
		double := func(k daemon.Descriptor) bool { return same(k.FD, d.FD, k.Name, d.Name) }
		if slices.ContainsFunc(s.left, double) {
			_ = unix.Close(d.FD) // its keeper has its own
			continue
		}
		s.left = append(s.left, d)
	}
	return s, errors.Join(systemd, rails)
}

// All yields the names and descriptors that earlier processes left, those of systemd first, each open file once. They
// stay open whether anyone uses them or not.
func (s *Store) All() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, d := range s.left {
			if !yield(d.Name, d.FD) {
				return
			}
		}
	}
}

// Keep gives both keepers a copy of a descriptor, unless they have it, and has Run see that they keep it. The descriptor
// must stay open. An error says who did not take it; it wraps [errors.ErrUnsupported] if that is a systemd that did
// not start this process.
func (s *Store) Keep(name string, fd int) error {
	s.mu.Lock()
	if d := (daemon.Descriptor{Name: name, FD: fd}); !slices.Contains(s.mine, d) {
		s.mine = append(s.mine, d)
	}
	s.mu.Unlock()
	return errors.Join(daemon.Keep(name, fd), s.rails.Put(name, fd))
}

// Drop makes both keepers let go of what has a name. This process's own descriptor stays open.
func (s *Store) Drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mine = slices.DeleteFunc(s.mine, func(d daemon.Descriptor) bool { return d.Name == name })
	return errors.Join(daemon.Drop(name), s.rails.Drop(name))
}

// Run offers to bramble-rails what this process keeps, again and again, until the context ends: it may be started or
// installed later than this process. It logs when it stops answering, and when it has everything again.
func (s *Store) Run(ctx context.Context, logger hclog.Logger) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewal):
		}
		err := s.renew()
		switch {
		case err != nil && !failing:
			logger.Warn("rails are not kept: do not stop this service while a worker is on; see systemctl status bramble-rails", "error", err)
		case err == nil && failing:
			logger.Info("rails are kept again")
		}
		failing = err != nil
	}
}

func (s *Store) renew() error {
	s.mu.Lock() // what is being dropped must not be offered again
	defer s.mu.Unlock()
	for _, d := range s.mine {
		if err := s.rails.Put(d.Name, d.FD); err != nil {
			return err // the next would say the same
		}
	}
	return nil
}
