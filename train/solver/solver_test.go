package solver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/asm"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"

	"gonum.org/v1/gonum/optimize"
)

// TestSolverGolden compares with scikit-learn in float64: three losses and shares, three strengths, with unknown cells, columns of very
// different scale, two that nearly agree and one that is constant.
func TestSolverGolden(t *testing.T) {
	var golden struct {
		Features  [][]float32
		Labels    [][]int8
		Shares    [][]float32
		PosWeight []float64 `json:"pos_weight"`
		Epsilon   float64
		Cases     []struct {
			Loss      string
			L2        float64
			Solutions []struct {
				Weights, Deviation []float64
				Bias               float64
				LeastCurvature     float64 `json:"least_curvature"`
				Curvature          float64
			}
		}
	}
	readGolden(t, "solver.json", &golden)
	losses := map[string]layers.CrossEntropy{
		"sigmoid_cross_entropy":          nil,
		"weighted_sigmoid_cross_entropy": layers.WeightedSigmoidCrossEntropy{PosWeight: golden.PosWeight},
		"label_smoothing":                layers.LabelSmoothing{Epsilon: golden.Epsilon},
	}
	rows, hidden, labels := len(golden.Features), len(golden.Features[0]), len(golden.Labels[0])
	if len(golden.Cases) != 12 {
		t.Fatalf("%d cases, want 12", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		task := Task{
			Labels: labelNames(labels), L2: []float64{c.L2}, Loss: losses[c.Loss], Classifier: layers.NewClassifier(labels, hidden),
			Train: train.Features{X: tensor.From(slices.Concat(golden.Features...), rows, hidden), Y: slices.Concat(golden.Labels...)},
		}
		if c.Loss == "soft" {
			task.Train.Shares = slices.Concat(golden.Shares...)
		}
		if _, err := Head(context.Background(), task); err != nil {
			t.Fatal(err)
		}
		for l, want := range c.Solutions {
			// The distance to the optimum is at most |gradient|/(least curvature). Twice that, for the curvature in between;
			// the 1e-6 is for weights and bias as float32.
			tol := 1e-6 + 2*math.Sqrt(float64(hidden+1))*finalTolerance*want.Curvature/want.LeastCurvature
			worst, bias := 0.0, float64(task.Classifier.Bias.Value[l])
			for j, w := range want.Weights {
				got := float64(task.Classifier.Weights.Value[l*hidden+j])
				worst = max(worst, math.Abs(got-w)*want.Deviation[j])
				if want.Deviation[j] == 0 && got != 0 {
					t.Errorf("%s, l2 %g, label %d: weight of the constant column is %v, want 0", c.Loss, c.L2, l, got)
				}
			}
			// The means of the columns, up to 300 at deviation 100, carry the error of the weights into the bias.
			if biasTol := 10 * tol; !(worst <= tol && math.Abs(bias-want.Bias) <= biasTol) {
				t.Errorf("%s, l2 %g, label %d: weights differ by %g, want at most %g; bias by %g, want at most %g",
					c.Loss, c.L2, l, worst, tol, math.Abs(bias-want.Bias), biasTol)
			}
		}
	}
}

// newTask returns a task on made-up features whose labels are the signs of random projections with noise, some of them unknown, and
// whose columns are scaled, shifted and mixed. Every call with the same seed gives the same task.
func newTask(seed uint64, rows, hidden, labels int) Task {
	task := Task{Labels: labelNames(labels), Classifier: layers.NewClassifier(labels, hidden), Seed: 3}
	task.Train, task.Dev = newFeatures(seed, rows, hidden, labels)
	rng := rand.New(rand.NewPCG(seed, 2))
	for _, f := range []train.Features{task.Train, task.Dev} {
		for i := range f.X.Rows {
			x := f.X.Row(i)
			for j := range x {
				if j > 0 {
					x[j] = 0.3*x[j] + 0.7*x[j-1]
				}
			}
			for j := range x {
				x[j] = x[j]*float32(1+j%7) + float32(j%5)
			}
		}
		for i := range f.Y {
			if f.Y[i] != layers.Unknown && rng.IntN(6) == 0 {
				f.Y[i] = 1 - f.Y[i]
			}
		}
	}
	return task
}

// newFeatures returns normally distributed features, and labels that are the signs of random projections, one in twenty unknown.
func newFeatures(seed uint64, rows, hidden, labels int) (forTraining, dev train.Features) {
	rng := rand.New(rand.NewPCG(seed, 1))
	truth := make([]float32, hidden*labels)
	for i := range truth {
		truth[i] = float32(rng.NormFloat64())
	}
	features := func(rows int) train.Features {
		f := train.Features{X: tensor.New(rows, hidden)}
		for i := range rows {
			x := f.X.Row(i)
			for j := range x {
				x[j] = float32(rng.NormFloat64())
			}
			for l := range labels {
				dot := float32(0)
				for j, v := range x {
					dot += v * truth[l*hidden+j]
				}
				y := layers.Negative
				if dot > 0 {
					y = layers.Positive
				}
				if rng.IntN(20) == 0 {
					y = layers.Unknown
				}
				f.Y = append(f.Y, y)
			}
		}
		return f
	}
	return features(rows), features(rows / 2)
}

func labelNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("label%d", i))
	}
	return names
}

