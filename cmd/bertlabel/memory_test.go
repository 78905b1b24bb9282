package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// TestMemoryRefused: a run that needs more than the budget is refused before its first step, with what it needs and what helps
// (N4).
func TestMemoryRefused(t *testing.T) {
	t.Parallel()
	dir := cmdtest.FastDir(t)
	args := append(tinyTask(t, dir), "--output", filepath.Join(dir, "out"))
	for _, c := range []struct {
		flags string
		want  []string
	}{
		{"--max-memory 100", []string{"weights, gradients and the optimizer's moments alone take", "--tune last:1"}},
		{"--max-memory 100 --tune head", []string{"the weights alone take", "a smaller model"}},
		{"--max-memory 3MiB", []string{"training needs about", "--train-batch-size 2, now 3: about",
			"--gradient-accumulation-steps 4, now 2", "--max-seq-length 4", "--recompute", "--tune last:1"}},
		{"--max-memory 3MiB --tune head --pooling cls --solver lbfgs",
			[]string{"training needs about", "a narrower --pooling than cls", "fewer rows than 25"}},
	} {
		args := args
		if strings.Contains(c.flags, "--tune head") { // which has no use for the others
			args = slices.Concat(args[:5], []string{"--output", filepath.Join(dir, "out")})
		}
		_, stderr, code := bertlabel(t, "", append(args, strings.Fields(c.flags)...)...)
		if code != cli.ExitResources {
			t.Errorf("%s: exit %d, want %d\n%s", c.flags, code, cli.ExitResources, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: no %q in\n%s", c.flags, want, stderr)
			}
		}
		if found, _ := filepath.Glob(filepath.Join(dir, "out", "*")); len(found) > 0 {
			t.Errorf("%s leaves %v", c.flags, found)
		}
	}
}

// TestMemorySteps: a budget that is lowered step by step gives a model or a refusal (N5).
func TestMemorySteps(t *testing.T) {
	t.Parallel()
	dir := cmdtest.FastDir(t)
	args := append(tinyTask(t, dir), "--max-steps", "1", "--overwrite", "--output", filepath.Join(dir, "out"))
	runs := 100
	if testing.Short() {
		runs = 12
	}
	var codes [2]int // done, refused
	for i := range runs {
		budget := fmt.Sprint(uint64(1) << 40 >> (40 * i / runs)) // from 1 TiB down to some bytes
		flags := []string{"--max-memory", budget}
		if i%2 == 1 {
			flags = append(flags, "--tune", "last:1", "--recompute")
		}
		_, stderr, code := bertlabel(t, "", append(args, flags...)...)
		switch code {
		case cli.ExitOK:
			codes[0]++
		case cli.ExitResources:
			codes[1]++
		default:
			t.Fatalf("%v: exit %d\n%s", flags, code, stderr)
		}
	}
	if codes[0] == 0 || codes[1] == 0 {
		t.Errorf("%d runs done and %d refused, want both", codes[0], codes[1])
	}
}

// TestAddressSpace: under ulimit -v a run is refused, or comes to its end; it is never out of memory on the way (N4).
func TestAddressSpace(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit -v and /proc")
	}
	dir := cmdtest.FastDir(t)
	args := append(tinyTask(t, dir), "--overwrite", "--max-steps", "2", "--output", filepath.Join(dir, "out"))
	self, reserved := os.Args[0], 2<<20 // KiB: what the Go runtime reserves is less
	for _, kib := range []int{reserved, 8 << 20} {
		script := fmt.Sprintf("ulimit -v %d && exec \"$0\" \"$@\"", kib)
		cmd := exec.Command("sh", append([]string{"-c", script, self}, args...)...)
		cmd.Env = append(os.Environ(), childVariable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != cli.ExitResources {
			t.Errorf("ulimit -v %d: %v\n%s", kib, err, out)
		}
	}
}

// TestRecomputeCommand: --recompute leaves the same files, with another number of threads too, and takes up a run that began
// without.
func TestRecomputeCommand(t *testing.T) {
	t.Parallel()
	dir := cmdtest.FastDir(t)
	args := tinyTask(t, dir)
	for _, tune := range []string{"all", "last:2"} {
		var want string
		for i, flags := range []string{"--threads 1", "--recompute --threads 2", "--recompute --threads 1"} {
			output := filepath.Join(dir, fmt.Sprint(strings.ReplaceAll(tune, ":", ""), i))
			run := append(args, append(strings.Fields(flags), "--tune", tune, "--output", output)...)
			if _, stderr, code := bertlabel(t, "", run...); code != cli.ExitOK {
				t.Fatalf("%s: exit %d\n%s", flags, code, stderr)
			}
			if got := runResult(t, output); i == 0 {
				want = got
			} else if got != want {
				t.Errorf("--tune %s %s: the result is not that without --recompute", tune, flags)
			}
		}
	}
}
