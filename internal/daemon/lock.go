package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// lockedListener is a unix socket with the lock that keeps others from its path.
type lockedListener struct {
	net.Listener
	lock *lock
}

// Close removes the socket, and only then lets others have its path.
func (l *lockedListener) Close() error { return errors.Join(l.Listener.Close(), l.lock.release()) }

// errHeld is a lock that another open file has.
var errHeld = errors.New("locked by another process")

// lock is a file that this process has locked and will remove: a lock that one user left behind would be in the way of
// another.
type lock struct {
	file *os.File
	once sync.Once
}

func (l *lock) release() (err error) {
	l.once.Do(func() {
		if isAt(l.file, l.file.Name()) {
			_ = os.Remove(l.file.Name()) // what stays can be locked again
		}
		err = l.file.Close()
	})
	return err
}

// takeLock makes and locks a file. It does not wait.
func takeLock(path string) (*lock, error) {
	for {
		file, err := openLock(path)
		if errors.Is(err, fs.ErrExist) {
			continue // somebody made it since
		}
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && isAt(file, path) {
			return &lock{file: file}, nil
		}
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errHeld
		}
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// openLock opens a file, or makes it for whom the socket is. Not in one step: in a sticky folder, fs.protected_regular
// refuses O_CREAT for a file of another user even where it may be opened, see proc_sys_fs(5).
func openLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: another user's process may serve there; stop it, remove the lock if there is none, or choose another path", err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, SocketMode)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; make %s writable for this user, or choose another socket", err, filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(SocketMode); err != nil { // what the umask took
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// isAt says whether an open file is still the one at a path: its last holder may have removed it before it was locked.
func isAt(file *os.File, path string) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}
