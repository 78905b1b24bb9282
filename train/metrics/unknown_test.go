package metrics

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFolds: the folds have as many rows each, or one more; a split has every row once, whole, with its unknown cells, in its order.
func TestFolds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for rows := range 24 {
		d := randomData(rng, rows, 3, 10, 0.4)
		fold := deal(rows, rng)
		var counts [folds]int
		for _, f := range fold {
			counts[f]++
		}
		if slices.Max(counts[:])-slices.Min(counts[:]) > 1 {
			t.Errorf("%d rows: folds of %v", rows, counts)
		}
		for k := range folds {
			rest, held := d.split(fold, k)
			for i, f := range fold {
				part := &rest
				if f == k {
					part = &held
				}
				if !slices.Equal(part.Truth[:3], d.Truth[3*i:3*i+3]) || !slices.Equal(part.Scores[:3], d.Scores[3*i:3*i+3]) {
					t.Fatalf("%d rows, fold %d: row %d is another one", rows, k, i)
				}
				part.Truth, part.Scores = part.Truth[3:], part.Scores[3:]
			}
			if len(rest.Truth)+len(held.Truth) > 0 || !slices.Equal(rest.Labels, d.Labels) || !slices.Equal(held.Labels, d.Labels) {
				t.Errorf("%d rows, fold %d: rows are left over", rows, k)
			}
		}
	}
}

// TestCalibrateChooses: the prior is the one that is best on rows that its lines did not see, and the lines are those of all rows.
func TestCalibrateChooses(t *testing.T) {
	seen := map[float64]bool{}
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 3))
		rows := 20 << (seed / 2)
		labels, truth, logits := miscalibrated(rng, rows, []line{{0.5, 1}, {2, -1}, {1, 0}})
		for i := range truth {
			if rng.IntN(4) == 0 {
				truth[i] = -1
			}
		}
		d := Data{labels, truth, logits}
		tried := d.tryLines(Platt, rand.New(rand.NewPCG(seed, 1)))
		best := 0
		for i := range tried {
			if tried[i].cells != tried[0].cells || tried[i].cells == 0 {
				t.Errorf("prior %v was tried on %v cells, the first on %v", calibrationPriors[i], tried[i].cells, tried[0].cells)
			}
			if tried[i].logLoss() < tried[best].logLoss() {
				best = i
			}
		}
		c := calibrate(t, labels, truth, logits, Platt, seed)
		if c.Prior != calibrationPriors[best] || c.After != tried[best].quality() {
			t.Errorf("seed %d: prior %v and %+v, want %v and %+v", seed, c.Prior, c.After, calibrationPriors[best], tried[best].quality())
		}
		for j, l := range d.fitLines(Platt)[best] {
			if c.Slope[j] != l.slope || c.Intercept[j] != l.intercept {
				t.Errorf("seed %d: label %d has the line %v, %v, want %+v", seed, j, c.Slope[j], c.Intercept[j], l)
			}
		}
		seen[c.Prior] = true
	}
	if len(seen) < 2 {
		t.Errorf("only the priors %v were chosen", seen)
	}
}

// TestOneKnownCell: a label with a single known cell counts in means, one with none does not, and all of them do if nothing is known.
func TestOneKnownCell(t *testing.T) {
	truth := []int8{1, 1, -1, 1, -1, -1, 0, -1, -1}
	r := evaluate(t, Data{[]string{"a", "b", "none"}, truth, []float32{0.9, 0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9}}, 0.5)
	for name, got := range map[string]Number{
		"F1": r.F1Macro, "recall": r.RecallMacro, "precision": r.PrecisionMacro, "Jaccard": r.JaccardMacro,
	} {
		if got != 0.5 {
			t.Errorf("macro %s is %v, want 0.5, the mean of 1 and 0", name, got)
		}
	}
	r = evaluate(t, Data{[]string{"a", "none"}, []int8{1, -1}, []float32{0.9, 0.9}}, 0.5)
	if r.F1Macro != 1 {
		t.Errorf("macro F1 %v, want that of the label of which one cell is known", r.F1Macro)
	}
}

// TestTuneUnknown: thresholds are chosen by known cells alone.
func TestTuneUnknown(t *testing.T) {
	d := randomData(rand.New(rand.NewPCG(5, 5)), 40, 3, 20, 0.4)
	aim, err := ParseAim("f1")
	if err != nil {
		t.Fatal(err)
	}
	tuned, err := Tune(d, aim)
	if err != nil {
		t.Fatal(err)
	}
	var all Data
	for j := range d.Labels {
		alone := Data{Labels: []string{"x"}}
		for i := j; i < len(d.Truth); i += 3 {
			if d.Truth[i] >= 0 {
				alone.Truth, alone.Scores = append(alone.Truth, d.Truth[i]), append(alone.Scores, d.Scores[i])
			}
		}
		all.Truth, all.Scores = append(all.Truth, alone.Truth...), append(all.Scores, alone.Scores...)
		want, err := TuneEach(alone, aim)
		if err != nil || tuned.Thresholds[j] != want[0].Threshold {
			t.Errorf("label %d: threshold %v, want %v, %v", j, tuned.Thresholds[j], want[0].Threshold, err)
		}
	}
	all.Labels = []string{"x"}
	if want, err := TuneGlobal(all, aim); err != nil || tuned.Global != want.Threshold || math.IsNaN(float64(tuned.Global)) {
		t.Errorf("threshold of all %v, want %v, %v", tuned.Global, want.Threshold, err)
	}
}

// TestCalibrateTies: where all priors are as good, as with logits of 0, which no temperature changes, the strongest is taken; and the line of
// all labels is itself pulled towards no change, with the strength 1.
func TestCalibrateTies(t *testing.T) {
	truth, logits := make([]int8, 40), make([]float32, 40)
	for i := range truth {
		truth[i] = int8(i / 2 % 2)
	}
	d := Data{[]string{"a", "b"}, truth, logits}
	c := calibrate(t, d.Labels, truth, logits, Temperature, 1)
	if !math.IsInf(c.Prior, 1) || c.Slope[0] != c.Slope[1] {
		t.Errorf("prior %v, slopes %v", c.Prior, c.Slope)
	}

	rng := rand.New(rand.NewPCG(5, 6))
	for i := range truth {
		truth[i], logits[i] = int8(rng.IntN(2)), float32(rng.NormFloat64())
		logits[i] += float32(truth[i])
	}
	all := d.fitLines(Platt)[0] // of the infinitely strong prior
	o := newObjective(knownCells(truth, logits, 1), all[0], unchanged, 1)
	if all[0] != all[1] || !(math.Abs(o.dSlope)+math.Abs(o.dIntercept) <= 1e-6) {
		t.Errorf("the line of all labels %+v is not where the cross-entropy and a pull of 1 balance: %+v", all[0], o)
	}
}
