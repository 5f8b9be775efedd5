package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// lockWait lets a process that is ending finish.
	lockWait  = time.Second
	lockRetry = 20 * time.Millisecond
)

// ErrHeld is a file that another process has open.
var ErrHeld = errors.New("in use")

// take opens and locks a file, and makes sure that it is still the one at path.
func take(path string, flags int) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			return nil, err
		}
		err = lock(file)
		if err == nil && isAt(file, path) {
			return file, nil
		}
		release(file)
		if err != nil {
			return nil, err
		}
	}
}

// release closes a file. Its lock would outlive that while bbolt has it mapped.
func release(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}

func lock(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file: give the state file another path", info.Mode().Type())
	}
	for deadline := time.Now().Add(lockWait); ; time.Sleep(lockRetry) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w%s: stop that first, or give this one a file of its own", ErrHeld, holder(info))
		}
	}
}

// isAt says whether an open file is the one at a path.
func isAt(file *os.File, path string) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// holder says who has locked a file, as in " by bramble-coordin (pid 123)", where proc_locks(5) tells.
func holder(info os.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	device := uint64(stat.Dev) // as gnu_dev_major(3) and gnu_dev_minor(3) take it apart
	major, minor := device>>8&0xfff|device>>32&^0xfff, device&0xff|device>>12&^0xff
	place := fmt.Sprintf("%02x:%02x:%d", major, minor, stat.Ino)
	locks, _ := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 123 b3:02:4711 0 EOF
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != place {
			continue
		}
		if name, err := os.ReadFile("/proc/" + fields[4] + "/comm"); err == nil {
			return fmt.Sprintf(" by %s (pid %s)", strings.TrimSpace(string(name)), fields[4])
		}
	}
	return ""
}
