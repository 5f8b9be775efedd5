package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strings"
)

// The layout of a bbolt file, version 2, in the machine's own byte order, see go.etcd.io/bbolt/internal/common.
const (
	pageSize     = 4096
	headerSize   = 16 // of a page: id, flags, count, overflow
	elementSize  = 16
	bucketSize   = 16 // root page, sequence; a root of 0 is followed by the bucket's only page
	metaSize     = 64
	magic        = 0xED0CDAED
	version      = 2
	branchFlag   = 1
	leafFlag     = 2
	noFreeList   = ^uint64(0)
	bucketName   = "entries"
	isBucketFlag = 1
)

// flatKey is an entry's key in the file. Buckets have no zero byte, so it sorts by bucket first.
func (e Entry) flatKey() []byte { return []byte(e.Bucket + "\x00" + e.Key) }

// digest is an entry's part of the seal. The seal is the sum without carry of all of them, so that it can follow a change
// without the other entries.
func digest(key, value []byte) uint64 {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(key))))
	h.Write(key)
	h.Write(value)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// meta is a root of the file's tree.
type meta struct{ root, pages, id uint64 }

// newestMeta reads the meta pages of an open file.
func newestMeta(file *os.File) (meta, error) {
	data := make([]byte, 2*pageSize)
	if err := readAt(file, data, 0); err != nil {
		return meta{}, err
	}
	var metas [2]meta
	for i := range metas {
		m := data[i*pageSize+headerSize:][:metaSize]
		sum := fnv.New64a()
		sum.Write(m[:metaSize-8])
		if u32(m) != magic || u32(m[4:]) != version || u32(m[8:]) != pageSize || u64(m[56:]) != sum.Sum64() {
			return meta{}, fmt.Errorf("meta page %d is not whole", i)
		}
		metas[i] = meta{root: u64(m[16:]), pages: u64(m[40:]), id: u64(m[48:])}
		if u64(m[32:]) != noFreeList && metas[i].id > 1 {
			return meta{}, fmt.Errorf("meta page %d has a list of free pages", i)
		}
	}
	older, newer := metas[0], metas[1]
	if older.id > newer.id {
		older, newer = newer, older
	}
	if older.id+1 != newer.id {
		return meta{}, fmt.Errorf("meta pages of transactions %d and %d", older.id, newer.id)
	}
	return newer, nil
}

// walk is one reading of a file.
type walk struct {
	file    *os.File
	pages   uint64 // how many the file has
	seen    map[uint64]bool
	last    string // the greatest key so far
	entries []Entry
	seal    uint64
}

// read takes the file's newest tree apart, believing nothing: where it finds no fault, bbolt follows only pages that are
// in the file, of their kind, sorted, and in one place of the tree; and the entries are those that were written.
func read(file *os.File) ([]Entry, error) {
	newest, err := newestMeta(file)
	if err != nil {
		return nil, err
	}
	w := &walk{file: file, pages: newest.pages, seen: map[uint64]bool{}}
	root, err := w.page(newest.root)
	if err != nil {
		return nil, err
	}
	if root.branch || len(root.elements) != 1 || !root.elements[0].bucket || string(root.elements[0].key) != bucketName {
		return nil, fmt.Errorf("page %d is not the root", newest.root)
	}
	seal, err := w.bucket(root.elements[0].value)
	if err != nil {
		return nil, err
	}
	if seal != w.seal {
		return nil, errors.New("the entries are not those that were sealed")
	}
	return w.entries, nil
}

// bucket reads all entries, and returns their seal.
func (w *walk) bucket(value []byte) (seal uint64, err error) {
	if len(value) < bucketSize {
		return 0, fmt.Errorf("a bucket of %d bytes", len(value))
	}
	root, seal := u64(value), u64(value[8:])
	if root != 0 {
		if len(value) != bucketSize {
			return 0, fmt.Errorf("a bucket of %d bytes", len(value))
		}
		return seal, w.tree(root, "", "")
	}
	p, err := takeApart(value[bucketSize:])
	if err != nil {
		return 0, err
	}
	if p.id != 0 || p.branch || p.overflow != 0 || p.size != len(value)-bucketSize {
		return 0, errors.New("a bucket's own page is none")
	}
	return seal, w.leaf(p, "", "")
}

