package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The flags whose values are files that a verb reads, and those whose files it replaces. A test holds the two against the flags of all
// verbs that take a file.
var (
	inputFlags = []string{"input", "data", "train", "dev", "test", "labels", "truth", "scores", "threshold", "pos-weight", "lengths", "config",
		"model", "bert-config-file", "vocab-file", "init-checkpoint", "resume-from", "api-key-file", "tls-cert", "tls-key"}
	outputFlags = []string{"output", "report", "bad-rows", "metrics-file"}
)

// FileFlags returns the names of both.
func FileFlags() []string { return slices.Concat(inputFlags, outputFlags) }

// checkReplaced refuses an output that is a file of an input, by whatever path or link, or that of another output. Values of folders
// are for the verbs to look at, which say what may stand in them.
func checkReplaced(cmd *cobra.Command) error {
	for i, out := range outputFlags {
		for _, path := range filesOf(cmd, out) {
			for _, in := range inputFlags {
				for _, file := range filesOf(cmd, in) {
					if SameFile(path, file) || partOf(path, file) {
						return Usagef("--%s %s is what --%s reads, and would replace it: give another file", out, path, in)
					}
				}
			}
			for _, other := range outputFlags[:i] {
				for _, file := range filesOf(cmd, other) {
					if SameFile(path, file) || samePath(path, file) {
						return Usagef("--%s %s is the file of --%s, too: give each its own", out, path, other)
					}
				}
			}
		}
	}
	return nil
}

// filesOf returns the files that the value of a flag may name: one, or several separated by commas. Streams are none.
func filesOf(cmd *cobra.Command, name string) (files []string) {
	f := cmd.Flag(name)
	if f == nil || f.Value.String() == "" || f.Value.String() == "-" {
		return nil
	}
	value := f.Value.String()
	if files = []string{value}; strings.Contains(value, ",") {
		files = append(files, strings.Split(value, ",")...)
	}
	return files
}

// SameFile reports whether two paths are those of one regular file that is there.
func SameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && x.Mode().IsRegular() && os.SameFile(x, y)
}

// partOf reports whether a file is one of those in a folder, such as a model's.
func partOf(path, folder string) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if SameFile(path, filepath.Join(folder, e.Name())) {
			return true
		}
	}
	return false
}

// samePath reports whether two paths that need not be there mean one file.
func samePath(a, b string) bool {
	x, errA := filepath.Abs(a)
	y, errB := filepath.Abs(b)
	info, err := os.Stat(a)
	return errA == nil && errB == nil && x == y && (err != nil || info.Mode().IsRegular())
}
