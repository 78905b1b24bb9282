//go:build linux || darwin

package atomic

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

const (
	errNoSpace  = unix.ENOSPC
	errLockHeld = unix.EWOULDBLOCK
)

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if blocks := uint64(s.Bavail); blocks <= math.MaxInt64/uint64(s.Bsize) {
		return int64(blocks) * int64(s.Bsize), nil
	}
	return math.MaxInt64, nil
}

// alive reports whether a process may still exist.
func alive(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }

func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
