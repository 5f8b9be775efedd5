package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// room is what a new file takes at once, so that a disk that fills up later is no matter.
	room = 512 << 10
	// maxAside is how many damaged files are kept: the first ones, and the latest.
	maxAside = 9
	// damageKey is where Damage is recorded. Only Store itself has an empty bucket.
	damageKey = "damage"
)

// Damage is what was found instead of the file that was written.
type Damage struct {
	File   string    `json:"file"`   // the path it is kept at
	Reason string    `json:"reason"` // what is wrong with it
	At     time.Time `json:"at"`     // when it was found, by the wall clock of then
}

// Damage says whether this file was begun because another was damaged, and nobody has acknowledged that yet: what the
// store holds is then not all that was written. It is known from Open on, and stays through restarts.
func (s *Store) Damage() (Damage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damage == nil {
		return Damage{}, false
	}
	return *s.damage, true
}

// Acknowledge ends Damage, for good once it returns nil. The damaged file stays. Without damage it does nothing.
func (s *Store) Acknowledge() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write([]Entry{{Key: damageKey}}); err != nil {
		return err
	}
	s.damage = nil
	return nil
}

// recorded finds the damage among the entries.
func recorded(entries []Entry) (*Damage, error) {
	if len(entries) == 0 || entries[0].Bucket != "" {
		return nil, nil
	}
	damage := new(Damage)
	if err := json.Unmarshal(entries[0].Value, damage); err != nil {
		return nil, fmt.Errorf("record of damage: %w", err)
	}
	return damage, nil
}

// replace puts a new file in the place of a damaged one, which gets another name first: whenever this ends in between,
// the damaged file is still at path, and is found damaged again.
func (s *Store) replace(file *os.File, reason error) error {
	damage := Damage{Reason: reason.Error(), At: time.Now()}
	aside, err := setAside(s.path, file)
	if err != nil {
		return fmt.Errorf("%w; it cannot be kept aside: %w", reason, err)
	}
	damage.File = aside
	if err := s.begin(&damage); err != nil {
		return fmt.Errorf("%w; a new one cannot be begun: %w", reason, err)
	}
	return nil
}

// setAside gives the file a second name.
func setAside(path string, file *os.File) (aside string, err error) {
	for i := 1; ; i++ {
		aside = fmt.Sprintf("%s.damaged-%d", path, i)
		if isAt(file, aside) { // before a crash
			return aside, nil
		}
		err := os.Link(path, aside)
		if errors.Is(err, fs.ErrExist) {
			if i < maxAside {
				continue
			}
			if err = os.Remove(aside); err == nil {
				err = os.Link(path, aside)
			}
		}
		return aside, err
	}
}

// begin makes a new file, complete before it gets its name. Without damage, a file that is there already is fs.ErrExist.
func (s *Store) begin(damage *Damage) error {
	file, err := take(s.path+".new", os.O_RDWR|os.O_CREATE)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: create its folder (a service has StateDirectory= for that)", err)
	}
	if err != nil {
		return err
	}
	err = s.fill(file, damage)
	if err == nil {
		err = os.Rename(file.Name(), s.path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		if s.db != nil {
			_ = s.db.Close()
		}
		release(file)
		return err
	}
	s.file, s.damage = file, damage
	return syncFolder(s.path)
}

func (s *Store) fill(file *os.File, damage *Damage) error {
	if damage == nil {
		// Who has the lock of the new file is the only one who can rename it, so no other comes to be after this.
		_, err := os.Stat(s.path)
		if err == nil {
			return fs.ErrExist
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err := file.Truncate(0)
	if err != nil {
		return err
	}
	if s.db, err = openBolt(file); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if _, err := file.WriteAt(make([]byte, room-info.Size()), info.Size()); err != nil {
		return err
	}
	return s.db.Update(func(tx *bolt.Tx) error { // its sync makes the room last, too
		if _, err := tx.CreateBucket([]byte(bucketName)); err != nil || damage == nil {
			return err
		}
		record, err := json.Marshal(damage)
		if err != nil {
			return err
		}
		return put(tx, []Entry{{Key: damageKey, Value: record}})
	})
}

// syncFolder makes the names in a file's folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
