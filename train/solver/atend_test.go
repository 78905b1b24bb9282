package solver

import (
	"fmt"
	"testing"
)

// AtEnd names the labels of one end.
func TestAtEnd(t *testing.T) {
	labels, solutions := []string{"a", "b", "c", "d"}, []Solution{{L2: 1, End: 1}, {L2: 0.1}, {L2: 1, End: 1}, {L2: 1e-5, End: -1}}
	for end, want := range map[int]string{1: "[a c] 1", -1: "[d] 1e-05"} {
		at, l2 := AtEnd(labels, solutions, end)
		if got := fmt.Sprint(at, l2); got != want {
			t.Errorf("end %d: %s, want %s", end, got, want)
		}
	}
	if at, _ := AtEnd(labels, solutions[:0], 1); at != nil {
		t.Errorf("of nothing: %v", at)
	}
}
