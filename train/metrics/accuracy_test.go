package metrics

import "testing"

// Each row counts once, by its most probable label; the first of equals counts, and rows with an unknown cell do not.
func TestAccuracy(t *testing.T) {
	t.Parallel()
	d := Data{Labels: []string{"a", "b", "c"},
		Truth: []int8{1, 0, 0, 0, 1, 0, 0, 0, 1, 1, -1, 0, 1, 0, 0}, Scores: []float32{.9, .1, .2, .4, .3, .2, .1, .2, .3, .9, .1, .1, .5, .5, .1}}
	if got := *Accuracy(d); got != 0.75 {
		t.Errorf("%v, want 3 of 4", got)
	}
	if got := *Accuracy(Data{Labels: d.Labels}); got.Defined() {
		t.Errorf("%v of no rows", got)
	}
}