// readGolden reads a file of testdata; the script of the same name made it.
func readGolden(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// solve solves the task and returns weights and bias together.
func solve(t *testing.T, task Task) ([]Solution, []float32) {
	t.Helper()
	solutions, err := Head(context.Background(), task)
	if err != nil {
		t.Fatal(err)
	}
	return solutions, slices.Concat(task.Classifier.Weights.Value, task.Classifier.Bias.Value)
}

// gradient64 returns the gradient of the penalised mean loss of one label in float64, at a head on features as they are: by the
// weights for standardised features, and by the bias. It also returns the mean curvature.
func gradient64(task Task, label int, l2 float64) (gradient []float64, curvature float64) {
	x, labels := task.Train.X, len(task.Labels)
	mean, deviation := make([]float64, x.Cols), make([]float64, x.Cols)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			mean[j] += float64(v) / float64(x.Rows)
		}
	}
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			deviation[j] += math.Pow(float64(v)-mean[j], 2) / float64(x.Rows)
		}
	}
	weights := task.Classifier.Weights.Value[label*x.Cols : (label+1)*x.Cols]
	gradient = make([]float64, x.Cols+1)
	known := 0.0
	for i := range x.Rows {
		y := task.Train.Y[i*labels+label]
		if y == layers.Unknown {
			continue
		}
		z := float64(task.Classifier.Bias.Value[label])
		for j, v := range x.Row(i) {
			z += float64(weights[j]) * float64(v)
		}
		_, dz := layers.SigmoidCrossEntropy{}.Cell(z, y == layers.Positive, label)
		for j, v := range x.Row(i) {
			gradient[j] += dz * (float64(v) - mean[j]) / math.Sqrt(deviation[j])
		}
		gradient[x.Cols] += dz
		curvature += math.Abs(dz) * (1 - math.Abs(dz))
		known++
	}
	for j := range gradient {
		gradient[j] /= known
		if j < x.Cols {
			gradient[j] += l2 * float64(weights[j]) * math.Sqrt(deviation[j])
		}
	}
	return gradient, curvature / known
}

