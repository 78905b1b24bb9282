package solver

import (
	"context"
	"math"
	"runtime"
	"slices"
	"testing"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/metrics"

	"gonum.org/v1/gonum/mat"
)

// discriminant64 is the definition in float64 for one label: the clouds' means and common covariance, and Bayes' theorem. It returns
// the logit of every row of x. The covariance is that of all rows around their own class's mean; a share y of a row is in one cloud by y and
// in the other by 1 − y.
func discriminant64(x [][]float64, y []float64, l2 float64) []float64 {
	n, cols := float64(len(x)), len(x[0])
	var count [2]float64
	mean := [2][]float64{make([]float64, cols), make([]float64, cols)}
	for i, row := range x {
		for c, weight := range []float64{1 - y[i], y[i]} {
			count[c] += weight
			axpy(mean[c], weight, row)
		}
	}
	for c := range mean {
		for j := range mean[c] {
			mean[c][j] /= count[c]
		}
	}
	within := mat.NewSymDense(cols, nil)
	for i, row := range x {
		for j := range cols {
			for k := j; k < cols; k++ {
				for c, weight := range []float64{1 - y[i], y[i]} {
					within.SetSym(j, k, within.At(j, k)+weight*(row[j]-mean[c][j])*(row[k]-mean[c][k])/n)
				}
			}
		}
	}
	delta := mat.NewVecDense(cols, nil)
	for j := range cols {
		within.SetSym(j, j, within.At(j, j)+l2)
		delta.SetVec(j, mean[1][j]-mean[0][j])
	}
	var cholesky mat.Cholesky
	cholesky.Factorize(within)
	var v mat.VecDense
	cholesky.SolveVecTo(&v, delta)
	logits := make([]float64, len(x))
	for i, row := range x {
		logits[i] = math.Log(count[1] / count[0])
		for j := range cols {
			logits[i] += v.AtVec(j) * (row[j] - (mean[0][j]+mean[1][j])/2)
		}
	}
	return logits
}

// TestDiscriminant compares with the definition, on columns of very different scale.
func TestDiscriminant(t *testing.T) {
	t.Run("cells", func(t *testing.T) { testDiscriminant(t, newTask(31, 300, 7, 4)) })
	t.Run("shares", func(t *testing.T) { testDiscriminant(t, withShares(newTask(31, 300, 7, 4))) })
	t.Run("shares of few rows", func(t *testing.T) { testDiscriminant(t, withShares(newTask(32, 20, 40, 4))) })
}

func testDiscriminant(t *testing.T, task Task) {
	task.Dev = train.Features{}
	for i := range task.Train.Y {
		if task.Train.Y[i] == layers.Unknown {
			task.Train.Y[i] = layers.Negative
		}
	}
	for _, l2 := range []float64{1, 1e-2, 1e-4} {
		task.L2 = []float64{l2}
		solutions, err := Discriminant(context.Background(), task)
		if err != nil {
			t.Fatal(err)
		}
		x := newDesign(task.Train.X, nil).x
		rows := make([][]float64, x.Rows)
		for i := range rows {
			for _, v := range x.Row(i) {
				rows[i] = append(rows[i], float64(v))
			}
		}
		logits := tensor.New(x.Rows, 4)
		task.Classifier.Forward(logits, task.Train.X)
		for l := range task.Labels {
			y := make([]float64, x.Rows)
			for i := range y {
				y[i] = share(&task.Train, 4*i+l)
			}
			for i, want := range discriminant64(rows, y, l2) {
				// Products are float32 sums over 512 rows: 1e-5 of the largest logits is ten times what is seen.
				if got := float64(logits.Row(i)[l]); !(math.Abs(got-want) <= 1e-4) {
					t.Fatalf("l2 %g, label %d, row %d: logit %g, want %g", l2, l, i, got, want)
				}
			}
			if solutions[l].L2 != l2 || !math.IsNaN(solutions[l].HeldLoss) {
				t.Errorf("%+v", solutions[l])
			}
		}
	}
}

