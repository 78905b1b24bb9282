package machine

import (
	"slices"
	"testing"
)

// The files of a group of version 2 and its parents are looked at, those of version 1 and the root's are not among them.
func TestGroupFiles(t *testing.T) {
	for text, want := range map[string][]string{
		"":       nil,
		"0::/\n": nil,
		"0::/a/b\n": {
			"/sys/fs/cgroup/a/b/memory.max",
			"/sys/fs/cgroup/a/memory.max",
		},
		"5:memory:/docker/1\n0::/user.slice\n": {"/sys/fs/cgroup/user.slice/memory.max"},
	} {
		if got := groupFiles(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
