package pwm

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// simulated is a kernel's /sys in memory. Attributes behave as their drivers make them, and every
// write is noted in order, with what the driver said.
type simulated struct {
	mu         sync.Mutex
	nodes      map[string]*node
	links      map[string]string
	transcript []string
	opened     int
}

// node is an attribute. A nil function is a property that the file does not have.
type node struct {
	read     func() (string, error)
	write    func(string) error
	writable func() error // nil: always
	gone     func() bool  // an open file outlives its device
}

func newKernel() *simulated {
	return &simulated{nodes: map[string]*node{}, links: map[string]string{}}
}

func (k *simulated) value(path, text string) {
	k.nodes[path] = &node{read: func() (string, error) { return text, nil }}
}

// real follows the links of every part of a path.
func (k *simulated) real(path string) string {
	at := "/"
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		at = filepath.Join(at, part)
		if target, linked := k.links[at]; linked {
			at = k.real(target)
		}
	}
	return at
}

func (k *simulated) list(dir string) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	note := func(path string) {
		if rest, below := strings.CutPrefix(path, k.real(dir)+"/"); below {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	for path := range k.nodes {
		note(path)
	}
	for path := range k.links {
		note(path)
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOENT}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (k *simulated) resolve(path string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, linked := k.links[filepath.Join(k.real(filepath.Dir(path)), filepath.Base(path))]; !linked {
		return "", &fs.PathError{Op: "lstat", Path: path, Err: syscall.ENOENT}
	}
	return k.real(path), nil
}

func (k *simulated) open(path string, flags int) (file, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	refuse := func(err error) (file, error) { return nil, &fs.PathError{Op: "open", Path: path, Err: err} }
	n := k.nodes[k.real(path)]
	switch {
	case n == nil || n.gone != nil && n.gone():
		return refuse(syscall.ENOENT)
	case flags&unix.O_ACCMODE != unix.O_RDONLY && n.write == nil:
		return refuse(syscall.EACCES)
	case flags&unix.O_ACCMODE != unix.O_RDONLY && n.writable != nil && n.writable() != nil:
		return refuse(n.writable())
	case flags&unix.O_ACCMODE != unix.O_WRONLY && n.read == nil:
		return refuse(syscall.EACCES)
	}
	k.opened++
	return &openNode{kernel: k, node: n, path: path}, nil
}

type openNode struct {
	kernel *simulated
	node   *node
	path   string
	closed bool
}

func (o *openNode) read(p []byte) (int, error) {
	o.kernel.mu.Lock()
	defer o.kernel.mu.Unlock()
	if err := o.usable(); err != nil {
		return 0, err
	}
	text, err := o.node.read()
	return copy(p, text+"\n"), err
}

func (o *openNode) write(p []byte) (int, error) {
	o.kernel.mu.Lock()
	defer o.kernel.mu.Unlock()
	text := strings.TrimSpace(string(p))
	err := o.usable()
	if err == nil {
		err = o.node.write(text)
	}
	// pwm0/period says enough; a chip's own file needs no directory.
	line := filepath.Base(o.path) + " " + text
	if dir := filepath.Base(filepath.Dir(o.path)); !strings.HasPrefix(dir, "pwmchip") && !strings.HasPrefix(dir, "hwmon") {
		line = dir + "/" + line
	}
	if err != nil {
		line += ": " + err.Error()
		err = &fs.PathError{Op: "write", Path: o.path, Err: err}
	}
	o.kernel.transcript = append(o.kernel.transcript, line)
	return len(p), err
}

func (o *openNode) usable() error {
	if o.closed {
		return syscall.EBADF
	}
	if o.node.gone != nil && o.node.gone() {
		return syscall.ENODEV
	}
	return nil
}

func (o *openNode) close() error {
	o.kernel.mu.Lock()
	defer o.kernel.mu.Unlock()
	if o.closed {
		return syscall.EBADF
	}
	o.closed = true
	o.kernel.opened--
	return nil
}

// wantTranscript compares all writes since the last call.
func (k *simulated) wantTranscript(t *testing.T, want ...string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Equal(k.transcript, want) {
		t.Errorf("writes:\n\t%s\nwant:\n\t%s", strings.Join(k.transcript, "\n\t"), strings.Join(want, "\n\t"))
	}
	k.transcript = nil
}
