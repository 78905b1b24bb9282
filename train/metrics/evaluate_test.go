package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// randomData draws scores on a grid of steps (so that some tie) and truths that follow them loosely; about unknownRate of
// the cells are unknown.
func randomData(rng *rand.Rand, rows, cols, steps int, unknownRate float64) Data {
	d := Data{Truth: make([]int8, rows*cols), Scores: make([]float32, rows*cols)}
	for j := range cols {
		d.Labels = append(d.Labels, fmt.Sprintf("label_%d", j))
	}
	for i := range d.Truth {
		d.Scores[i] = float32(rng.IntN(steps+1)) / float32(steps)
		if rng.Float64() < 0.1+0.7*float64(d.Scores[i]) {
			d.Truth[i] = 1
		}
		if rng.Float64() < unknownRate {
			d.Truth[i] = -1
		}
	}
	return d
}

func evaluate(t testing.TB, d Data, thresholds ...float32) *Report {
	t.Helper()
	r, err := Evaluate(d, thresholds)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// near fails unless got and want agree within a relative 1e-12, or are both NaN: float64 sums in another order.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) && math.IsNaN(want) {
		return
	}
	if !(math.Abs(got-want) <= 1e-12*math.Max(1, math.Abs(want))) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// TestAgainstDefinitions computes what orders scores by its definition, pair by pair, with unknown cells and many ties.
func TestAgainstDefinitions(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := randomData(rng, 1+rng.IntN(30), 1+rng.IntN(6), 1+rng.IntN(12), 0.3)
		r, rows, cols := evaluate(t, d, 0.5), len(d.Truth)/len(d.Labels), len(d.Labels)
		for j := range cols {
			y, s := known(d, j, cols, rows)
			near(t, "roc_auc", float64(r.PerLabel[j].ROCAUC), pairAUC(y, s))
			near(t, "average_precision", float64(r.PerLabel[j].AveragePrecision), plainAP(y, s))
		}
		y, s := known(d, 0, 1, rows*cols)
		near(t, "roc_auc_micro", float64(r.ROCAUCMicro), pairAUC(y, s))
		near(t, "average_precision_micro", float64(r.AveragePrecisionMicro), plainAP(y, s))

		var lrap, coverage, loss, n float64
		for i := range rows {
			if y, s := known(d, i*cols, 1, cols); len(y) > 0 {
				p, c, l := plainRanking(y, s)
				lrap, coverage, loss, n = lrap+p, coverage+c, loss+l, n+1
			}
		}
		near(t, "label_ranking_average_precision", float64(r.LabelRankingAveragePrecision), lrap/n)
		near(t, "coverage_error", float64(r.CoverageError), coverage/n)
		near(t, "label_ranking_loss", float64(r.LabelRankingLoss), loss/n)
	}
}

// known returns the known ones of n cells from start in steps of stride.
func known(d Data, start, stride, n int) (truth []bool, scores []float64) {
	for k := range n {
		if i := start + k*stride; d.Truth[i] >= 0 {
			truth, scores = append(truth, d.Truth[i] == 1), append(scores, float64(d.Scores[i]))
		}
	}
	return truth, scores
}

// pairAUC is the share of pairs in the right order, ties counting half.
func pairAUC(y []bool, s []float64) float64 {
	var right, pairs float64
	for i := range y {
		for j := range y {
			if y[i] && !y[j] {
				pairs++
				if s[i] > s[j] {
					right++
				} else if s[i] == s[j] {
					right += 0.5
				}
			}
		}
	}
	return right / pairs
}

// plainAP is the mean over positives of the precision of predicting all scores down to theirs.
func plainAP(y []bool, s []float64) float64 {
	var sum, positives float64
	for i := range y {
		if y[i] {
			above, hits := countFrom(y, s, s[i])
			sum, positives = sum+hits/above, positives+1
		}
	}
	return sum / positives
}

// countFrom counts the scores ≥ least, and the positives among them.
func countFrom(y []bool, s []float64, least float64) (all, positives float64) {
	for i := range y {
		if s[i] >= least {
			all++
			if y[i] {
				positives++
			}
		}
	}
	return all, positives
}

