package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	bolt "go.etcd.io/bbolt"
)

const (
	// MaxKey is the most bytes of a bucket's name, and of a key.
	MaxKey = 1024
	// MaxValue is the most bytes of a value.
	MaxValue = 1 << 20
)

// ErrInvalid is an entry that cannot be kept: its bucket or key is empty or too long, its bucket has a zero byte, or its
// value is too large.
var ErrInvalid = errors.New("invalid entry")

// errUnchanged ends a transaction that would write what is there already.
var errUnchanged = errors.New("nothing changed")

// Entry is one record.
type Entry struct {
	Bucket string // 1 to MaxKey bytes, none of them zero
	Key    string // 1 to MaxKey bytes
	Value  []byte // at most MaxValue bytes; nil deletes, which is no error where there is none
}

// Store is an open file. Make one with Open. It is safe for concurrent use; calls wait for each other.
type Store struct {
	path string

	mu     sync.Mutex
	file   *os.File // also db's, which closes it
	db     *bolt.DB
	damage *Damage
	broken error // no transaction can be trusted anymore
	stuck  bool  // bbolt panicked, and its locks may be held
	writes uint64
}

// Open opens the file at path, or makes one of mode 0600 in a folder that exists. One process at a time may have it open:
// a second one waits a second, and then gets ErrHeld with the holder's name. A damaged file is no error, see Damage; a
// file that cannot be read at all, or something else than a file, is one.
func Open(path string) (*Store, error) {
	s := &Store{path: path}
	if err := s.open(); err != nil {
		return nil, s.wrap(err)
	}
	return s, nil
}

func (s *Store) open() error {
	for {
		file, err := take(s.path, os.O_RDWR)
		if err == nil {
			return s.adopt(file)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err = s.begin(nil)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// adopt goes on with a file that is open and locked, or puts a new one in its place.
func (s *Store) adopt(file *os.File) error {
	entries, err := read(file)
	if err != nil {
		defer release(file) // not before the new file has its name: until then this lock is all that keeps others away
		return s.replace(file, err)
	}
	if s.damage, err = recorded(entries); err != nil {
		release(file)
		return err
	}
	s.file = file
	s.db, err = openBolt(file)
	return err
}

// openBolt closes the file if it fails.
func openBolt(file *os.File) (db *bolt.DB, err error) {
	err = guarded(func() (err error) {
		db, err = bolt.Open(file.Name(), 0, &bolt.Options{
			OpenFile:       func(string, int, os.FileMode) (*os.File, error) { return file, nil },
			Timeout:        lockWait,
			PageSize:       pageSize,
			NoFreelistSync: true,
			FreelistType:   bolt.FreelistArrayType,
		})
		return err
	})
	if err != nil {
		release(file)
	}
	return db, err
}

// Load is every entry, sorted by bucket and then key, in the order of bytes. It reads the file, and checks all of it.
func (s *Store) Load() ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := read(s.file)
	if err != nil {
		return nil, s.wrap(fmt.Errorf("load: %w; restart the coordinator, which keeps a damaged file aside", err))
	}
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Bucket == "" }), nil
}

// Write puts and deletes entries in one transaction, in their order. All are on the disk when it returns nil, and none if
// it returns an error. A full disk is syscall.ENOSPC in the error's chain.
func (s *Store) Write(entries []Entry) error {
	for _, e := range entries {
		if err := e.validate(); err != nil {
			return s.wrap(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(entries)
}

func (e Entry) validate() error {
	if e.Bucket == "" || len(e.Bucket) > MaxKey || strings.ContainsRune(e.Bucket, 0) ||
		e.Key == "" || len(e.Key) > MaxKey || len(e.Value) > MaxValue {
		return fmt.Errorf("%w: %.40q %.40q of %d bytes", ErrInvalid, e.Bucket, e.Key, len(e.Value))
	}
	return nil
}

func (s *Store) write(entries []Entry) error {
	if s.broken != nil {
		return s.wrap(s.broken)
	}
	var id int
	panicked := true
	err := guarded(func() error {
		err := s.db.Update(func(tx *bolt.Tx) error {
			id = tx.ID()
			return put(tx, entries)
		})
		panicked = false
		return err
	})
	if err == nil {
		s.writes++
	}
	if err == nil || errors.Is(err, errUnchanged) {
		return nil
	}
	return s.failed(id, panicked, err)
}

// failed judges what a transaction that failed has left, and says it.
func (s *Store) failed(id int, panicked bool, err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err // its path is the one that the file had before it was renamed
	}
	if panicked || s.shows(id) {
		s.stuck = panicked
		s.broken = fmt.Errorf("write: %w: nothing more is written until the coordinator has been restarted", err)
		return s.wrap(s.broken)
	}
	return s.wrap(fmt.Errorf("write: %w: nothing was changed; is its disk full or failing?", err))
}

// shows says whether a transaction that failed is visible. Its last sync has failed then, and nobody knows whether it is
// on the disk.
func (s *Store) shows(id int) bool {
	now := id
	err := s.db.View(func(tx *bolt.Tx) error {
		now = tx.ID()
		return nil
	})
	return err != nil || now == id
}

// put applies entries, and keeps the seal in the bucket's sequence number, which costs no page of its own.
func put(tx *bolt.Tx, entries []Entry) error {
	bucket := tx.Bucket([]byte(bucketName))
	seal, changed := bucket.Sequence(), false
	for _, e := range entries {
		key := e.flatKey()
		old := bucket.Get(key)
		if (old == nil) == (e.Value == nil) && bytes.Equal(old, e.Value) {
			continue
		}
		changed = true
		if old != nil {
			seal ^= digest(key, old)
		}
		if e.Value == nil {
			if err := bucket.Delete(key); err != nil {
				return err
			}
			continue
		}
		seal ^= digest(key, e.Value)
		if err := bucket.Put(key, e.Value); err != nil {
			return err
		}
	}
	if !changed {
		return errUnchanged
	}
	return bucket.SetSequence(seal)
}

// Writes counts the transactions that were written since Open.
func (s *Store) Writes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Close lets others have the file. Every later call but Writes, Damage and Close fails.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == fs.ErrClosed {
		return nil
	}
	s.broken = fs.ErrClosed
	if s.stuck {
		release(s.file) // bbolt's own Close would wait for its locks
		return nil
	}
	return s.db.Close()
}

func (s *Store) wrap(err error) error { return fmt.Errorf("state file %s: %w", s.path, err) }

// guarded calls f. A panic of bbolt is an error, and so is a fault in the memory it maps the file to, which is how a disk
// that cannot be read shows there.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bbolt: %v", p)
		}
	}()
	return f()
}
