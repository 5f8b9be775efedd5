// Package attribute reads and writes kernel attribute files: the one-value text
// files of sysfs and procfs.
//
// A value that is read over and over is kept open in a [File] and read with
// pread(2) at offset 0, which makes the kernel produce it anew. That costs about
// a microsecond and no allocation.
//
// Nothing here goes through package os to read: sysfs files can be polled, so
// os.ReadFile hands them to the runtime's poller, and a driver that answers
// EAGAIN (sun8i, sun4i and rockchip temperature sensors do) parks the caller for
// ever. Here EAGAIN is an error like any other.
package attribute

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// Path joins elements below root. The empty root and "/" are the live system.
func Path(root string, elements ...string) string {
	if root == "" {
		root = "/"
	}
	return filepath.Join(root, filepath.Join(elements...))
}

// File is one attribute kept open. Its methods must not be called at the same
// time from two goroutines.
type File struct {
	path     string
	fd       int
	dev, ino uint64
	buffer   [32]byte
	pread    func(fd int, p []byte, offset int64) (int, error)
	failure  *fs.PathError // the last one, so that a lasting failure allocates nothing
}

// Open opens the attribute at path for reading. The error is a *fs.PathError.
func Open(path string) (*File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		_ = unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return &File{path: path, fd: fd, dev: uint64(stat.Dev), ino: uint64(stat.Ino), pread: unix.Pread}, nil
}

// Int reads the attribute's present value, a decimal number. What the kernel
// answers instead of a value comes back as a *fs.PathError with its errno, and as
// the very same one for as long as the answer stays the same.
func (f *File) Int() (int64, error) {
	var n int
	var err error
	for {
		if n, err = f.pread(f.fd, f.buffer[:], 0); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		if f.failure == nil || f.failure.Err != err {
			f.failure = &fs.PathError{Op: "read", Path: f.path, Err: err}
		}
		return 0, f.failure
	}
	text := bytes.TrimSpace(f.buffer[:n])
	value, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: fmt.Errorf("%.20q is not a whole number", text)}
	}
	return value, nil
}

// Moved reports that the path no longer leads to the file that is open: the
// device went away, or came back as another one.
func (f *File) Moved() bool {
	var stat unix.Stat_t
	if err := unix.Stat(f.path, &stat); err != nil {
		return true
	}
	return uint64(stat.Dev) != f.dev || uint64(stat.Ino) != f.ino
}

// Close closes the file. A second call does nothing.
func (f *File) Close() error {
	if f.fd < 0 {
		return nil
	}
	fd := f.fd
	f.fd = -1
	if err := unix.Close(fd); err != nil {
		return &fs.PathError{Op: "close", Path: f.path, Err: err}
	}
	return nil
}

// Bytes reads up to 4096 bytes of an attribute once, as they are.
func Bytes(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	buffer := make([]byte, 4096)
	for {
		n, err := unix.Pread(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		return buffer[:n], nil
	}
}

// Text reads an attribute once and makes it fit to be shown and sent: valid
// UTF-8, printable, without space around it.
func Text(path string) (string, error) {
	content, err := Bytes(path)
	if err != nil {
		return "", err
	}
	return Printable(string(content)), nil
}

// Printable drops what cannot be shown from text that firmware or a device
// wrote, and the space around it.
func Printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) && r != '\n' {
			return -1
		}
		return r
	}, text))
}

// Write writes value to the attribute at path in one write(2). It never creates
// the file.
func Write(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