// tree reads the pages below one, whose keys are at least low and less than high; an empty high is no limit.
func (w *walk) tree(id uint64, low, high string) error {
	p, err := w.page(id)
	if err != nil {
		return err
	}
	if !p.branch {
		return w.leaf(p, low, high)
	}
	for i, e := range p.elements {
		to := high
		if i+1 < len(p.elements) {
			to = string(p.elements[i+1].key)
		}
		from := string(e.key)
		if from < low || to != "" && from >= to {
			return fmt.Errorf("page %d is not in order", id)
		}
		if err := w.tree(e.child, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leaf(p page, low, high string) error {
	for _, e := range p.elements {
		key := string(e.key)
		bucket, name, ok := strings.Cut(key, "\x00")
		if !ok || e.bucket || key <= w.last || key < low || high != "" && key >= high {
			return fmt.Errorf("page %d is not in order", p.id)
		}
		w.last = key
		w.seal ^= digest(e.key, e.value)
		w.entries = append(w.entries, Entry{Bucket: bucket, Key: name, Value: e.value})
	}
	return nil
}

// page reads a page with those that it flows over into.
func (w *walk) page(id uint64) (page, error) {
	if id < 2 || id >= w.pages {
		return page{}, fmt.Errorf("there is no page %d", id)
	}
	header := make([]byte, headerSize)
	if err := readAt(w.file, header, id); err != nil {
		return page{}, err
	}
	length := uint64(u32(header[12:])) + 1
	if length > w.pages-id {
		return page{}, fmt.Errorf("page %d leaves the file", id)
	}
	for i := id; i < id+length; i++ {
		if w.seen[i] {
			return page{}, fmt.Errorf("page %d is in two places", i)
		}
		w.seen[i] = true
	}
	data := make([]byte, length*pageSize)
	if err := readAt(w.file, data, id); err != nil {
		return page{}, err
	}
	p, err := takeApart(data)
	if err != nil {
		return page{}, err
	}
	if p.id != id || uint64(p.size+pageSize-1)/pageSize != length {
		return page{}, fmt.Errorf("page %d is another one", id)
	}
	return p, nil
}

// page is a page of the tree, or of a bucket that is small enough to have its page in its parent.
type page struct {
	id       uint64
	branch   bool
	overflow uint32
	size     int // bytes that are used
	elements []element
}

type element struct {
	key, value []byte
	child      uint64 // in a branch
	bucket     bool   // in a leaf
}

// takeApart finds a page's elements. bbolt writes their bytes one after the other, so any other place is damage.
func takeApart(data []byte) (page, error) {
	if len(data) < headerSize {
		return page{}, fmt.Errorf("a page of %d bytes", len(data))
	}
	p := page{id: u64(data), overflow: u32(data[12:])}
	flags, count := binary.NativeEndian.Uint16(data[8:]), int(binary.NativeEndian.Uint16(data[10:]))
	p.branch = flags == branchFlag
	p.size = headerSize + count*elementSize
	if !p.branch && flags != leafFlag || p.size > len(data) {
		return page{}, fmt.Errorf("page %d has flags %#x and %d elements", p.id, flags, count)
	}
	for i := range count {
		at := headerSize + i*elementSize
		head := data[at:]
		var e element
		var position, keySize, valueSize uint32
		if p.branch {
			position, keySize, e.child = u32(head), u32(head[4:]), u64(head[8:])
		} else {
			e.bucket = u32(head) == isBucketFlag
			position, keySize, valueSize = u32(head[4:]), u32(head[8:]), u32(head[12:])
			if u32(head) > isBucketFlag {
				return page{}, fmt.Errorf("page %d has an element of another kind", p.id)
			}
		}
		end := uint64(p.size) + uint64(keySize) + uint64(valueSize)
		if uint64(at)+uint64(position) != uint64(p.size) || keySize == 0 || end > uint64(len(data)) {
			return page{}, fmt.Errorf("page %d has an element out of place", p.id)
		}
		e.key = data[p.size:][:keySize:keySize]
		e.value = data[p.size+int(keySize):][:valueSize:valueSize]
		p.size = int(end)
		p.elements = append(p.elements, e)
	}
	return p, nil
}

// readAt fills data from the beginning of a page.
func readAt(file *os.File, data []byte, id uint64) error {
	_, err := file.ReadAt(data, int64(id)*pageSize)
	if errors.Is(err, io.EOF) {
		err = errors.New("the file ends before it")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func u32(data []byte) uint32 { return binary.NativeEndian.Uint32(data) }
func u64(data []byte) uint64 { return binary.NativeEndian.Uint64(data) }
