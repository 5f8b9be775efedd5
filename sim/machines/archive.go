package machines

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// archive is an initial file system in the kernel's format: a cpio archive of the kind newc
// (Documentation/driver-api/early-userspace/buffer-format.rst). Everything in it belongs to root.
type archive struct {
	content bytes.Buffer
	known   map[string]bool
	number  int
}

const (
	modeFolder = 0o040000
	modeFile   = 0o100000
	modeLink   = 0o120000
)

// add writes an entry, after the folders that lead to it.
func (a *archive) add(name string, mode uint32, data []byte) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if a.known == nil {
		a.known = map[string]bool{}
	}
	if parent := path.Dir(name); parent != "." && !a.known[parent] {
		a.add(parent, modeFolder|0o755, nil)
	}
	a.known[name] = true
	a.entry(name, mode, data)
}

func (a *archive) entry(name string, mode uint32, data []byte) {
	a.number++
	fmt.Fprintf(&a.content, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad()
	a.content.Write(data)
	a.pad()
}

func (a *archive) pad() {
	for a.content.Len()%4 != 0 {
		a.content.WriteByte(0)
	}
}

// file adds a file of the host, with its execute bit.
func (a *archive) file(name, host string) error {
	info, err := os.Stat(host)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(host)
	if err != nil {
		return err
	}
	mode := uint32(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	a.add(name, modeFile|mode, data)
	return nil
}

// tree adds all files and links below a folder of the host.
func (a *archive) tree(name, host string) error {
	return filepath.WalkDir(host, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside := path.Join(name, strings.TrimPrefix(at, host))
		if entry.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			a.add(inside, modeLink|0o777, []byte(target))
			return err
		}
		return a.file(inside, at)
	})
}

// end returns the archive. The kernel unpacks several that follow each other.
func (a *archive) end() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.content.Bytes()
}
