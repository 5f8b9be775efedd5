package virtual

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bramblemesh/bramble/coordinator/core"
)

// Memory is a Store that lasts as long as the program. The zero value is empty. It is not safe for concurrent use.
type Memory struct {
	// Fails is what each Write returns, which then keeps nothing; nil for a disk that works.
	Fails error
	// Writes counts those that kept something.
	Writes int

	entries map[key][]byte
	damage  string
}

type key struct{ bucket, name string }

// Load returns what is kept, in the order of buckets and keys.
func (m *Memory) Load() ([]core.Entry, error) {
	keys := slices.SortedFunc(maps.Keys(m.entries), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.name, b.name))
	})
	kept := make([]core.Entry, len(keys))
	for i, k := range keys {
		kept[i] = core.Entry{Bucket: k.bucket, Key: k.name, Value: m.entries[k]}
	}
	return kept, nil
}

// Write keeps the entries, or none of them while it fails.
func (m *Memory) Write(entries []core.Entry) error {
	if m.Fails != nil {
		return m.Fails
	}
	if m.entries == nil {
		m.entries = make(map[key][]byte)
	}
	m.Writes++
	for _, e := range entries {
		k := key{e.Bucket, e.Key}
		if e.Value == nil {
			delete(m.entries, k)
		} else {
			m.entries[k] = slices.Clone(e.Value)
		}
	}
	return nil
}

// Hurt loses everything that is kept, as a file does that is put aside because it is damaged. Damage says why until
// Acknowledge.
func (m *Memory) Hurt(why string) { m.entries, m.damage = nil, why }

// Damage says what was found damaged and not acknowledged yet.
func (m *Memory) Damage() string { return m.damage }

// Acknowledge ends the damage.
func (m *Memory) Acknowledge() error {
	m.damage = ""
	return nil
}
