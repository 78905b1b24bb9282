package solver

import (
	"fmt"
	"math"
	"testing"
)

// Overall is the mean over the labels that something chose for; strengths are those of the labels that were solved.
func TestOverall(t *testing.T) {
	none := math.NaN()
	for _, c := range []struct {
		of          []Solution
		least, most float64
		loss        float64
	}{
		{[]Solution{{L2: 0.1, HeldLoss: 0.3, Rounds: 2}, {L2: 0.01, HeldLoss: 0.5, Rounds: 1}}, 0.01, 0.1, 0.4},
		{[]Solution{{L2: 0.1, HeldLoss: none, Rounds: 2}, {L2: 0.5, HeldLoss: 0.5, Rounds: 1}}, 0.1, 0.5, 0.5},
		{[]Solution{{L2: 0.1, HeldLoss: none, Rounds: 2}}, 0.1, 0.1, none},
		{[]Solution{{L2: 0.1, HeldLoss: none}}, none, none, none},
		{[]Solution{{L2: 9, HeldLoss: 0.2}, {L2: 0.1, HeldLoss: 0.4, Rounds: 3}}, 0.1, 0.1, 0.3},
	} {
		strength, loss := Overall(c.of)
		if got, want := fmt.Sprint(strength, float32(loss)), fmt.Sprint([2]float64{c.least, c.most}, float32(c.loss)); got != want {
			t.Errorf("Overall(%v) = %s, want %s", c.of, got, want)
		}
	}
}

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