func plainRanking(y []bool, s []float64) (precision, coverage, loss float64) {
	var positives, wrong float64
	for i := range y {
		if !y[i] {
			continue
		}
		positives++
		rank, hits := countFrom(y, s, s[i])
		precision += hits / rank
		coverage = max(coverage, rank)
		wrong += rank - hits
	}
	negatives := float64(len(y)) - positives
	if positives == 0 || negatives == 0 {
		return 1, coverage, 0
	}
	return precision / positives, coverage, wrong / (positives * negatives)
}

// TestUnknownCellsAreLeftOut: a row of unknown cells changes nothing but the number of rows, and a label's values are those of
// its known cells alone.
func TestUnknownCellsAreLeftOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	d := randomData(rng, 60, 4, 10, 0.3)
	r := evaluate(t, d, 0.4)

	more := Data{d.Labels, append([]int8{-1, -1, -1, -1}, d.Truth...), append([]float32{1, 0.2, 0.9, 0.5}, d.Scores...)}
	wider := evaluate(t, more, 0.4)
	if wider.Rows != 61 {
		t.Errorf("rows = %d, want 61", wider.Rows)
	}
	wider.Rows = 60
	if a, b := mustJSON(t, r), mustJSON(t, wider); a != b {
		t.Errorf("a row of unknown cells changes the report:\n%s\n%s", a, b)
	}

	for j, label := range d.Labels {
		alone := Data{Labels: []string{label}}
		for i := j; i < len(d.Truth); i += 4 {
			if d.Truth[i] >= 0 {
				alone.Truth, alone.Scores = append(alone.Truth, d.Truth[i]), append(alone.Scores, d.Scores[i])
			}
		}
		want, got := mustJSON(t, evaluate(t, alone, 0.4).PerLabel[0]), mustJSON(t, r.PerLabel[j])
		if got != want {
			t.Errorf("%s: %s, want %s as for its known cells alone", label, got, want)
		}
	}
}

// TestUnknownLabelIsLeftOut: a label of which nothing is known changes no average.
func TestUnknownLabelIsLeftOut(t *testing.T) {
	want := evaluate(t, Data{[]string{"a", "b"}, []int8{1, 0, 0, 0, 1, 1}, []float32{0.9, 0.2, 0.4, 0.7, 0.3, 0.6}}, 0.5)
	got := evaluate(t, Data{[]string{"a", "none", "b"}, []int8{1, -1, 0, 0, -1, 0, 1, -1, 1},
		[]float32{0.9, 0.8, 0.2, 0.4, 0.1, 0.7, 0.3, 0.6, 0.6}}, 0.5)
	for name, v := range want.All() {
		if w, _ := got.Get(name); w != v {
			t.Errorf("%s = %v, want %v as without the label", name, w, v)
		}
	}
}

// TestNothingKnown: without any known cell, means over nothing are null and ratios are 0.
func TestNothingKnown(t *testing.T) {
	r := evaluate(t, Data{[]string{"a", "b"}, []int8{-1, -1}, []float32{0.2, 0.9}}, 0.5)
	for name, v := range r.All() {
		switch name {
		case "precision_micro", "precision_macro", "precision_weighted", "recall_micro", "recall_macro", "recall_weighted",
			"f1_micro", "f1_macro", "f1_weighted", "jaccard_micro", "jaccard_macro":
			if v != 0 {
				t.Errorf("%s = %v, want 0", name, v)
			}
		default:
			if v.Defined() {
				t.Errorf("%s = %v, want NaN", name, v)
			}
		}
	}
	mustJSON(t, r)
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSameBitsOnAnyNumberOfCPUs: more rows than two blocks, so that partial sums meet.
func TestSameBitsOnAnyNumberOfCPUs(t *testing.T) {
	d := randomData(rand.New(rand.NewPCG(3, 3)), 2*rowBlock+17, 5, 1<<20, 0.1)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := mustJSON(t, evaluate(t, d, 0.5))
	runtime.GOMAXPROCS(7)
	for range 3 {
		if got := mustJSON(t, evaluate(t, d, 0.5)); got != want {
			t.Fatalf("with 7 CPUs:\n%s\nwith 1:\n%s", got, want)
		}
	}
}

// TestSortKeys holds both ways of sorting to the order of the numbers.
func TestSortKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{0, 1, 2, 100, 2047, 2048, 2049, 10_000} {
		keys, ones := make([]key, n), 0
		for i := range keys {
			score := []float32{0, 1, 0x1p-149, 1 - 0x1p-24, rng.Float32(), float32(math.Copysign(0, -1))}[rng.IntN(6)]
			positive := rng.IntN(2) == 1
			keys[i] = makeKey(score, positive)
			if positive {
				ones++
			}
		}
		seen, last := 0, tie{score: 2}
		for tie := range ties(sortKeys(keys, make([]key, n))) {
			if !(tie.score < last.score) {
				t.Fatalf("n=%d: score %v after %v", n, tie.score, last.score)
			}
			seen, ones, last = seen+tie.pos+tie.neg, ones-tie.pos, tie
		}
		if seen != n || ones != 0 {
			t.Errorf("n=%d: %d cells and %d positives too few", n, n-seen, ones)
		}
	}
}

