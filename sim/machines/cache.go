package machines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// builder makes the parts of an image, each into a folder of the cache whose name says what it is made from.
type builder struct {
	source  string // this package's folder
	cache   string // build/machines
	log     func(format string, args ...any)
	started time.Time
	updated bool // the machine's own package lists are fresh
}

// newBuilder finds the module and locks its cache, for test packages run at the same time.
func newBuilder(ctx context.Context, log func(format string, args ...any)) (b *builder, unlock func(), err error) {
	if log == nil {
		log = func(string, ...any) {}
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	b = &builder{
		source:  filepath.Join(root, "sim/machines"),
		cache:   filepath.Join(root, "build/machines"),
		log:     log,
		started: time.Now(),
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return nil, nil, err
	}
	lock, err := os.OpenFile(filepath.Join(b.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, nil, err
	}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		b.step("waiting for another program that builds in %s", b.cache)
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return nil, nil, err
		}
	}
	return b, func() { _ = lock.Close() }, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: go env GOMOD: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return "", errors.New("find the module: run this inside bramble's source tree")
	}
	return filepath.Dir(file), nil
}

// step logs what begins now, with the seconds since Build began.
func (b *builder) step(format string, args ...any) {
	b.log("[%3.0f s] %s", time.Since(b.started).Seconds(), fmt.Sprintf(format, args...))
}

// once returns the cache folder of a name and calls fill to make it if it is not there. A fill that fails, or is
// interrupted, leaves nothing behind that a later once would take for whole.
func (b *builder) once(name string, fill func(dir string) error) (string, error) {
	path := filepath.Join(b.cache, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unfinished := path + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return "", err
	}
	if err := fill(unfinished); err != nil {
		return "", errors.Join(err, os.RemoveAll(unfinished))
	}
	return path, os.Rename(unfinished, path)
}

// digest returns a short name for texts and for files, taken with their paths and contents. Folders are walked.
func digest(texts []string, paths ...string) (string, error) {
	sum := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(sum, "%d %s\n", len(text), text)
	}
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			fmt.Fprintf(sum, "%s %d\n", strings.TrimPrefix(path, filepath.Dir(root)), len(content))
			sum.Write(content)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// command runs a program and returns its standard output. The error carries the last lines that it wrote.
func command(ctx context.Context, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), append(env, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")...)
	c.WaitDelay = 5 * time.Second
	var stdout, all strings.Builder
	c.Stdout, c.Stderr = io.MultiWriter(&stdout, &all), &all
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args[:min(len(args), 3)], " "), err, lastLines(all.String(), 6))
	}
	return stdout.String(), nil
}

// lastLines joins the last lines of a text that are not empty.
func lastLines(text string, count int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-count):], " | ")
}
