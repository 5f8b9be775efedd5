package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/coordinator/config"
)

// directory is where a running coordinator leaves what others need of it, below the machine's root. It is gone after a
// reboot, as are the duties of the fans.
const directory = "run/bramble"

// applied is the map of the hardware that was driven last. Fields may come, none changes its meaning.
type applied struct {
	Case string `json:"case"`
	config.Hardware
}

func (c *cli) mapPath() string { return c.below("hardware.json") }

func (c *cli) below(name string) string { return c.at(filepath.Join(directory, name)) }

// at is where the machine has a file.
func (c *cli) at(path string) string { return filepath.Join(cmp.Or(c.machine, "/"), path) }

// writeMap replaces the map in one step: whoever reads it finds the old one or the new one, whole.
func writeMap(path string, a applied) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("hardware map: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".hardware-*")
	if err != nil {
		return fmt.Errorf("hardware map: %w: make %s writable for this user (as a service: systemd-tmpfiles --create bramble.conf)", err, filepath.Dir(path))
	}
	_, err = next.Write(append(text, '\n'))
	err = errors.Join(err, next.Chmod(0o644), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		_ = os.Remove(next.Name())
		return fmt.Errorf("hardware map: %w", err)
	}
	return nil
}

// readMap reads the map. The error wraps fs.ErrNotExist when there is none.
func readMap(path string) (applied, error) {
	file, err := os.Open(path)
	if err != nil {
		return applied{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return applied{}, err
	}
	var a applied
	if err := json.Unmarshal(text, &a); err != nil {
		return applied{}, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if a.Fans == nil {
		return applied{}, fmt.Errorf("%s is damaged: it has no list of fans", path)
	}
	return a, nil
}

// lock makes this the only coordinator that drives the machine, until the file is closed.
func lock(path string) (*os.File, error) {
	// Not in one step: in a sticky folder, fs.protected_regular refuses O_CREAT for a file of another user even to root,
	// see proc_sys_fs(5).
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("lock: %w: make %s writable for this user (as a service: systemd-tmpfiles --create bramble.conf)", err, filepath.Dir(path))
	}
	// Locks of the open file, not of the process, so that no other close in this process loses it.
	err = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = fmt.Errorf("another bramble-coordinator%s drives this machine's fans: stop it first", pid(file))
	} else if err == nil {
		err = errors.Join(file.Truncate(0), writeAt(file, strconv.Itoa(os.Getpid())+"\n"))
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// holder says who holds the lock, as in " (pid 123)", and whether anybody does. It only asks.
func holder(path string) (name string, held bool) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", false
	}
	defer file.Close()
	ask := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &ask); err != nil || ask.Type == unix.F_UNLCK {
		return "", false
	}
	return pid(file), true
}

func pid(file *os.File) string {
	text := make([]byte, 16)
	n, _ := file.ReadAt(text, 0)
	number, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", number)
}

// makeDirectory makes what a service manager usually has made.
func makeDirectory(dir string) error {
	err := os.MkdirAll(dir, 0o755)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: make %s for this user (as a service: systemd-tmpfiles --create bramble.conf)", err, dir)
	}
	return err
}
