package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// open opens the file at path until the test ends.
func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func write(t *testing.T, s *Store, entries ...Entry) {
	t.Helper()
	if err := s.Write(entries); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *Store) []Entry {
	t.Helper()
	entries, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func closeNow(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "state.db") }

// model is what a store should hold.
type model map[[2]string]string

func (m model) apply(entries []Entry) {
	for _, e := range entries {
		if e.Value == nil {
			delete(m, [2]string{e.Bucket, e.Key})
		} else {
			m[[2]string{e.Bucket, e.Key}] = string(e.Value)
		}
	}
}

func (m model) entries() []Entry {
	entries := []Entry{}
	for k, v := range m {
		entries = append(entries, Entry{Bucket: k[0], Key: k[1], Value: []byte(v)})
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return strings.Compare(a.Bucket+"\x00"+a.Key, b.Bucket+"\x00"+b.Key)
	})
	return entries
}

// randomEntries is a transaction as the coordinator might write it, now and then with a large value.
func randomEntries(r *rand.Rand) []Entry {
	var entries []Entry
	for range 1 + r.IntN(6) {
		e := Entry{Bucket: []string{"operation", "latch", "event", "a"}[r.IntN(4)], Key: fmt.Sprintf("%03d", r.IntN(150))}
		size := r.IntN(300)
		if r.IntN(50) == 0 {
			size = r.IntN(20000)
		}
		if r.IntN(4) > 0 {
			e.Value = slices.Repeat([]byte{byte(r.Uint32())}, size)
		}
		entries = append(entries, e)
	}
	return entries
}

// TestAsWritten compares a store with a model of it over random transactions and restarts, and this package's reading
// with bbolt's own check.
func TestAsWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	path, want := newPath(t), model{}
	s := open(t, path)
	for i := range 600 {
		entries := randomEntries(r)
		write(t, s, entries...)
		want.apply(entries)
		if i%20 > 0 {
			continue
		}
		if got := load(t, s); !reflect.DeepEqual(got, want.entries()) {
			t.Fatalf("after %d transactions: %d entries, not the %d that were written", i+1, len(got), len(want))
		}
		boltCheck(t, s.db)
		closeNow(t, s)
		s = open(t, path)
		if d, is := s.Damage(); is {
			t.Fatalf("after %d transactions: %+v", i+1, d)
		}
	}
}

