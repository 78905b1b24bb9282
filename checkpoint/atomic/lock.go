package atomic

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LockName is the file in a folder that holds its lock. A process that was killed leaves it behind, which means nothing: the lock is
// on the open file, not on the name.
const LockName = ".lock"

// ErrLocked says that another process writes to a folder.
var ErrLocked = errors.New("another process is writing to this folder")

// Lock keeps other processes out of a folder. The system takes it away when the process ends, however it ends.
type Lock struct{ f *os.File }

// Acquire locks a folder, or fails at once with an error that wraps ErrLocked and names the process that has the lock.
func Acquire(dir string) (*Lock, error) {
	for {
		l, err := acquire(filepath.Join(dir, LockName))
		if err != nil || l.named() {
			return l, err
		}
		l.f.Close() // its owner has removed the name in between: what we hold keeps nobody out
	}
}

func acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		owner, _ := os.ReadFile(path) // for the message only
		f.Close()
		if errors.Is(err, errLockHeld) {
			return nil, fmt.Errorf("%s: %w (process %s)", filepath.Dir(path), ErrLocked,
				strings.TrimSpace(string(owner[:min(len(owner), 20)])))
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	f.Truncate(0) // the number is for that message only: the lock holds without it
	fmt.Fprintln(f, os.Getpid())
	return &Lock{f}, nil
}

// named reports whether the locked file is the one that others find under its name.
func (l *Lock) named() bool {
	ours, err := l.f.Stat()
	theirs, statErr := os.Stat(l.f.Name())
	return err == nil && statErr == nil && os.SameFile(ours, theirs)
}

// Release gives the lock back and removes its file, where the system lets an open file be removed.
func (l *Lock) Release() error {
	os.Remove(l.f.Name())
	return l.f.Close()
}
