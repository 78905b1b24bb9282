package cli

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"bertlabel/asm/machine"

	"github.com/spf13/cobra"
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
	a.LimitHeap(3 << 20)
	a.LimitHeap(0)
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
		want := append(c.want, bound...)
		if c.gomemlimit == "" { // LimitHeap, within the budget and back to it
			want = append(want, int64(3<<20), int64(5<<20))
		}
		if got := switched(t, c.gomemlimit, c.flags...); !slices.Equal(got, want) {
			t.Errorf("GOMEMLIMIT=%s %v: %v, want %v", c.gomemlimit, c.flags, got, want)
		}
	}
}

// A command line that a verb runs has the global flags of that verb, and its own budget of memory where none was given.
func TestRunPassesGlobalFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environment string
		flags       []string
		want        string
	}{
		{"", []string{"--max-memory", "5MiB", "--threads", "3", "--quiet", "--log-format", "json", "--kernels", "k"},
			"5242880 3 true json k"},
		{"6MiB", []string{"--max-memory", "5MiB", "--threads", "0"}, "5242880 0 false text "},
		{"6MiB", nil, "6291456 7 false text "},
		{"", nil, fmt.Sprint(int64(float64(machine.TotalMemory())*0.8)) + " 7 false text "},
	} {
		got := ""
		verbs := func(a *App) []*cobra.Command {
			outer := &cobra.Command{Use: "outer", RunE: func(cmd *cobra.Command, _ []string) error {
				return a.Run(cmd.Context(), io.Discard, "inner")
			}}
			inner := &cobra.Command{Use: "inner", RunE: func(*cobra.Command, []string) error {
				got = fmt.Sprint(int64(a.MaxMemory), a.Threads, a.Quiet) + " " + a.LogFormat + " " + a.kernels
				return nil
			}}
			return []*cobra.Command{outer, inner}
		}
		p := Process{Env: func(name string) string {
			return map[string]string{"BERTLABEL_MAX_MEMORY": c.environment, "BERTLABEL_THREADS": "7"}[name]
		}}
		if code := Main(p, verbs, append([]string{"outer"}, c.flags...), nil, io.Discard, io.Discard); code != ExitOK || got != c.want {
			t.Errorf("%v: exit %d, %q, want %q", c.flags, code, got, c.want)
		}
	}
}