// TestSolverOptimum: the gradient at the solution, in float64 and by the saved float32 head, is as small as promised, also with
// more columns than rows, where G has no inverse.
func TestSolverOptimum(t *testing.T) {
	for _, size := range []struct{ rows, hidden int }{{1500, 40}, {600, 150}, {70, 130}} {
		for _, l2 := range []float64{0.1, 1e-3, 1e-5} {
			task := newTask(4, size.rows, size.hidden, 3)
			task.L2 = []float64{l2}
			solutions, _ := solve(t, task)
			for l, s := range solutions {
				gradient, curvature := gradient64(task, l, l2)
				// Beyond the tolerance there is the rounding of the head to float32, which moves z and with it each mean of
				// r·x by about 2⁻²⁴ of |w|·|x|; the standardised features are rounded too.
				if got, want := largest(gradient), 2*finalTolerance*curvature+2e-6; !(got <= want) {
					t.Errorf("%d×%d, l2 %g, label %d: gradient %g, want at most %g", size.rows, size.hidden, l2, l, got, want)
				}
				if s.L2 != l2 || s.Rounds < 2 || s.Rounds > 100 || !math.IsNaN(s.HeldLoss) {
					t.Errorf("%d×%d, label %d: %+v, want l2 %g after 2 to 100 rounds, and nothing held out", size.rows, size.hidden, l, s,
						l2)
				}
			}
		}
	}
}

// TestSolverThreads: the same bits for any number of workers.
func TestSolverThreads(t *testing.T) {
	_, serial := solve(t, newTask(5, 1300, 140, 5))
	for _, threads := range []int{1, 2, 3, 7} {
		task := newTask(5, 1300, 140, 5)
		task.Workers = tensor.NewWorkers(threads)
		if _, got := solve(t, task); !slices.Equal(got, serial) {
			t.Errorf("%d workers give other bits than none", threads)
		}
	}
}

// TestSolverLabelAlone: a label that is solved alone gets the bits that it gets among others, with Dev and without.
func TestSolverLabelAlone(t *testing.T) {
	for _, dev := range []bool{true, false} {
		all := newTask(6, 700, 30, 4)
		if !dev {
			all.Dev = train.Features{}
		}
		solve(t, all)
		for l := range 4 {
			alone := newTask(6, 700, 30, 4)
			if !dev {
				alone.Dev = train.Features{}
			}
			alone.Labels, alone.Classifier = alone.Labels[l:l+1], layers.NewClassifier(1, 30)
			for _, f := range []*train.Features{&alone.Train, &alone.Dev} {
				var y []int8
				for i := l; i < len(f.Y); i += 4 {
					y = append(y, f.Y[i])
				}
				f.Y = y
			}
			solve(t, alone)
			if !slices.Equal(alone.Classifier.Weights.Value, all.Classifier.Weights.Value[l*30:(l+1)*30]) ||
				alone.Classifier.Bias.Value[0] != all.Classifier.Bias.Value[l] {
				t.Errorf("dev %t: label %d has other bits alone than among four", dev, l)
			}
		}
	}
}

// TestSolverChoosesL2: the strength is the one that, solved on its own, has the lowest loss on Dev.
func TestSolverChoosesL2(t *testing.T) {
	task := newTask(7, 300, 60, 4)
	chosen, _ := solve(t, task)
	best := make([]float64, 4)
	for l := range best {
		best[l] = math.Inf(1)
	}
	losses := map[float64][]float64{}
	for _, l2 := range DefaultPath() {
		one := task
		one.Classifier, one.L2 = layers.NewClassifier(4, 60), []float64{l2}
		solve(t, one)
		losses[l2] = devLosses(one)
		for l, loss := range losses[l2] {
			best[l] = min(best[l], loss)
		}
	}
	atEnds := 0
	for l, s := range chosen {
		// On the path solutions are left at pathTolerance, which moves these losses by half a percent.
		if loss := losses[s.L2][l]; !(loss <= best[l]*1.01 && math.Abs(loss-s.HeldLoss) <= 0.01*loss) {
			t.Errorf("label %d: l2 %g has loss %g on dev (reported %g), the best on the path %g", l, s.L2, loss, s.HeldLoss, best[l])
		}
		if s.L2 == DefaultPath()[0] || s.L2 < 1e-4 {
			atEnds++
		}
	}
	if atEnds > 0 {
		t.Errorf("%d of 4 labels are at an end of the path: the test does not see a choice", atEnds)
	}
}

