package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// written makes a file with so many entries, and closes it.
func written(t *testing.T, entries int) (path string, want []Entry) {
	t.Helper()
	path = newPath(t)
	s, m := open(t, path), model{}
	for i := range entries {
		e := Entry{"event", fmt.Sprintf("%04d", i), fmt.Appendf(nil, `{"n":%d,"text":"the line of worker-%d went high"}`, i, i%4)}
		if i == 7 {
			e.Value = bytes.Repeat(e.Value, 300)
		}
		m.apply([]Entry{e})
		write(t, s, e)
	}
	write(t, s, Entry{"event", "0001", []byte("again")})
	m.apply([]Entry{{"event", "0001", []byte("again")}})
	closeNow(t, s)
	return path, m.entries()
}

// TestEveryByte flips a bit in the bytes that were ever used, of a file whose entries stand in the root page, and of one
// with branches and a value over several pages. What is read is what was written, or it is damage; and in all that bbolt
// follows it is damage.
func TestEveryByte(t *testing.T) {
	for _, entries := range []int{0, 3, 150} {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			path, want := written(t, entries)
			file := openFile(t, path)
			newest, err := newestMeta(file)
			if err != nil {
				t.Fatal(err)
			}
			used := usedBytes(t, file, newest)
			r := rand.New(rand.NewPCG(5, 6))
			image := readFile(t, path)
			for offset := range int(newest.pages) * pageSize {
				if offset%pageSize > headerSize+4*elementSize && r.IntN(8+entries/2) > 0 {
					continue // a sample of the rest will do
				}
				was := image[offset : offset+1]
				writeAt(t, file, offset, was[0]^1<<r.IntN(8))
				got, err := read(file)
				writeAt(t, file, offset, was...)
				switch {
				case err != nil:
				case used[offset]:
					t.Fatalf("byte %d of page %d: no damage", offset%pageSize, offset/pageSize)
				case !reflect.DeepEqual(append([]Entry{}, got...), want):
					t.Fatalf("byte %d of page %d: other entries, and no damage", offset%pageSize, offset/pageSize)
				}
			}
		})
	}
}

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func writeAt(t *testing.T, file *os.File, offset int, data ...byte) {
	t.Helper()
	if _, err := file.WriteAt(data, int64(offset)); err != nil {
		t.Fatal(err)
	}
}

// usedBytes are the offsets of all that counts: both metas, and the tree but for the keys in its branches, which may
// differ within limits.
func usedBytes(t *testing.T, file *os.File, newest meta) []bool {
	t.Helper()
	used := make([]bool, newest.pages*pageSize)
	mark := func(from, to int) {
		for i := from; i < to; i++ {
			used[i] = true
		}
	}
	mark(headerSize, headerSize+metaSize)
	mark(pageSize+headerSize, pageSize+headerSize+metaSize)
	w := &walk{file: file, pages: newest.pages, seen: map[uint64]bool{}}
	var tree func(id uint64)
	tree = func(id uint64) {
		p, err := w.page(id)
		if err != nil {
			t.Fatal(err)
		}
		at := int(id) * pageSize
		if !p.branch {
			mark(at, at+p.size)
		} else {
			mark(at, at+headerSize+len(p.elements)*elementSize)
		}
		for _, e := range p.elements {
			if p.branch {
				tree(e.child)
			} else if e.bucket && u64(e.value) != 0 {
				tree(u64(e.value))
			}
		}
	}
	tree(newest.root)
	return used
}