func TestCalibrationBins(t *testing.T) {
	for i := range calibrationBins + 1 {
		edge := float64(i) / calibrationBins
		for _, p := range []float32{float32(edge), math.Nextafter32(float32(edge), 2), math.Nextafter32(float32(edge), -1)} {
			if p < 0 || p > 1 {
				continue
			}
			want := 0 // by comparing with the borders themselves
			for want < calibrationBins-1 && float64(p) > float64(want+1)/calibrationBins {
				want++
			}
			if got := binOf(float64(p)); got != want {
				t.Errorf("binOf(%v) = %d, want %d", p, got, want)
			}
		}
	}
}

func TestEvaluateRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	two := []string{"joy", "fear"}
	for name, c := range map[string]struct {
		d          Data
		thresholds []float32
		want       string
	}{
		"NaN": {Data{two, []int8{0, 1, 1, 0}, []float32{0, 1, 0.5, nan}}, []float32{0.5},
			`row 2, label "fear": score is NaN`},
		"infinite":          {Data{two, []int8{0, 1, 1, 0}, []float32{0, 1, inf, 0}}, []float32{0.5}, `row 2, label "joy": score is +Inf`},
		"NaN, unknown":      {Data{two, []int8{0, -1}, []float32{0, nan}}, []float32{0.5}, `row 1, label "fear": score is NaN`},
		"above 1":           {Data{two, []int8{0, 1}, []float32{1.5, 0}}, []float32{0.5}, `row 1, label "joy": score is 1.5`},
		"below 0":           {Data{two, []int8{0, 1}, []float32{0, -0.5}}, []float32{0.5}, `row 1, label "fear": score is -0.5`},
		"truth 2":           {Data{two, []int8{0, 2}, []float32{0, 0}}, []float32{0.5}, `row 1, label "fear": truth is 2`},
		"no rows":           {Data{two, nil, nil}, []float32{0.5}, "no rows"},
		"no labels":         {Data{nil, []int8{1}, []float32{1}}, []float32{0.5}, "no labels"},
		"sizes":             {Data{two, []int8{0, 1}, []float32{0}}, []float32{0.5}, "2 truths and 1 scores"},
		"half a row":        {Data{two, []int8{0, 1, 0}, []float32{0, 0, 0}}, []float32{0.5}, "rows × 2 labels"},
		"name twice":        {Data{[]string{"a", "a"}, []int8{0, 1}, []float32{0, 0}}, []float32{0.5}, `label "a" comes twice`},
		"thresholds":        {Data{two, []int8{0, 1}, []float32{0, 0}}, []float32{0.5, 0.5, 0.5}, "3 thresholds"},
		"no threshold":      {Data{two, []int8{0, 1}, []float32{0, 0}}, nil, "0 thresholds"},
		"threshold NaN":     {Data{two, []int8{0, 1}, []float32{0, 0}}, []float32{0.5, nan}, "threshold 2 is NaN"},
		"threshold no bool": {Data{two, []int8{0, 1}, []float32{0, 0}}, []float32{inf, 0}, "threshold 1 is +Inf"},
	} {
		_, err := Evaluate(c.d, c.thresholds)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestReportJSON(t *testing.T) {
	d := Data{[]string{"z", "a \"quoted\"\nname"}, []int8{1, 0}, []float32{0.3, 0.1}}
	r := evaluate(t, d, 0.3)
	got := mustJSON(t, r)
	for _, want := range []string{
		`"roc_auc_macro":null`,
		`"undefined":{"roc_auc":["z","a \"quoted\"\nname"],"average_precision":["a \"quoted\"\nname"]}`,
		`"per_label":{"z":{"precision":0,"recall":0,"f1":0,"support":1,"roc_auc":null,"average_precision":1,"threshold":0.3,` +
			`"best_f1_threshold":0.15,"best_f1":1,"tn":0,"fp":0,"fn":1,"tp":0},"a \"quoted\"\nname":`,
		`"rows":1,"labels":["z","a \"quoted\"\nname"],"threshold":0.3}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("report is\n%s\nwithout\n%s", got, want)
		}
	}
	if got := mustJSON(t, evaluate(t, d, 0.3, 0.25).Threshold); got != "[0.3,0.25]" {
		t.Errorf("thresholds are %s, want [0.3,0.25]", got)
	}
	if got := mustJSON(t, evaluate(t, Data{[]string{"a"}, []int8{0}, []float32{1}},
		0.5).Undefined); got != `{"roc_auc":["a"],"average_precision":["a"]}` {
		t.Errorf("undefined is %s", got)
	}
}

func TestSummaryByName(t *testing.T) {
	r := evaluate(t, randomData(rand.New(rand.NewPCG(5, 5)), 30, 3, 9, 0), 0.5)
	if v, ok := r.Get("f1_macro"); !ok || v != r.F1Macro {
		t.Errorf("f1_macro = %v, %v, want %v", v, ok, r.F1Macro)
	}
	if _, ok := r.Get("f1_mcaro"); ok {
		t.Error("f1_mcaro is a metric")
	}
	lower := []string{}
	for name := range r.All() {
		if LowerIsBetter(name) {
			lower = append(lower, name)
		}
	}
	want := "[hamming_loss coverage_error label_ranking_loss log_loss brier_score expected_calibration_error]"
	if fmt.Sprint(lower) != want {
		t.Errorf("lower is better for %v, want %v", lower, want)
	}
}

// BenchmarkEvaluate is a million rows of a hundred labels; -short takes a hundredth.
func BenchmarkEvaluate(b *testing.B) {
	rows, cols := 1_000_000, 100
	if testing.Short() {
		rows /= 100
	}
	d := randomData(rand.New(rand.NewPCG(1, 1)), rows, cols, 1<<22, 0)
	b.Run(fmt.Sprintf("%dx%d", rows, cols), func(b *testing.B) {
		for b.Loop() {
			evaluate(b, d, 0.5)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows*cols), "ns/cell")
	})
}

// TestCrossValidate: mean and sample standard deviation over folds that are each evaluated alone, by hand.
func TestCrossValidate(t *testing.T) {
	d := Data{[]string{"joy"}, []int8{1, 0, 1, 1, 0, 1}, []float32{.9, .8, .1, .7, .2, .3}}
	f, err := CrossValidate(d, []int{0, 0, 1, 1, 2, 2}, 3, &Tuned{Thresholds: []float32{.5}})
	if err != nil {
		t.Fatal(err)
	}
	// Hamming losses 1/2, 1/2, 1/2; recalls 1, 1/2, 0.
	for name, want := range map[string][2]float64{"hamming_loss": {.5, 0}, "recall_macro": {.5, .5}} {
		near(t, "mean of "+name, float64(f.Mean[name]), want[0])
		near(t, "deviation of "+name, float64(f.Std[name]), want[1])
	}
	near(t, "recall of all rows", float64(f.RecallMicro), .5)
	if len(f.Each) != 3 || f.Each[2].Rows != 2 || f.Folds != 3 {
		t.Errorf("%+v", f.Each)
	}
}
