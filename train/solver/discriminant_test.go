package solver

import (
	"context"
	"math"
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
// the logit of every row of x. The covariance is that of all rows around their own class's mean.
func discriminant64(x [][]float64, y []int8, l2 float64) []float64 {
	n, cols := float64(len(x)), len(x[0])
	var count [2]float64
	mean := [2][]float64{make([]float64, cols), make([]float64, cols)}
	for i, row := range x {
		count[y[i]]++
		axpy(mean[y[i]], 1, row)
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
				within.SetSym(j, k, within.At(j, k)+(row[j]-mean[y[i]][j])*(row[k]-mean[y[i]][k])/n)
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
	task := newTask(31, 300, 7, 4)
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
			y := make([]int8, x.Rows)
			for i := range y {
				y[i] = task.Train.Y[4*i+l]
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
		scores := tensor.New(task.Dev.X.Rows, 5)
		task.Classifier.Forward(scores, task.Dev.X)
		for i := range scores.Data { // probabilities close to 1 would tie
			scores.Data[i] /= 8
		}
		asm.Best.Sigmoid(scores.Data, scores.Data)
		r, err := metrics.Evaluate(metrics.Data{Labels: task.Labels, Truth: task.Dev.Y, Scores: scores.Data}, []float32{0.5})
		if err != nil {
			t.Fatal(err)
		}
		loss := 1 - float64(r.AveragePrecisionMacro)
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