func boltCheck(t *testing.T, db *bolt.DB) {
	t.Helper()
	err := db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsWritten does all that changes nothing, and compares the file to the byte and the nanosecond.
func TestNothingIsWritten(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	write(t, s, Entry{"a", "k", []byte("v")}, Entry{"a", "empty", []byte{}})
	closeNow(t, s)
	before, image := stat(t, path), readFile(t, path)

	s = open(t, path)
	load(t, s)
	write(t, s)
	write(t, s, Entry{"a", "k", []byte("v")}, Entry{"a", "empty", []byte{}}, Entry{"a", "missing", nil})
	if err := s.Acknowledge(); err != nil {
		t.Fatal(err)
	}
	if n := s.Writes(); n != 0 {
		t.Errorf("%d transactions that change nothing", n)
	}
	closeNow(t, s)
	after := stat(t, path)
	if !after.ModTime().Equal(before.ModTime()) || string(readFile(t, path)) != string(image) {
		t.Error("the file was written")
	}
	if files := names(t, path); !slices.Equal(files, []string{"state.db"}) {
		t.Errorf("left %v", files)
	}
	if before.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", before.Mode())
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// names lists the files beside path.
func names(t *testing.T, path string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// TestAllOrNothing gives one entry that cannot be kept after others that can.
func TestAllOrNothing(t *testing.T) {
	s := open(t, newPath(t))
	for _, bad := range []Entry{
		{"", "k", []byte{1}}, {"a", "", nil}, {"a\x00", "k", []byte{1}}, {strings.Repeat("a", MaxKey+1), "k", nil},
		{"a", strings.Repeat("k", MaxKey+1), nil}, {"a", "k", make([]byte, MaxValue+1)},
	} {
		if err := s.Write([]Entry{{"a", "good", []byte{1}}, bad}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q %.20q: %v", bad.Bucket, bad.Key, err)
		}
	}
	if got := load(t, s); len(got) != 0 || s.Writes() != 0 {
		t.Errorf("%d entries in %d transactions", len(got), s.Writes())
	}
	largest := Entry{strings.Repeat("a", MaxKey), strings.Repeat("\x00", MaxKey), make([]byte, MaxValue)}
	write(t, s, largest)
	if got := load(t, s); !reflect.DeepEqual(got, []Entry{largest}) || s.Writes() != 1 {
		t.Errorf("the largest entry: %d entries in %d transactions", len(got), s.Writes())
	}
}

// TestLaterEntryWins has one key several times in a transaction.
func TestLaterEntryWins(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	write(t, s, Entry{"a", "k", []byte("1")}, Entry{"a", "k", nil}, Entry{"a", "k", []byte("2")}, Entry{"b", "k", []byte("3")}, Entry{"b", "k", nil})
	closeNow(t, s)
	if got := load(t, open(t, path)); !reflect.DeepEqual(got, []Entry{{"a", "k", []byte("2")}}) {
		t.Errorf("%+v", got)
	}
}

// TestSizeIsBounded overwrites the records of a case 105,000 times, most of them 500 in a transaction to save time.
func TestSizeIsBounded(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	s.db.NoSync = true // the disk is not what is tested
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var entries []Entry
		for range 500 {
			entries = append(entries, Entry{"event", fmt.Sprintf("%03d", r.IntN(600)), make([]byte, 100+r.IntN(100))})
		}
		write(t, s, entries...)
	}
	for i := range 5000 {
		write(t, s, Entry{"operation", "1", fmt.Appendf(nil, "step %d", i)})
	}
	if size := stat(t, path).Size(); size != room {
		t.Errorf("%d bytes, %d at first", size, room)
	}
}

// TestSecondOpen names who has the file. Both are this process, which makes no difference to the lock.
func TestSecondOpen(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := open(t, path)
	_, err := Open(path)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("store.test (pid %d)", os.Getpid())) {
		t.Error(err)
	}
	closeNow(t, s)
	open(t, path)
}

// TestOpenTogether lets many find that there is no file, or a damaged one: one of them gets it.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{"none": nil, "damaged": []byte("junk")} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if content != nil {
				writeFile(t, path, content)
			}
			results := make(chan error)
			for range 8 {
				go func() {
					_, err := Open(path) // stays open
					results <- err
				}()
			}
			opened := 0
			for range 8 {
				if err := <-results; err == nil {
					opened++
				} else if !errors.Is(err, ErrHeld) {
					t.Error(err)
				}
			}
			if opened != 1 {
				t.Errorf("%d have it open", opened)
			}
		})
	}
}

// TestBegunByAnother has a file come to be while its absence has been seen already.
func TestBegunByAnother(t *testing.T) {
	t.Parallel()
	other, path := newPath(t), newPath(t)
	s := open(t, other)
	write(t, s, Entry{"a", "k", []byte("v")})
	closeNow(t, s)
	lock, err := take(path+".new", os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		var err error
		s, err = Open(path)
		result <- err
	}()
	for openTimes(t, path+".new") < 2 {
		runtime.Gosched() // until it waits for the lock
	}
	writeFile(t, path, readFile(t, other))
	release(lock)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := load(t, s); len(got) != 1 {
		t.Error("begun anew over the other's file")
	}
}

// openTimes is how often this process has a file open.
func openTimes(t *testing.T, path string) (times int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if at, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && at == path {
			times++
		}
	}
	return times
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNotAFile opens what is not this package's to keep aside.
func TestNotAFile(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		folder:                               "is a directory",
		pipe:                                 "no regular file",
		filepath.Join(folder, "no", "state"): "create its folder",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if files := names(t, pipe); !slices.Equal(files, []string{"pipe"}) {
		t.Errorf("left %v", files)
	}
}

// TestClosed uses a store after its end.
func TestClosed(t *testing.T) {
	s := open(t, newPath(t))
	closeNow(t, s)
	closeNow(t, s)
	if err := s.Write([]Entry{{"a", "k", nil}}); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if err := s.Acknowledge(); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.Load(); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

// BenchmarkWrite is a step of an operation in a case with 300 events.
func BenchmarkWrite(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range 300 {
		if err := s.Write([]Entry{{"event", fmt.Sprintf("%03d", i), make([]byte, 200)}}); err != nil {
			b.Fatal(err)
		}
	}
	before := s.db.Stats()
	i := 0
	for b.Loop() {
		if err := s.Write([]Entry{{"operation", "1", fmt.Appendf(nil, "step %d", i)}}); err != nil {
			b.Fatal(err)
		}
		i++
	}
	now := s.db.Stats()
	b.ReportMetric(float64(now.TxStats.GetWrite()-before.TxStats.GetWrite())/float64(b.N), "writes/op")
}