// TestDiscriminantChoosesL2: on Dev, by average precision; the same bits for any number of workers.
func TestDiscriminantChoosesL2(t *testing.T) {
	task := newTask(32, 600, 60, 5)
	all := task.Train
	head, rest := all.X.SliceRows(0, 200), all.X.SliceRows(200, 600)
	task.Train, task.Dev = train.Features{X: &head, Y: all.Y[:200*5]}, train.Features{X: &rest, Y: all.Y[200*5:]}
	solutions, err := Discriminant(context.Background(), task)
	if err != nil {
		t.Fatal(err)
	}
	chosen, weights := solutions[0], slices.Clone(task.Classifier.Weights.Value)
	best := math.Inf(1)
	for _, l2 := range DiscriminantPath() {
		task.L2 = []float64{l2}
		if _, err := Discriminant(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		loss := devLoss(t, task)
		if best = min(best, loss); l2 == chosen.L2 && (loss != chosen.HeldLoss || !slices.Equal(task.Classifier.Weights.Value, weights)) {
			t.Errorf("l2 %g alone has loss %g, on the path %g", l2, loss, chosen.HeldLoss)
		}
	}
	if !(chosen.HeldLoss <= best) || chosen.L2 == DiscriminantPath()[0] {
		t.Errorf("chose %g with loss %g; the best is %g", chosen.L2, chosen.HeldLoss, best)
	}
	task.L2, task.Workers = []float64{chosen.L2}, tensor.NewWorkers(3)
	if _, err := Discriminant(context.Background(), task); err != nil || !slices.Equal(task.Classifier.Weights.Value, weights) {
		t.Errorf("another number of workers gives other weights, or %v", err)
	}
}

// devLoss returns what Dev says of task's classifier: 1 − the macro-averaged average precision.
func devLoss(t *testing.T, task Task) float64 {
	t.Helper()
	scores := tensor.New(task.Dev.X.Rows, len(task.Labels))
	task.Classifier.Forward(scores, task.Dev.X)
	for i := range scores.Data { // probabilities close to 1 would tie
		scores.Data[i] /= 8
	}
	asm.Best.Sigmoid(scores.Data, scores.Data)
	r, err := metrics.Evaluate(metrics.Data{Labels: task.Labels, Truth: task.Dev.Y, Scores: scores.Data}, []float32{0.5})
	if err != nil {
		t.Fatal(err)
	}
	return 1 - float64(r.AveragePrecisionMacro)
}

// TestDiscriminantWalks: from 3 down while that gets better, and up where not even the first step down did; an end is said. What is
// found has the bits of that strength alone.
func TestDiscriminantWalks(t *testing.T) {
	path := DiscriminantPath()
	seen := map[string]bool{}
	for n := range 48 {
		size := [][3]int{{12, 60, 20}, {30, 100, 60}, {60, 100, 8}, {400, 200, 30}}[n%4]
		seed, rows, dev, columns := uint64(n/4), size[0], size[1], size[2]
		task := newTask(40+seed, rows+dev, columns, 4)
		all := task.Train
		head, rest := all.X.SliceRows(0, rows), all.X.SliceRows(rows, rows+dev)
		task.Train, task.Dev = train.Features{X: &head, Y: all.Y[:rows*4]}, train.Features{X: &rest, Y: all.Y[rows*4:]}
		var losses []float64
		var heads [][]float32
		for _, l2 := range path {
			task.L2 = []float64{l2}
			if _, err := Discriminant(t.Context(), task); err != nil {
				t.Fatal(err)
			}
			losses, heads = append(losses, devLoss(t, task)), append(heads, slices.Clone(task.Classifier.Weights.Value))
		}
		begin := slices.Index(path, DiscriminantBegin)
		want, tries := begin, 2 // the first, and one down
		for want+1 < len(path) && losses[want+1] < losses[want] {
			want, tries = want+1, tries+1
		}
		way := "down"
		if want == len(path)-1 {
			tries, way = tries-1, "weakest"
		}
		if want == begin {
			tries, way = tries+1, "stays"
			for want > 0 && losses[want-1] < losses[want] {
				want, tries, way = want-1, tries+1, "up"
			}
			if want == 0 {
				tries, way = tries-1, "strongest"
			}
		}
		seen[way] = true
		task.L2 = nil
		observed := 0
		task.Observe = func(p Progress) error { observed = p.Round; return nil }
		solutions, err := Discriminant(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		end := map[string]int{"weakest": -1, "strongest": 1}[way]
		if s := solutions[0]; s.L2 != path[want] || s.HeldLoss != losses[want] || s.Rounds != tries || observed != tries || s.End != end ||
			!slices.Equal(task.Classifier.Weights.Value, heads[want]) {
			t.Errorf("case %d: %+v, %d observed, want l2 %g, loss %g, %d tries, %s", n, s, observed, path[want], losses[want], tries, way)
		}
		if way == "down" { // what is between the ends of the path from 1 down is found by that path too, with the same bits
			task.L2 = path[begin+1:]
			old, err := Discriminant(t.Context(), task)
			if err != nil || path[want] < 1 && (old[0].L2 != path[want] || !slices.Equal(task.Classifier.Weights.Value, heads[want])) {
				t.Errorf("case %d: l2 %g, from 1 on %+v, %v", n, path[want], old[0], err)
			}
		}
	}
	for _, way := range []string{"down", "weakest", "stays", "up", "strongest"} {
		if !seen[way] {
			t.Errorf("no case that goes %s", way)
		}
	}
}

// TestDiscriminantRows: with fewer rows than columns the rows form gives the logits of the definition, and directions in float64 are those
// of the column form on the same products.
func TestDiscriminantRows(t *testing.T) {
	task := newTask(33, 50, 120, 3)
	task.Dev = train.Features{}
	for i, y := range task.Train.Y { // the definition knows all cells
		if y == layers.Unknown {
			task.Train.Y[i] = layers.Negative
		}
	}
	d := newDiscriminant(task)
	if !d.rows {
		t.Fatal("50 rows of 120 columns are not solved in the rows")
	}
	x := d.design.x
	exact := func(rows bool) { // products in float64, of the same x and cells
		d.setGram(rows)
		for i := range d.gram.SymmetricDim() {
			for j := i; j < d.gram.SymmetricDim(); j++ {
				sum := 0.0
				for k := range max(x.Rows, x.Cols) {
					switch {
					case rows && k < x.Cols:
						sum += float64(x.Row(i)[k]) * float64(x.Row(j)[k])
					case !rows && k < x.Rows:
						sum += float64(x.Row(k)[i]) * float64(x.Row(k)[j])
					}
				}
				d.gram.SetSym(i, j, sum/float64(x.Rows))
			}
		}
	}
	for l := range d.labels {
		clear(d.labels[l].covariance)
		for i := range x.Rows {
			for j, v := range x.Row(i) {
				d.labels[l].covariance[j] += float64(d.cells.Row(2*l + 1)[i]) * float64(v)
			}
		}
	}
	for _, l2 := range []float64{100, 1, 1e-3} {
		exact(true)
		byRows, err := d.solveRows(l2)
		if err != nil {
			t.Fatal(err)
		}
		exact(false)
		byColumns, err := d.solveColumns(l2)
		if err != nil {
			t.Fatal(err)
		}
		// Both are backward stable: an error of 2⁻⁵³ times the condition, (largest eigenvalue + l2)/l2, below 120/l2 here.
		bound := 0x1p-53 * 10 * (1 + 120/l2)
		for l := range byRows {
			for j, got := range byRows[l] {
				if want := byColumns[l][j]; !(math.Abs(got-want) <= bound*largest(byColumns[l])) {
					t.Fatalf("l2 %g, label %d, column %d: %g by rows, %g by columns", l2, l, j, got, want)
				}
			}
		}
	}

	task.L2 = []float64{0.1}
	if _, err := Discriminant(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	weights := slices.Clone(task.Classifier.Weights.Value)
	rows := make([][]float64, x.Rows)
	for i := range rows {
		for _, v := range x.Row(i) {
			rows[i] = append(rows[i], float64(v))
		}
	}
	logits := tensor.New(x.Rows, 3)
	task.Classifier.Forward(logits, task.Train.X)
	for l := range task.Labels {
		y := make([]float64, x.Rows)
		for i := range y {
			y[i] = float64(task.Train.Y[3*i+l])
		}
		for i, want := range discriminant64(rows, y, 0.1) {
			if got := float64(logits.Row(i)[l]); !(math.Abs(got-want) <= 1e-5*(1+math.Abs(want))) {
				t.Fatalf("label %d, row %d: logit %g, want %g", l, i, got, want)
			}
		}
	}
	task.Workers = tensor.NewWorkers(3)
	if _, err := Discriminant(t.Context(), task); err != nil || !slices.Equal(task.Classifier.Weights.Value, weights) {
		t.Errorf("another number of workers gives other weights, or %v", err)
	}
}

// TestDiscriminantOddLabels: one class, nothing known, all but nothing known; and several strengths without Dev.
func TestDiscriminantOddLabels(t *testing.T) {
	task := newTask(34, 90, 20, 4)
	task.Dev, task.L2 = train.Features{}, []float64{0.1}
	for i := range 90 {
		row := task.Train.Y[4*i : 4*i+4]
		row[0], row[1] = layers.Positive, layers.Unknown
		if row[2] = layers.Unknown; i < 4 {
			row[2] = int8(i % 2)
		}
	}
	if _, err := Discriminant(context.Background(), task); err != nil {
		t.Fatal(err)
	}
	c := task.Classifier
	if got, want := float64(c.Bias.Value[0]), math.Log(90.5/0.5); !(math.Abs(got-want) <= 1e-6) || c.Bias.Value[1] != 0 {
		t.Errorf("biases %v", c.Bias.Value)
	}
	for i, w := range c.Weights.Value {
		if l := i / 20; w-w != 0 || (w == 0) != (l < 2) {
			t.Fatalf("label %d has the weight %v", l, w)
		}
	}
	task.L2 = nil
	if _, err := Discriminant(context.Background(), task); err == nil {
		t.Error("several strengths and no Dev: no error")
	}
}

// TestDiscriminantMemory: all that one strength allocates, garbage too, is at least the estimate without the features, but for a share;
// garbage is no more than as much again, in the rows and in the columns.
func TestDiscriminantMemory(t *testing.T) {
	for _, c := range []struct{ rows, columns int }{{900, 300}, {200, 900}, {500, 500}} {
		task := newTask(35, c.rows, c.columns, 3)
		task.L2 = []float64{1}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Discriminant(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		got := float64(after.TotalAlloc - before.TotalAlloc)
		want := float64(DiscriminantMemory(c.rows, task.Dev.X.Rows, c.columns, 3) - 4*(c.rows+task.Dev.X.Rows)*c.columns)
		if ratio := want / got; !(ratio > 0.5 && ratio < 1.1) {
			t.Errorf("%d × %d: estimate %.0f, allocated %.0f", c.rows, c.columns, want, got)
		}
	}
}
