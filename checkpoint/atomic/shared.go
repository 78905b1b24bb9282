package atomic

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Shared is a file being written into a folder that processes of several machines write into at once, maybe under the same name. Its
// temporary name, .NAME.tmp-HOST-PID-RANDOM, says which process of which machine writes it. There is no lock: the last of those that
// commit one name wins, so that all of them should write the same.
type Shared struct {
	*file
	fs           FS
	target, temp string
	closed       bool
}

// CreateShared begins a file.
func CreateShared(fs FS, path string) (*Shared, error) {
	s := &Shared{fs: fs, target: path, temp: sharedName(path)}
	out, err := fs.Create(s.temp)
	if err != nil {
		return nil, err
	}
	s.file = &file{File: out, closed: func(*file) {}}
	return s, nil
}

// Close makes what was written durable, still under the temporary name. It returns the first error of writing, if there was one.
func (s *Shared) Close() error {
	if s.closed {
		return s.err
	}
	s.closed = true
	return s.file.Close()
}

// Commit closes the file and gives it its name. The error matches fs.ErrNotExist where somebody has removed the temporary file.
func (s *Shared) Commit() error {
	if err := s.Close(); err != nil {
		return err
	}
	if err := s.fs.Rename(s.temp, s.target); err != nil {
		return err
	}
	s.temp = ""
	return s.fs.SyncDir(filepath.Dir(s.target))
}

// Abort removes what was not committed; after Commit it does nothing. Defer it.
func (s *Shared) Abort() error {
	if s.temp == "" {
		return nil
	}
	s.Close() // of what is thrown away
	temp := s.temp
	s.temp = ""
	return s.fs.RemoveAll(temp)
}

// process tells this process from an earlier one of the same number, which in a container is always 1.
var process = sync.OnceValue(func() string { return randomHex(4) })

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random) // never fails
	return hex.EncodeToString(random)
}

// host is the name of this machine, or container, as far as it may stand in a file name.
var host = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "unknown"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, name[:min(len(name), 64)])
})

func sharedName(path string) string {
	name := fmt.Sprintf(".%s.tmp-%s-%d-%s%s", filepath.Base(path), host(), os.Getpid(), process(), randomHex(4))
	return filepath.Join(filepath.Dir(path), name)
}

var sharedPattern = regexp.MustCompile(`^\.(.+)\.tmp-([\w.-]+)-([0-9]+)-([0-9a-f]{8})[0-9a-f]{8}$`)

// SharedTarget returns the name that a temporary file of a Shared is to get; ok is false for any other name.
func SharedTarget(name string) (target string, ok bool) {
	match := sharedPattern.FindStringSubmatch(name)
	if match == nil {
		return "", false
	}
	return match[1], true
}

// RemoveDead removes, of the temporary files names in dir, those of processes of this machine that are no more, and returns them. What
// carries the name of another machine cannot be judged from here, and stays.
func RemoveDead(fs FS, dir string, names []string) (removed []string, err error) {
	var errs []error
	for _, name := range names {
		if !dead(name) {
			continue
		}
		if err := fs.RemoveAll(filepath.Join(dir, name)); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, name)
	}
	return removed, errors.Join(errs...)
}

// dead reports whether a name is that of a temporary file whose process is no more.
func dead(name string) bool {
	match := sharedPattern.FindStringSubmatch(name)
	if match == nil || match[2] != host() {
		return false
	}
	pid, err := strconv.Atoi(match[3])
	if err != nil || pid == os.Getpid() {
		return match[4] != process()
	}
	return !alive(pid)
}
