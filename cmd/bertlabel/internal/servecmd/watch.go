package servecmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// watch looks whether files have changed. A change counts when two looks in a row see the same, so that a folder that is being written is
// not taken half.
type watch struct {
	paths         []string
	taken, before string
}

func newWatch(paths []string) *watch {
	w := &watch{paths: paths}
	w.taken = w.look()
	w.before = w.taken
	return w
}

// changed reports a change that has come to rest, once.
func (w *watch) changed() bool {
	now := w.look()
	rest := now == w.before
	w.before = now
	if !rest || now == w.taken {
		return false
	}
	w.taken = now
	return true
}

// look describes the files: names, sizes, times, through links, so that a link that is turned shows too.
func (w *watch) look() string {
	var b strings.Builder
	describe := func(path string) {
		real, _ := filepath.EvalSymlinks(path)
		if info, err := os.Stat(path); err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
		} else {
			fmt.Fprintf(&b, "%s %s %d %d\n", path, real, info.Size(), info.ModTime().UnixNano())
		}
	}
	for _, path := range w.paths {
		describe(path)
		files, err := filepath.Glob(path + "*") // a prefix of a checkpoint, too
		if entries, e := os.ReadDir(path); e == nil {
			files = nil
			for _, entry := range entries {
				files = append(files, filepath.Join(path, entry.Name()))
			}
		}
		if err == nil {
			for _, file := range files {
				describe(file)
			}
		}
	}
	return b.String()
}