// devLosses returns the mean loss of each label on Dev.
func devLosses(task Task) []float64 {
	labels, logits := len(task.Labels), tensor.New(task.Dev.X.Rows, len(task.Labels))
	task.Classifier.Forward(logits, task.Dev.X)
	sum, n := make([]float64, labels), make([]float64, labels)
	for i, y := range task.Dev.Y {
		if y != layers.Unknown {
			loss, _ := layers.SigmoidCrossEntropy{}.Cell(float64(logits.Data[i]), y == layers.Positive, i%labels)
			sum[i%labels] += loss
			n[i%labels]++
		}
	}
	for l := range sum {
		sum[l] /= n[l]
	}
	return sum
}

// TestSolverHoldsOut: without Dev a fifth of each class chooses, and all rows make the solution.
func TestSolverHoldsOut(t *testing.T) {
	task := newTask(8, 300, 60, 3)
	task.Dev = train.Features{}
	solutions, first := solve(t, task)
	for l, s := range solutions {
		gradient, curvature := gradient64(task, l, s.L2)
		if got, want := largest(gradient), 2*finalTolerance*curvature+2e-6; !(got <= want) {
			t.Errorf("label %d: gradient on all rows is %g, want at most %g", l, got, want)
		}
		if !(s.HeldLoss > 0.1 && s.HeldLoss < math.Ln2) || s.L2 < 1e-4 {
			t.Errorf("label %d: %+v, want a loss on held-out cells below that of a coin", l, s)
		}
	}
	if _, again := solve(t, task); !slices.Equal(first, again) {
		t.Error("a second run gives other bits")
	}

	s := newSolver(task)
	for _, l := range s.labels {
		var count [classes]int
		for _, c := range l.class {
			count[c]++
		}
		for _, c := range []cellClass{negativeCell, positiveCell} {
			held := count[c+heldNegative-negativeCell]
			if all := held + count[c]; held != all/heldOut {
				t.Errorf("label %d: %d of %d cells of class %d are held out, want a fifth", l.label, held, all, c)
			}
		}
		if float64(count[negativeCell]+count[positiveCell]) != l.known {
			t.Errorf("label %d: %v cells are known, want %d", l.label, l.known, count[negativeCell]+count[positiveCell])
		}
	}
}

// TestSolverOddLabels: one class, nothing known, and too little to choose on.
func TestSolverOddLabels(t *testing.T) {
	task := newTask(9, 40, 5, 5)
	for i := range task.Train.Y {
		row, known := i/5, task.Train.Y[i] != layers.Unknown
		switch label := i % 5; {
		case label == 0 && known:
			task.Train.Y[i] = layers.Negative
		case label == 1 && known:
			task.Train.Y[i] = layers.Positive
		case label == 2:
			task.Train.Y[i] = layers.Unknown
		case label == 3:
			task.Train.Y[i] = layers.Negative
			if row%10 == 0 { // four positives: none to hold out
				task.Train.Y[i] = layers.Positive
			}
		}
	}
	task.Dev = train.Features{}
	solutions, _ := solve(t, task)
	for l := range 3 {
		weights := task.Classifier.Weights.Value[l*5 : (l+1)*5]
		if slices.ContainsFunc(weights, func(w float32) bool { return w != 0 }) || !math.IsNaN(solutions[l].HeldLoss) {
			t.Errorf("label %d: weights %v, %+v, want zero", l, weights, solutions[l])
		}
	}
	bias := task.Classifier.Bias.Value
	if !(bias[0] < -4 && bias[1] > 4 && bias[2] == 0) {
		t.Errorf("biases %v, want one far below 0, one far above, and 0", bias[:3])
	}
	if s := solutions[3]; s.L2 != DefaultL2 || s.Rounds == 0 {
		t.Errorf("four positives: %+v, want DefaultL2", s)
	}
	if s := solutions[4]; s.Rounds == 0 || math.IsNaN(s.HeldLoss) {
		t.Errorf("an ordinary label: %+v", s)
	}
}

