package cli

import (
	"io"
	"slices"
	"testing"
)

// switched runs `version` with some flags and returns what it did to its process.
func switched(t *testing.T, gomemlimit string, flags ...string) (done []any) {
	t.Helper()
	p := Process{
		Env:     func(name string) string { return map[string]string{"GOMEMLIMIT": gomemlimit}[name] },
		Kernels: func(name string) error { done = append(done, "kernels "+name); return nil },
		Threads: func(n int) int { done = append(done, n); return 1 },
		MemoryLimit: func(bytes int64) int64 {
			done = append(done, bytes)
			return 1 << 30
		},
	}
	a := New(p, onlyVersion, nil, io.Discard, io.Discard)
	root := a.Root()
	root.SetArgs(append([]string{"version"}, flags...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.BoundGarbage(160 << 20)
	a.BoundGarbage(2 << 30)
	return done
}

// The flags that are the process's own reach it, and nothing else does: the limit of the garbage collector is --max-memory, unless
// GOMEMLIMIT has set one, and later never more than it was.
func TestProcessSwitches(t *testing.T) {
	t.Parallel()
	bound := []any{int64(-1), int64(168 << 20), int64(-1), int64(1 << 30)}
	for _, c := range []struct {
		gomemlimit string
		flags      []string
		want       []any
	}{
		{"1GiB", nil, []any{"kernels "}},
		{"1GiB", []string{"--threads", "3", "--kernels", "k", "--max-memory", "5MiB"}, []any{3, "kernels k", int64(5 << 20)}},
		{"", []string{"--max-memory", "5MiB"}, []any{"kernels ", int64(5 << 20)}},
	} {
		if got := switched(t, c.gomemlimit, c.flags...); !slices.Equal(got, append(c.want, bound...)) {
			t.Errorf("GOMEMLIMIT=%s %v: %v, want %v", c.gomemlimit, c.flags, got, append(c.want, bound...))
		}
	}
}
