package atomic

import (
	"math"
	"os"

	"golang.org/x/sys/windows"
)

const (
	errNoSpace  = windows.ERROR_DISK_FULL
	errLockHeld = windows.ERROR_LOCK_VIOLATION
)

// syncDir does nothing: Windows journals names itself and cannot flush a folder.
func syncDir(string) error { return nil }

func freeBytes(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, &os.PathError{Op: "GetDiskFreeSpaceEx", Path: dir, Err: err}
	}
	return int64(min(free, math.MaxInt64)), nil
}

// alive reports whether a process may still exist.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return err != windows.ERROR_INVALID_PARAMETER
	}
	windows.CloseHandle(h)
	return true
}

func lockFile(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	beyond := &windows.Overlapped{OffsetHigh: math.MaxInt32} // a byte no one reads: locks of Windows keep readers out
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, beyond)
}
