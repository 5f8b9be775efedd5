package pwm

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sysfs is what this package asks of a kernel's /sys.
type sysfs interface {
	// list returns the names in a directory, sorted.
	list(dir string) ([]string, error)
	// resolve follows all symbolic links of a path.
	resolve(path string) (string, error)
	// open opens an attribute with flags of open(2). It never creates one.
	open(path string, flags int) (file, error)
}

// file is an open attribute. Every read and write is one system call at offset 0, so
// that the kernel makes the value anew, or takes it whole.
type file interface {
	read(p []byte) (n int, err error)
	write(p []byte) (n int, err error)
	close() error
}

// live is the /sys of this machine.
type live struct{}

func (live) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, err
}

func (live) resolve(path string) (string, error) { return filepath.EvalSymlinks(path) }

func (live) open(path string, flags int) (file, error) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &descriptor{fd, path}, nil
}

// descriptor is a raw one: package os would park a caller for ever when a driver answers EAGAIN.
type descriptor struct {
	fd   int
	path string
}

func (d *descriptor) read(p []byte) (int, error) {
	for {
		n, err := unix.Pread(d.fd, p, 0)
		if err == nil {
			return n, nil
		}
		if err != unix.EINTR {
			return 0, &fs.PathError{Op: "read", Path: d.path, Err: err}
		}
	}
}

func (d *descriptor) write(p []byte) (int, error) {
	for {
		n, err := unix.Pwrite(d.fd, p, 0)
		if err == nil {
			return n, nil
		}
		if err != unix.EINTR {
			return 0, &fs.PathError{Op: "write", Path: d.path, Err: err}
		}
	}
}

func (d *descriptor) close() error { return unix.Close(d.fd) }

// number is an open attribute that holds a decimal number. It allocates nothing while the kernel
// does what it is told.
type number struct {
	file
	buffer [32]byte
}

func (n *number) get() (uint64, error) {
	length, err := n.read(n.buffer[:])
	if err != nil {
		return 0, err
	}
	text, _, _ := strings.Cut(string(n.buffer[:length]), "\n")
	return strconv.ParseUint(text, 10, 64)
}

func (n *number) set(value uint64) error {
	_, err := n.write(append(strconv.AppendUint(n.buffer[:0], value, 10), '\n'))
	return err
}

// readText reads an attribute once.
func readText(s sysfs, path string) (string, error) {
	file, err := s.open(path, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer file.close()
	buffer := make([]byte, 4096)
	n, err := file.read(buffer)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(buffer[:n])), nil
}

// readNumber reads an attribute once.
func readNumber(s sysfs, path string) (uint64, error) {
	text, err := readText(s, path)
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number", path, text)
	}
	return value, nil
}

// writeText writes an attribute once.
func writeText(s sysfs, path, value string) error {
	file, err := s.open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer file.close()
	_, err = file.write([]byte(value + "\n"))
	return err
}

// inOneLine joins errors as errors.Join does, for a log line.
func inOneLine(errs ...error) (joined error) {
	for _, err := range errs {
		switch {
		case err == nil:
		case joined == nil:
			joined = err
		default:
			joined = fmt.Errorf("%w; %w", joined, err)
		}
	}
	return joined
}
