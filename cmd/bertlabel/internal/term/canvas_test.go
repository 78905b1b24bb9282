package term

import (
	"math"
	"testing"
)

func TestBar(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{0: "", 1: "████", 0.5: "██", 0.25 + 1./32: "█▏", 0.24: "█", 1. / 64: "▏", 0.97: "███▉"} {
		if got := Bar(share, 4); got != want {
			t.Errorf("bar(%v) = %q, want %q", share, got, want)
		}
	}
	for i := range 1001 {
		if w, want := Width(Bar(float64(i)/1000, 37)), float64(i)/1000*37; math.Abs(float64(w)-want) > 1+1./16 {
			t.Errorf("%d columns for %v", w, want)
		}
	}
}
