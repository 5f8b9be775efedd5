package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// childPath and childLimit tell a child process of these tests what to do.
const (
	childPath  = "BRAMBLE_STORE_TEST_PATH"
	childLimit = "BRAMBLE_STORE_TEST_LIMIT"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := child(path, os.Getenv(childLimit)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func startChild(t *testing.T, path, limit string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path, childLimit+"="+limit)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// child writes the transactions of sequence, from where the file ends, and says each number when it is on the disk. With
// a limit to the file's size it stops at the first that fails.
func child(path, limit string) error {
	if limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	s, err := Open(path)
	if err != nil {
		return err
	}
	entries, err := s.Load()
	if err != nil {
		return err
	}
	for i := number(entries); ; i++ {
		entries := sequence(i)
		if limit != "" {
			entries = entries[:2] // the events pile up
		}
		if err := s.Write(entries); err != nil {
			return goOn(s, i, err)
		}
		fmt.Println(i)
	}
}

// goOn makes sure that a store still works after a Write that found no room.
func goOn(s *Store, i int, full error) error {
	for n := range 20 {
		entries, err := s.Load()
		if err != nil {
			return err
		}
		if number(entries) != i {
			return fmt.Errorf("number %d after %d failed", number(entries), i)
		}
		if err := s.Write([]Entry{{"event", "large", make([]byte, room/2)}}); err == nil || err.Error() != full.Error() {
			return fmt.Errorf("at first %w, then %w", full, err)
		}
		if err := s.Write([]Entry{{"number", "full", strconv.AppendInt(nil, int64(n), 10)}}); err != nil {
			return fmt.Errorf("small: %w", err)
		}
	}
	return full
}

// sequence is the transaction number i: the number, a record that changes, one that comes and one that goes.
func sequence(i int) []Entry {
	r := rand.New(rand.NewPCG(uint64(i), 0))
	entries := []Entry{
		{"number", "number", strconv.AppendInt(nil, int64(i)+1, 10)},
		{"event", fmt.Sprintf("%06d", i), bytes.Repeat([]byte{byte(i)}, r.IntN(1200))},
		{"operation", strconv.Itoa(i % 5), fmt.Appendf(nil, "step %d", i)},
	}
	if i >= 40 {
		entries = append(entries, Entry{"event", fmt.Sprintf("%06d", i-40), nil})
	}
	return entries
}

// number is how many transactions of sequence are in the entries.
func number(entries []Entry) int {
	for _, e := range entries {
		if e.Bucket == "number" && e.Key == "number" {
			n, _ := strconv.Atoi(string(e.Value))
			return n
		}
	}
	return 0
}

// after is what the first n transactions of sequence leave.
func after(n int) []Entry {
	m := model{}
	for i := range n {
		m.apply(sequence(i))
	}
	return m.entries()
}

// TestKilled kills a process that writes, at random moments from its start on, and lets the next go on.
func TestKilled(t *testing.T) {
	path := newPath(t)
	r := rand.New(rand.NewPCG(9, 10))
	total := 0
	for round := range 25 {
		cmd, out := startChild(t, path, "")
		acknowledged := total
		for range r.IntN(40) {
			if !out.Scan() {
				t.Fatal("the child ended")
			}
			acknowledged++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for out.Scan() { // what it had said before
			acknowledged++
		}
		_ = cmd.Wait()

		s := open(t, path)
		if d, is := s.Damage(); is {
			t.Fatalf("round %d: %+v", round, d)
		}
		got := load(t, s)
		total = number(got)
		if total != acknowledged && total != acknowledged+1 {
			t.Fatalf("round %d: %d transactions, acknowledged %d", round, total, acknowledged)
		}
		if want := after(total); !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: transaction %d is there in part", round, total)
		}
		closeNow(t, s)
	}
	t.Logf("%d transactions", total)
}

// TestEveryBoundary cuts the power at every boundary of many transactions. Between two syncs a disk writes pages in any
// order, so each set of the data pages may be there, but the meta page comes after them all.
func TestEveryBoundary(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	before, states := readFile(t, path), 0
	disk := newPath(t)
	writeFile(t, disk, before)
	file := openFile(t, disk)
	for i := range 120 {
		write(t, s, sequence(i)...)
		now := readFile(t, path)
		if len(now) != len(before) {
			t.Fatal("the file grew")
		}
		var pages []int
		for p := range len(now) / pageSize {
			if !bytes.Equal(page4k(before, p), page4k(now, p)) {
				pages = append(pages, p)
			}
		}
		if pages[0] > 1 || pages[1] < 2 {
			t.Fatalf("wrote pages %v", pages)
		}
		if data := pages[1:]; i < 20 || i%4 == 0 {
			earlier := after(i)
			for set := range 1 << len(data) {
				for bit, p := range data {
					image := before
					if set>>bit&1 == 1 {
						image = now
					}
					writeAt(t, file, p*pageSize, page4k(image, p)...)
				}
				holds(t, file, earlier)
				states++
			}
		}
		for _, p := range pages {
			writeAt(t, file, p*pageSize, page4k(now, p)...)
		}
		holds(t, file, after(i+1))
		before = now
	}
	t.Logf("%d states", states)
}

func page4k(image []byte, p int) []byte { return image[p*pageSize:][:pageSize] }

func holds(t *testing.T, file *os.File, want []Entry) {
	t.Helper()
	got, err := read(file)
	if err != nil || !reflect.DeepEqual(append([]Entry{}, got...), want) {
		t.Fatalf("%d entries and not %d: %v", len(got), len(want), err)
	}
}

// TestCrashInReplacement starts from each state of the folder that a crash can leave while a damaged file is replaced,
// or the first file begun.
func TestCrashInReplacement(t *testing.T) {
	other, _ := written(t, 3)
	fresh := readFile(t, other)
	for _, at := range []int{0, 1, pageSize, 3*pageSize + 5, len(fresh)} {
		for _, step := range []string{"first file", "new begun", "kept aside", "aside and new begun"} {
			t.Run(fmt.Sprintf("%s %d", step, at), func(t *testing.T) {
				path := newPath(t)
				if step != "kept aside" {
					writeFile(t, path+".new", fresh[:at])
				}
				if step != "first file" {
					writeFile(t, path, []byte("junk"))
				}
				if strings.Contains(step, "aside") {
					if err := os.Link(path, path+".damaged-1"); err != nil {
						t.Fatal(err)
					}
				}
				s := open(t, path)
				d, is := s.Damage()
				if is == (step == "first file") || is && d.File != path+".damaged-1" {
					t.Errorf("%v: %+v", is, d)
				}
				if entries := load(t, s); len(entries) != 0 {
					t.Errorf("%d entries of the file that was never finished", len(entries))
				}
				want := 2
				if !is {
					want = 1
				}
				if files := names(t, path); len(files) != want {
					t.Errorf("left %v", files)
				}
			})
		}
	}
}

// TestDiskFull lets the store's writes go to /dev/full.
func TestDiskFull(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	write(t, s, sequence(0)...)
	image := readFile(t, path)

	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	own := int(s.file.Fd())
	disk, err := syscall.Dup(own)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(disk)
	point := func(from int) {
		if err := syscall.Dup3(from, own, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
	point(int(full.Fd()))
	for range 3 {
		err := s.Write(sequence(1))
		if !errors.Is(err, syscall.ENOSPC) || err.Error() != "state file "+path+": write: no space left on device: nothing was changed; is its disk full or failing?" {
			t.Error(err)
		}
	}
	point(disk)
	if !bytes.Equal(readFile(t, path), image) || s.Writes() != 1 {
		t.Error("the file was changed")
	}
	write(t, s, sequence(1)...)
	closeNow(t, s)
	if got := load(t, open(t, path)); !reflect.DeepEqual(got, after(2)) {
		t.Errorf("%d entries", len(got))
	}
}

// TestLastSyncFails has a transaction that is visible and yet failed: what is on the disk is not known, so that no other
// may write over what it replaced.
func TestLastSyncFails(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	write(t, s, sequence(0)...)
	var id int
	err := s.db.View(func(tx *bolt.Tx) error {
		id = tx.ID()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.failed(id+1, false, syscall.EIO); !strings.Contains(err.Error(), "nothing was changed") {
		t.Error(err)
	}
	write(t, s, sequence(1)...)
	for _, err := range []error{s.failed(id+1, false, syscall.EIO), s.Write(sequence(2))} {
		if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "until the coordinator has been restarted") {
			t.Error(err)
		}
	}
	closeNow(t, s)
	if got := load(t, open(t, path)); !reflect.DeepEqual(got, after(2)) {
		t.Errorf("%d entries", len(got))
	}
}

// TestNoRoom has a process that may not make its files larger: it goes on with what fits.
func TestNoRoom(t *testing.T) {
	path := newPath(t)
	closeNow(t, open(t, path))
	cmd, out := startChild(t, path, strconv.Itoa(room))
	var lines []string
	for out.Scan() {
		lines = append(lines, out.Text())
	}
	_ = cmd.Wait()
	said := lines[len(lines)-1]
	if len(lines) < 200 || !strings.Contains(said, "file too large: nothing was changed") || stat(t, path).Size() != room {
		t.Errorf("after %d transactions: %s", len(lines)-1, said)
	}
	s := open(t, path)
	if got := number(load(t, s)); got != len(lines)-1 {
		t.Errorf("%d transactions, acknowledged %d", got, len(lines)-1)
	}
	boltCheck(t, s.db)
}