// TestSolverSeparable: two points far apart, and labels that a plane parts. The weakest penalty still has one best answer.
func TestSolverSeparable(t *testing.T) {
	x := tensor.New(40, 2)
	y := make([]int8, 40)
	for i := range 40 {
		x.Row(i)[0], x.Row(i)[1] = float32(i), float32(i*i%11)
		if i >= 20 {
			y[i] = 1
		}
	}
	for _, l2 := range []float64{1e-2, 1e-5, 1e-9} {
		task := Task{Labels: []string{"a"}, Train: train.Features{X: x, Y: y}, Classifier: layers.NewClassifier(1, 2), L2: []float64{l2}}
		solutions, _ := solve(t, task)
		gradient, curvature := gradient64(task, 0, l2)
		if got := largest(gradient); !(got <= 1e-3*curvature) {
			t.Errorf("l2 %g: gradient %g at a curvature of %g after %d rounds", l2, got, curvature, solutions[0].Rounds)
		}
	}
}

// TestSolverRefuses: what is wrong with a task is said.
func TestSolverRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*Task){
		"column 1 is NaN":   func(s *Task) { s.Train.X.Row(3)[1] = float32(math.NaN()) },
		"column 2 is +Inf":  func(s *Task) { s.Dev.X.Row(0)[2] = float32(math.Inf(1)) },
		"falling":           func(s *Task) { s.L2 = []float64{1e-3, 1e-2} },
		"above 0":           func(s *Task) { s.L2 = []float64{0} },
		"2 label names":     func(s *Task) { s.Labels = s.Labels[:2] },
		"needs features":    func(s *Task) { s.Train.X = nil },
		"want width 4":      func(s *Task) { s.Dev.X = tensor.New(s.Dev.X.Rows, 5) },
		"want width 4 and ": func(s *Task) { s.Train.Y = s.Train.Y[1:] },
	} {
		task := newTask(10, 30, 4, 3)
		spoil(&task)
		if _, err := Head(context.Background(), task); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestSolverStops: an error of Observe and the end of the context end it.
func TestSolverStops(t *testing.T) {
	enough := errors.New("enough")
	task := newTask(11, 60, 4, 3)
	rounds := 0
	task.Observe = func(p Progress) error {
		if rounds++; p.Round != rounds || p.Labels != 3 || p.Solved > 3 {
			t.Errorf("round %d: %+v", rounds, p)
		}
		if rounds == 4 {
			return enough
		}
		return nil
	}
	if _, err := Head(context.Background(), task); err != enough || rounds != 4 {
		t.Errorf("%v after %d rounds, want that of Observe after 4", err, rounds)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	task.Observe = func(Progress) error { cancel(enough); return nil }
	if _, err := Head(ctx, task); err != enough {
		t.Errorf("%v, want the cause of the context's end", err)
	}
}

// TestDesignProducts compares the two products and the Gram matrix with float64, at sizes around those of the blocks.
func TestDesignProducts(t *testing.T) {
	for _, size := range [][3]int{{1, 1, 1}, {7, 3, 2}, {511, 127, 5}, {513, 129, 28}, {1025, 40, 33}} {
		rows, hidden, labels := size[0], size[1], size[2]
		task := newTask(12, 2*rows, hidden, labels)
		d := newDesign(task.Dev.X, nil)
		rng := rand.New(rand.NewPCG(1, 1))
		w, z, r := tensor.New(labels, hidden), tensor.New(labels, rows), tensor.New(labels, rows)
		for _, x := range []*tensor.Tensor{w, r} {
			for i := range x.Data {
				x.Data[i] = float32(rng.NormFloat64())
			}
		}
		g := make([][]float64, labels)
		for l := range g {
			g[l] = make([]float64, hidden)
		}
		d.multiply(z, w)
		d.multiplyTransposed(g, r)
		gram := d.gram(d.x.Rows)
		at := func(x *tensor.Tensor, i, j int) float64 { return float64(x.Row(i)[j]) }
		// Any order of n float32 sums errs by at most n·2⁻²⁴·Σ|xy|; twice that.
		check := func(what string, got float64, n int, term func(k int) float64) {
			sum, abs := 0.0, 0.0
			for k := range n {
				sum += term(k)
				abs += math.Abs(term(k))
			}
			if tol := 2 * float64(min(n, 600)+2) * 0x1p-24 * abs; !(math.Abs(got-sum) <= tol) {
				t.Fatalf("%v: %s is %v, want %v ± %g", size, what, got, sum, tol)
			}
		}
		for l := range labels {
			for i := range rows {
				check("w·Xᵀ", at(z, l, i), hidden, func(k int) float64 { return at(w, l, k) * at(d.x, i, k) })
			}
			for j := range hidden {
				check("r·X", g[l][j], rows, func(k int) float64 { return at(r, l, k) * at(d.x, k, j) })
			}
		}
		for j := range hidden {
			check("XᵀX/rows", gram[0][j], rows, func(k int) float64 { return at(d.x, k, 0) * at(d.x, k, j) / float64(rows) })
		}
	}
}

// TestStandardise: every column has mean 0 and deviation 1, or is 0 if it is constant, up to float32.
func TestStandardise(t *testing.T) {
	x := tensor.New(600, 4)
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range x.Rows {
		copy(x.Row(i), []float32{float32(rng.NormFloat64()), 1e4 + float32(rng.NormFloat64()), 3, 1e-20 * float32(i%2)})
	}
	d := newDesign(x, tensor.NewWorkers(1))
	for j, want := range []float64{1, 1, 0, 1} {
		mean, square := 0.0, 0.0
		for i := range x.Rows {
			v := float64(d.x.Row(i)[j])
			mean, square = mean+v/600, square+v*v/600
		}
		if !(math.Abs(mean) <= 1e-6 && math.Abs(square-want) <= 1e-6) {
			t.Errorf("column %d has mean %g and mean square %g, want 0 and %g", j, mean, square, want)
		}
	}
}

// TestLBFGS: on a quadratic with exact line searches the method ends, like conjugate gradients, after as many steps as there are
// variables (Nocedal and Wright 2006, §6.4), from any diagonal H₀.
func TestLBFGS(t *testing.T) {
	const n = lbfgsMemory
	rng := rand.New(rand.NewPCG(3, 3))
	diagonal, h0, x := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		diagonal[i], h0[i], x[i] = math.Exp(3*rng.NormFloat64()), math.Exp(rng.NormFloat64()), rng.NormFloat64()
	}
	gradient := func() []float64 {
		g := make([]float64, n)
		for i := range g {
			g[i] = diagonal[i] * x[i]
		}
		return g
	}
	var m lbfgs
	g := gradient()
	first := largest(g)
	for range n {
		before, step := slices.Clone(g), slices.Clone(g)
		m.down(step)
		for i := range step {
			step[i] *= h0[i]
		}
		m.up(step)
		bend := 0.0
		for i, s := range step {
			bend += diagonal[i] * s * s
		}
		t := -dot(g, step) / bend
		for i := range step {
			step[i] *= t
			x[i] += step[i]
		}
		g = gradient()
		m.remember(step, g, before)
	}
	if got := largest(g); !(got <= 1e-9*first) {
		t.Errorf("gradient is %g after %d steps, %g at the start", got, n, first)
	}
}

// BenchmarkSolver solves made-up heads along the default path, 4000 rows of 200 features and 16 labels, and compares gonum's
// L-BFGS, which solves one label after the other, at the same strengths and to the same tolerance, on the same standardised
// features and with the same kernels.
func BenchmarkSolver(b *testing.B) {
	task := newTask(13, 4000, 200, 16)
	b.Run("Head", func(b *testing.B) {
		for b.Loop() {
			if _, err := Head(context.Background(), task); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("gonum", func(b *testing.B) {
		for b.Loop() {
			solveGonum(b, task)
		}
	})
}

// solveGonum walks the path of every label as Head does, but to its end.
func solveGonum(b *testing.B, task Task) {
	s := newSolver(task)
	for _, l := range s.labels {
		w := l.w
		for i, l2 := range s.L2 {
			problem := optimize.Problem{
				Func: func(w []float64) float64 { f, _ := l.evaluate64(w, l2, nil); return f },
				Grad: func(g, w []float64) { l.evaluate64(w, l2, g) },
			}
			tolerance := pathTolerance
			if i == len(s.L2)-1 {
				tolerance = finalTolerance
			}
			p := 1 / (1 + math.Exp(-w[len(w)-1]))
			settings := &optimize.Settings{GradientThreshold: tolerance * p * (1 - p), Converger: optimize.NeverTerminate{}}
			result, err := optimize.Minimize(problem, w, settings, &optimize.LBFGS{Store: lbfgsMemory})
			if result == nil {
				b.Fatal(err)
			}
			w = result.X
		}
	}
}

// evaluate64 returns the penalised loss of a label and, unless g is nil, sets g to its gradient, in one pass over X.
func (l *labelSolver) evaluate64(w []float64, l2 float64, g []float64) (f, known float64) {
	hidden := len(w) - 1
	row, sum := make([]float32, hidden), make([]float32, hidden)
	for j := range row {
		row[j] = float32(w[j])
	}
	bias := 0.0
	for i := range l.design.x.Rows {
		y := l.Train.Y[i*len(l.Labels)+l.label]
		if y == layers.Unknown {
			continue
		}
		x := l.design.x.Row(i)
		loss, dz := l.Loss.Cell(float64(asm.Best.Dot(row, x))+w[hidden], y == layers.Positive, l.label)
		f += loss
		if g != nil {
			asm.Best.Axpy(sum, float32(dz), x)
			bias += dz
		}
		known++
	}
	if g != nil {
		for j, v := range sum {
			g[j] = float64(v)/known + l2*w[j]
		}
		g[hidden] = bias / known
	}
	return f/known + l2/2*dot(w[:hidden], w[:hidden]), known
}

// TestSolverRareLabel: the path goes on from strong penalties also where a label is so rare that its gradient is small from the
// start, and ends at the strength with the lowest loss.
func TestSolverRareLabel(t *testing.T) {
	task := newTask(41, 6000, 12, 2)
	rng := rand.New(rand.NewPCG(41, 3))
	for i := range task.Train.X.Rows { // features with much in common, and a label that a small part of them tells
		x, common := task.Train.X.Row(i), 10*rng.NormFloat64()
		for j := range x {
			x[j] = float32(common + rng.NormFloat64())
		}
		z := -5 + 1.5*float64(x[0]-x[1])
		for l := range 2 {
			task.Train.Y[2*i+l] = layers.Negative
			if rng.Float64() < 1/(1+math.Exp(-z)) {
				task.Train.Y[2*i+l] = layers.Positive
			}
		}
	}
	all := task.Train
	head, rest := all.X.SliceRows(0, 4000), all.X.SliceRows(4000, 6000)
	task.Train, task.Dev = train.Features{X: &head, Y: all.Y[:4000*2]}, train.Features{X: &rest, Y: all.Y[4000*2:]}
	chosen, _ := solve(t, task)
	for l := range task.Labels {
		best := math.Inf(1)
		for _, l2 := range DefaultPath() {
			alone := task
			alone.L2 = []float64{l2}
			solve(t, alone)
			best = min(best, devLosses(alone)[l])
		}
		if !(chosen[l].HeldLoss <= 1.01*best) {
			t.Errorf("label %d: l2 %g with loss %g, the best is %g", l, chosen[l].L2, chosen[l].HeldLoss, best)
		}
	}
}

// HeldLoss is the mean over the labels that something chose for; strengths are those of the labels that were solved.
func TestHeldLoss(t *testing.T) {
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
		strength, loss := HeldLoss(c.of)
		if got, want := fmt.Sprint(strength, float32(loss)), fmt.Sprint([2]float64{c.least, c.most}, float32(c.loss)); got != want {
			t.Errorf("HeldLoss(%v) = %s, want %s", c.of, got, want)
		}
	}
}