// TestLostWrite puts pages back as they were before: a disk that says that it has written, and has not. Only where it is the
// last page of the last transaction, nothing shows it: then that is missing, whole.
func TestLostWrite(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	var images [][]byte
	for i := range 30 {
		write(t, s, sequence(i)...)
		images = append(images, readFile(t, path))
	}
	closeNow(t, s)
	file, now, found := openFile(t, path), images[len(images)-1], 0
	for _, image := range images[:len(images)-1] {
		for page := range 40 {
			if bytes.Equal(page4k(now, page), page4k(image, page)) {
				continue
			}
			writeAt(t, file, page*pageSize, page4k(image, page)...)
			got, err := read(file)
			writeAt(t, file, page*pageSize, page4k(now, page)...)
			switch {
			case err != nil:
				found++
			case page < 2 && !reflect.DeepEqual(got, after(29)), page >= 2 && !reflect.DeepEqual(got, after(30)):
				t.Fatalf("page %d: %d entries, and no damage", page, len(got))
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d were found", found)
	}
}

// TestNestedBranches has branches below branches say that they begin earlier than their parents say.
func TestNestedBranches(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	var entries []Entry
	for i := range 600 {
		entries = append(entries, Entry{"event", fmt.Sprintf("%04d", 2*i), make([]byte, 1500)})
	}
	write(t, s, entries...)
	closeNow(t, s)
	file, image := openFile(t, path), readFile(t, path)
	newest, err := newestMeta(file)
	if err != nil {
		t.Fatal(err)
	}
	used := usedBytes(t, file, newest)
	firsts := map[string]bool{}
	branches := 0
	for id := 2; id < int(newest.pages); id++ {
		p, err := takeApart(image[id*pageSize:][:pageSize])
		if err != nil || !used[id*pageSize] || p.id != uint64(id) || !p.branch {
			continue
		}
		branches++
		at := id*pageSize + p.size // the first key stands behind all elements
		for _, e := range p.elements {
			at -= len(e.key)
		}
		last := at + len(p.elements[0].key) - 1
		writeAt(t, file, last, image[last]-1)
		if _, err := read(file); err != nil && strings.Contains(err.Error(), "not in order") {
			firsts[string(p.elements[0].key)] = true
		}
		writeAt(t, file, last, image[last])
	}
	if branches < 3 || len(firsts) != branches-1 { // the topmost may say what it likes
		t.Errorf("of %d branches, %d", branches, len(firsts))
	}
}

// TestOverflow has each page of the tree claim the one behind it, which is another one of the tree or free.
func TestOverflow(t *testing.T) {
	path, _ := written(t, 150)
	file, image := openFile(t, path), readFile(t, path)
	newest, err := newestMeta(file)
	if err != nil {
		t.Fatal(err)
	}
	used := usedBytes(t, file, newest)
	for id := 2; id < int(newest.pages); id++ {
		at := id*pageSize + 12
		if !used[at] || u64(image[id*pageSize:]) != uint64(id) {
			continue
		}
		writeAt(t, file, at, image[at]+1)
		if _, err := read(file); err == nil {
			t.Errorf("page %d: no damage", id)
		}
		writeAt(t, file, at, image[at])
	}
}

// TestShape changes what the seal does not cover, since all entries are still there: bbolt would lose its way, or not come
// to an end.
func TestShape(t *testing.T) {
	small, _ := written(t, 0)
	s := open(t, small)
	write(t, s, Entry{"x", "1", []byte("one")}, Entry{"x", "2", []byte("two")})
	closeNow(t, s)
	large, _ := written(t, 150)
	branch := func(file *os.File) int {
		for at := range 200 {
			header := make([]byte, headerSize)
			if _, err := file.ReadAt(header, int64(at)*pageSize); err == nil && header[8] == branchFlag && u64(header) == uint64(at) {
				return at * pageSize
			}
		}
		t.Fatal("no branch")
		return 0
	}
	for _, c := range []struct {
		name, path, want string
		change           func(image []byte, file *os.File)
	}{
		{"order", small, "not in order", func(image []byte, file *os.File) {
			for i := bytes.LastIndex(image, []byte("x\x001onex\x002two")); i >= 0; i = bytes.LastIndex(image[:i], []byte("x\x001onex\x002two")) {
				writeAt(t, file, i, []byte("x\x002twox\x001one")...)
			}
		}},
		{"circle", large, "in two places", func(_ []byte, file *os.File) {
			at := branch(file)
			writeAt(t, file, at+headerSize+8, byte(at/pageSize))
		}},
		{"range", large, "not in order", func(image []byte, file *os.File) {
			at := branch(file) + headerSize + elementSize // the second child's key becomes greater than its first
			key := at + int(u32(image[at:])) + int(u32(image[at+4:])) - 1
			writeAt(t, file, key, image[key]+1)
		}},
		{"low range", large, "not in order", func(image []byte, file *os.File) {
			at := branch(file) + headerSize + elementSize // and less than the last of the first child
			key := at + int(u32(image[at:])) + int(u32(image[at+4:])) - 1
			writeAt(t, file, key, image[key]-1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := readFile(t, c.path)
			path := newPath(t)
			writeFile(t, path, image)
			file := openFile(t, path)
			c.change(image, file)
			if _, err := read(file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
		})
	}
}

// hurt changes an image in one of the ways in which disks and people do.
func hurt(r *rand.Rand, image []byte) (how string, hurt []byte) {
	hurt = slices.Clone(image)
	pages := 24
	page := func() []byte { return hurt[r.IntN(pages)*pageSize:][:pageSize] }
	switch r.IntN(6) {
	case 0:
		for range 1 + r.IntN(8) {
			page()[r.IntN(pageSize)] ^= 1 << r.IntN(8)
		}
		return "flipped", hurt
	case 1:
		clear(page())
		return "zeroed", hurt
	case 2:
		n := r.IntN(pages * pageSize)
		return fmt.Sprintf("cut at %d", n), hurt[:n]
	case 3:
		copy(page(), page())
		return "misplaced", hurt
	case 4:
		for i, p := 0, page()[r.IntN(pageSize):]; i < len(p); i++ {
			p[i] = byte(r.Uint32())
		}
		return "overwritten", hurt
	default:
		p := page()[:headerSize+10*elementSize]
		p[r.IntN(len(p))] = byte(r.Uint32())
		return "header", hurt
	}
}

// TestDamagedFile opens files that were hurt at random: either all is as written, and stays so when the store is used, or
// the damage is reported and the file kept as it was.
func TestDamagedFile(t *testing.T) {
	path, want := written(t, 150)
	image := readFile(t, path)
	r := rand.New(rand.NewPCG(7, 8))
	whole := 0
	for i := range 100 {
		how, content := hurt(r, image)
		path := filepath.Join(t.TempDir(), "state.db")
		writeFile(t, path, content)
		s := open(t, path)
		d, is := s.Damage()
		if !is {
			whole++
			if got := load(t, s); !reflect.DeepEqual(got, want) {
				t.Fatalf("%d: %s: %d entries, and no damage", i, how, len(got))
			}
		} else if !bytes.Equal(readFile(t, d.File), content) || len(load(t, s)) != 0 {
			t.Fatalf("%d: %s: not kept aside: %+v", i, how, d)
		}
		useIt(t, s, r)
	}
	if whole == 0 || whole == 100 {
		t.Errorf("%d of 100 were whole", whole)
	}
}

// useIt writes until every page was used again, and checks the file.
func useIt(t *testing.T, s *Store, r *rand.Rand) {
	t.Helper()
	s.db.NoSync = true
	want := model{}
	want.apply(load(t, s))
	for range 10 {
		entries := randomEntries(r)
		write(t, s, entries...)
		want.apply(entries)
	}
	if got := load(t, s); !reflect.DeepEqual(got, want.entries()) {
		t.Fatal("used: other entries than were written")
	}
	boltCheck(t, s.db)
	closeNow(t, s)
}

// TestOtherFiles opens files that were never a store.
func TestOtherFiles(t *testing.T) {
	text := bytes.Repeat([]byte("state: of the art\n"), 5000)
	other := newPath(t)
	db, err := bolt.Open(other, 0o600, &bolt.Options{PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { // like ours, but for its list of free pages
		_, err := tx.CreateBucket([]byte(bucketName))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"bbolt": readFile(t, other), "empty": {}, "one byte": {0}, "zeros": make([]byte, 100000), "text": text, "short text": text[:50],
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			writeFile(t, path, content)
			d, is := open(t, path).Damage()
			if !is || d.File != path+".damaged-1" || !bytes.Equal(readFile(t, d.File), content) {
				t.Errorf("%v: %+v", is, d)
			}
		})
	}
}

// TestAcknowledge follows a damage through restarts, until a person has said that they know.
func TestAcknowledge(t *testing.T) {
	path := newPath(t)
	writeFile(t, path, []byte("junk"))
	before := time.Now()
	s := open(t, path)
	first, is := s.Damage()
	if !is || first.Reason == "" || first.At.Before(before) || first.At.After(time.Now()) {
		t.Fatalf("%v: %+v", is, first)
	}
	write(t, s, Entry{"a", "k", []byte("v")})
	closeNow(t, s)

	s = open(t, path)
	if again, is := s.Damage(); !is || again.File != first.File || again.Reason != first.Reason || !again.At.Equal(first.At) {
		t.Fatalf("after a restart: %v: %+v", is, again)
	}
	if err := s.Acknowledge(); err != nil {
		t.Fatal(err)
	}
	if d, is := s.Damage(); is {
		t.Errorf("acknowledged: %+v", d)
	}
	closeNow(t, s)

	s = open(t, path)
	if d, is := s.Damage(); is {
		t.Errorf("acknowledged, after a restart: %+v", d)
	}
	if got := load(t, s); !reflect.DeepEqual(got, []Entry{{"a", "k", []byte("v")}}) {
		t.Errorf("%+v", got)
	}
	if names := names(t, path); !slices.Equal(names, []string{"state.db", "state.db.damaged-1"}) {
		t.Errorf("%v", names)
	}
}

// TestDamagedAgain keeps the first damaged files and the latest.
func TestDamagedAgain(t *testing.T) {
	path := newPath(t)
	for i := range maxAside + 3 {
		writeFile(t, path, fmt.Appendf(nil, "junk %d", i))
		s := open(t, path)
		d, is := s.Damage()
		if want := fmt.Sprintf("%s.damaged-%d", path, min(i+1, maxAside)); !is || d.File != want {
			t.Fatalf("%d: %v: %+v", i, is, d)
		}
		if got := string(readFile(t, d.File)); got != fmt.Sprintf("junk %d", i) {
			t.Errorf("%s: %s", d.File, got)
		}
		closeNow(t, s)
		remove(t, path) // not written over: that would reach the file aside
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestCannotBeReplaced opens damaged files where nothing can be made: they stay as they are, and are no store.
func TestCannotBeReplaced(t *testing.T) {
	path := newPath(t)
	writeFile(t, path, []byte("junk"))
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/proc/self/comm": "cannot be kept aside", path: "a new one cannot be begun"} {
		_, err := Open(path)
		if err == nil || !strings.HasPrefix(err.Error(), "state file "+path+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
	}
	remove(t, path+".new")
	if d, is := open(t, path).Damage(); !is || string(readFile(t, d.File)) != "junk" || len(names(t, path)) != 2 {
		t.Errorf("%v: %+v", is, d)
	}
}

// TestHurtWhileOpen cuts the file that bbolt has mapped, which is a fault in memory where the disk has no more pages.
func TestHurtWhileOpen(t *testing.T) {
	path, _ := written(t, 150)
	s := open(t, path)
	if err := os.Truncate(path, 2*pageSize); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Write([]Entry{{"event", "0001", []byte("never")}}); err == nil || !strings.Contains(err.Error(), "restarted") {
			t.Error(err)
		}
	}
	if _, err := s.Load(); err == nil {
		t.Error("loaded")
	}
	if s.Writes() != 0 {
		t.Error("counted")
	}
	closeNow(t, s)
	if _, is := open(t, path).Damage(); !is {
		t.Error("no damage")
	}
}
