package asm

import (
	"errors"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestChoose: the first set without a name, the named one with it, and an error beside generic for any other name.
func TestChoose(t *testing.T) {
	sets := []Kernels{{Name: "fast"}, {Name: "slow"}, {Name: "generic"}}
	for name, want := range map[string]string{"": "fast", "fast": "fast", "slow": "slow", "generic": "generic"} {
		if got, err := choose(sets, name); err != nil || got.Name != want {
			t.Errorf("choose(%q) = %q, %v; want %q", name, got.Name, err, want)
		}
	}
	for _, name := range []string{"sse9", "FAST", "fast ", "avx512"} {
		got, err := choose(sets, name)
		if err == nil || got.Name != "generic" {
			t.Errorf("choose(%q) = %q, %v; want generic and an error", name, got.Name, err)
		} else if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "fast, slow, generic") {
			t.Errorf("choose(%q): %q names neither what was found nor what is possible", name, err)
		}
	}
}

// TestBest: this process obeys its own environment.
func TestBest(t *testing.T) {
	name, sets := os.Getenv("BERTLABEL_KERNELS"), Sets()
	known := slices.ContainsFunc(sets, func(s Kernels) bool { return s.Name == name })
	switch { // the ways to be wrong
	case name == "" && (BestErr != nil || Best.Name != sets[0].Name),
		known && (BestErr != nil || Best.Name != name),
		name != "" && !known && (BestErr == nil || Best.Name != "generic"):
		t.Errorf("BERTLABEL_KERNELS=%q: Best = %q, BestErr = %v", name, Best.Name, BestErr)
	}
	t.Logf("Best = %q, BestErr = %v", Best.Name, BestErr)
}

// TestSetsComplete: generic comes last, every field of every set is set, and the tiles are ordered as Kernels promises.
func TestSetsComplete(t *testing.T) {
	sets := Sets()
	if last := sets[len(sets)-1].Name; last != "generic" {
		t.Errorf("the last set is %q, want generic", last)
	}
	for _, s := range sets {
		v := reflect.ValueOf(s)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s: field %s is not set", s.Name, v.Type().Field(i).Name)
			}
		}
		checkTileOrder(t, s)
	}
}

func checkTileOrder(t *testing.T, s Kernels) {
	first, last := s.Tiles[0], s.Tiles[len(s.Tiles)-1]
	if first.Rows != s.MR || first.Panels != 1 || last.Rows != 1 || last.Panels != 1 {
		t.Errorf("%s: tiles run from %d×%d to %d×%d, want %d×1 to 1×1", s.Name, first.Rows, first.Panels, last.Rows, last.Panels, s.MR)
	}
	for i := 1; i < len(s.Tiles); i++ {
		a, b := s.Tiles[i-1], s.Tiles[i]
		if !(a.Rows > b.Rows || a.Rows == b.Rows && a.Panels > b.Panels) {
			t.Errorf("%s: tile %d×%d stands before %d×%d", s.Name, a.Rows, a.Panels, b.Rows, b.Panels)
		}
		if a.Rows > b.Rows && a.Panels != 1 {
			t.Errorf("%s: no tile of %d rows and one panel", s.Name, a.Rows)
		}
	}
}

// TestForced starts this test binary again with each value of BERTLABEL_KERNELS, and TestBest there judges what came of it:
// under emulation the new process may see another CPU than this one. No value may crash it, be it a set of another CPU or no
// set at all.
func TestForced(t *testing.T) {
	for _, name := range []string{"", "avx512", "avx2", "neon", "generic", "bogus", "../avx2"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestBest$", "-test.v")
		cmd.Env = append(os.Environ(), "BERTLABEL_KERNELS="+name)
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("the system cannot start this binary by itself: user-mode emulation")
		}
		if err != nil || !strings.Contains(string(out), "--- PASS: TestBest") {
			t.Errorf("BERTLABEL_KERNELS=%q: %v\n%s", name, err, out)
		}
	}
}

// TestPeak: a set's multiply-add loop runs and measures something.
func TestPeak(t *testing.T) {
	for _, s := range Sets() {
		if peak := s.Peak(); !(peak > 0 && peak < 1e14) {
			t.Errorf("%s: peak %g FLOP/s", s.Name, peak)
		} else {
			t.Logf("%s: %.1f GFLOP/s", s.Name, peak/1e9)
		}
	}
}
