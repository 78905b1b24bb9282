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

	"bertlabel/checkpoint"
)

// tempName returns a name beside the target that says which process is writing.
func tempName(target string) string {
	var random [4]byte
	rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s.tmp-%d-%s", target, os.Getpid(), hex.EncodeToString(random[:]))
}

var tempPattern = regexp.MustCompile(`\.tmp-([0-9]+)-[0-9a-f]{8}$`)

// RemoveStale removes the temporary files and folders in dir that processes have left which are no more. What carries the
// number of this very process is stale too (in a container it is always 1): call it before the first save, holding the lock.
// It returns the names.
func RemoveStale(fs FS, dir string) ([]string, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, name := range names {
		match := tempPattern.FindStringSubmatch(name)
		if match == nil {
			continue
		}
		if pid, err := strconv.Atoi(match[1]); err == nil && pid != os.Getpid() && alive(pid) {
			continue
		}
		errs = append(errs, fs.RemoveAll(filepath.Join(dir, name)))
		removed = append(removed, name)
	}
	return removed, errors.Join(errs...)
}

// CheckSpace refuses to begin what the disk cannot hold: need bytes and a tenth.
func CheckSpace(fs FS, dir string, need int64) error {
	free, err := fs.Free(dir)
	if err != nil {
		return err
	}
	if need += need / 10; free < need {
		return fmt.Errorf("%s: %d MB free, %d MB needed: %w", dir, free>>20, need>>20, errNoSpace)
	}
	return nil
}

// NoSpace reports whether an error says that a disk is full.
func NoSpace(err error) bool { return errors.Is(err, errNoSpace) }

// checkPlain refuses names that are more than a name.
func checkPlain(name string) error {
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) || name == "." || name == ManifestName {
		return fmt.Errorf("atomic: %s is no plain file name", checkpoint.Quote(name))
	}
	return nil
}

// file is a file being written under its temporary name. Closing it makes it durable.
type file struct {
	File
	crc    uint32
	bytes  int64
	closed func(f *file) // when all went well
	err    error         // the first one
}

func (f *file) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.File.Write(p)
	f.crc = checkpoint.CRC32C(f.crc, p[:n])
	f.bytes += int64(n)
	f.err = err
	return n, err
}

// Close flushes the file to the disk. It returns the first error of writing, if there was one.
func (f *file) Close() error {
	if f.err == nil {
		f.err = f.Sync()
	}
	if err := f.File.Close(); f.err == nil {
		f.err = err
	}
	if f.err == nil {
		f.closed(f)
	}
	return f.err
}
