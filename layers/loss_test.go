package layers

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// lossGolden is a file of goldens in float64: value and gradient of one loss on small batches.
type lossGolden struct {
	Loss  string
	Cases []struct {
		Name        string
		Params      map[string]any
		Logits      [][]float64
		Labels      [][]int8
		Loss        float64     // mean over all cells
		LossPerCell [][]float64 `json:"loss_per_cell"`
		Gradient    [][]float64 // of the mean
	}
}

// newLoss makes the loss that a golden case names. absolute is what the golden itself is good to where two numbers cancel.
func newLoss(t *testing.T, name string, params map[string]any) (loss Loss, absolute float64) {
	number := func(name string) float64 { return params[name].(float64) }
	switch name {
	case "sigmoid_cross_entropy":
		return SigmoidCrossEntropy{}, 1e-30
	case "weighted_sigmoid_cross_entropy":
		var weights []float64
		if each, ok := params["pos_weight"].([]any); ok {
			for _, q := range each {
				weights = append(weights, q.(float64))
			}
		} else {
			weights = []float64{number("pos_weight")}
		}
		return WeightedSigmoidCrossEntropy{weights}, 1e-30
	case "label_smoothing":
		return LabelSmoothing{number("epsilon")}, 3e-16
	case "focal":
		return Focal{Gamma: number("gamma"), Alpha: number("alpha")}, 1e-30
	case "asymmetric":
		return Asymmetric{GammaNeg: number("gamma_neg"), GammaPos: number("gamma_pos"), Clip: number("clip")}, 3e-16
	}
	t.Fatalf("no loss %q", name)
	return nil, 0
}

var lossFiles = []string{"sigmoid_cross_entropy", "weighted_sigmoid_cross_entropy", "label_smoothing", "focal", "asymmetric"}

func readLossGolden(t *testing.T, path string) (g lossGolden) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(g.Cases) == 0 {
		t.Fatalf("%s: no cases", path)
	}
	return g
}

// TestLossGoldens holds every loss to values and gradients made in float64 and proved in 60-digit arithmetic.
func TestLossGoldens(t *testing.T) {
	for _, name := range lossFiles {
		t.Run("testdata/"+name, func(t *testing.T) {
			testLossGolden(t, readLossGolden(t, filepath.Join("testdata", name+".json")))
		})
		t.Run("shared/"+name, func(t *testing.T) {
			testLossGolden(t, readLossGolden(t, tensortest.Shared(t, "fixtures/losses/"+name+".json")))
		})
	}
}

func testLossGolden(t *testing.T, g lossGolden) {
	for _, c := range g.Cases {
		loss, absolute := newLoss(t, g.Loss, c.Params)
		t.Run(fmt.Sprint(c.Name, c.Params), func(t *testing.T) {
			rows, cols := len(c.Logits), len(c.Logits[0])
			logits, labels := tensor.New(rows, cols), make([]int8, rows*cols)
			n := float64(rows * cols)
			for i := range rows {
				for j, z := range c.Logits[i] {
					logits.Data[i*cols+j], labels[i*cols+j] = float32(z), c.Labels[i][j]
					cell, dz := loss.Cell(z, c.Labels[i][j] == 1, j)
					near(t, fmt.Sprintf("loss of cell %d,%d", i, j), cell, c.LossPerCell[i][j], 1e-12, absolute)
					near(t, fmt.Sprintf("dz of cell %d,%d", i, j), dz/n, c.Gradient[i][j], 1e-12, absolute)
				}
			}
			dlogits := tensor.New(rows, cols)
			near(t, "loss", MeanLoss(loss, dlogits, logits, labels, 0), c.Loss, 1e-12, absolute)
			near(t, "loss without gradient", MeanLoss(loss, nil, logits, labels, 0), c.Loss, 1e-12, absolute)
			for i := range rows {
				for j, want := range c.Gradient[i] {
					// One rounding to float32: half a unit in the last place, or half the smallest denormal.
					near(t, fmt.Sprintf("dlogits[%d,%d]", i, j), float64(dlogits.Row(i)[j]), want, 0x1p-24+1e-12, 0x1p-150+absolute)
				}
			}
		})
	}
}

// near fails unless |got − want| ≤ relative·|want| + absolute.
func near(t *testing.T, what string, got, want, relative, absolute float64) {
	t.Helper()
	if !(math.Abs(got-want) <= relative*math.Abs(want)+absolute) {
		t.Errorf("%s = %g, want %g", what, got, want)
	}
}

// TestLossGradient compares the derivative of every loss with the central difference, in float64.
func TestLossGradient(t *testing.T) {
	const h = 1e-5 // error h²·|f‴|/6 ≈ 1e-10 and ε·|f|/h ≈ 1e-10 for values of a few tens
	for _, name := range lossFiles {
		g := readLossGolden(t, filepath.Join("testdata", name+".json"))
		for _, c := range g.Cases {
			loss, _ := newLoss(t, g.Loss, c.Params)
			for z := -20.0; z <= 20; z += 0.37 {
				for _, positive := range []bool{false, true} {
					plus, _ := loss.Cell(z+h, positive, 0)
					minus, _ := loss.Cell(z-h, positive, 0)
					_, dz := loss.Cell(z, positive, 0)
					near(t, fmt.Sprintf("%s%v dz at z=%g y=%v", name, c.Params, z, positive), dz, (plus-minus)/(2*h), 1e-7, 1e-8)
				}
			}
		}
	}
}

// randomBatch draws logits [rows, cols] and labels of which about a third are unknown.
func randomBatch(rng *rand.Rand, rows, cols int) (*tensor.Tensor, []int8) {
	logits, labels := tensor.New(rows, cols), make([]int8, rows*cols)
	for i := range labels {
		logits.Data[i], labels[i] = float32(4*rng.NormFloat64()), int8(rng.IntN(3)-1)
	}
	return logits, labels
}

func TestUnknownCellsAreLeftOut(t *testing.T) {
	logits := tensor.From([]float32{1, 2, 3, -4, 5, 6}, 3, 2)
	labels := []int8{1, Unknown, Unknown, 0, Unknown, Unknown}
	known := tensor.From([]float32{1, -4}, 1, 2)
	want := MeanLoss(SigmoidCrossEntropy{}, nil, known, []int8{1, 0}, 0)

	dlogits := tensor.From([]float32{9, 9, 9, 9, 9, 9}, 3, 2)
	if got := MeanLoss(SigmoidCrossEntropy{}, dlogits, logits, labels, 0); got != want {
		t.Errorf("loss = %g, want %g, the mean over the two known cells", got, want)
	}
	for i, d := range dlogits.Data {
		if (d == 0) != (labels[i] == Unknown) {
			t.Errorf("dlogits[%d] = %g for label %d", i, d, labels[i])
		}
	}
	perExample := []float64{9, 9, 9}
	PerExampleLoss(SigmoidCrossEntropy{}, perExample, logits, labels)
	for i, want := range []float64{softplus(-1), softplus(-4), 0} {
		near(t, fmt.Sprintf("loss of row %d", i), perExample[i], want, 1e-15, 0)
	}
	if got := KnownCells(labels); got != 2 {
		t.Errorf("KnownCells = %d, want 2", got)
	}
	nothing := []int8{-1, -1, -1, -1, -1, -1}
	if got := MeanLoss(SigmoidCrossEntropy{}, dlogits, logits, nothing, 0); got != 0 {
		t.Errorf("loss without known cells = %g, want 0", got)
	}
	for i, d := range dlogits.Data {
		if d != 0 {
			t.Errorf("dlogits[%d] = %g without known cells, want 0", i, d)
		}
	}
}

// TestMicroBatchesAddUp: with the divisor of the large batch, losses and gradients of its parts add up to those of the whole.
func TestMicroBatchesAddUp(t *testing.T) {
	const rows, cols, cut = 12, 5, 7
	logits, labels := randomBatch(rand.New(rand.NewPCG(1, 2)), rows, cols)
	divisor := KnownCells(labels)
	whole, parts := tensor.New(rows, cols), tensor.New(rows, cols)
	want := MeanLoss(SigmoidCrossEntropy{}, whole, logits, labels, 0)

	part := func(from, to int) float64 {
		d := tensor.From(parts.Data[from*cols:to*cols], to-from, cols)
		z := tensor.From(logits.Data[from*cols:to*cols], to-from, cols)
		return MeanLoss(SigmoidCrossEntropy{}, d, z, labels[from*cols:to*cols], divisor)
	}
	near(t, "sum of the parts", part(0, cut)+part(cut, rows), want, rows*cols*0x1p-52, 0) // only the order of float64 sums differs
	for i, d := range parts.Data {
		if d != whole.Data[i] {
			t.Errorf("dlogits[%d] = %g in parts, %g at once", i, d, whole.Data[i])
		}
	}
}

func TestGradientMayOverwriteLogits(t *testing.T) {
	logits, labels := randomBatch(rand.New(rand.NewPCG(3, 4)), 4, 3)
	want := tensor.New(4, 3)
	MeanLoss(SigmoidCrossEntropy{}, want, logits, labels, 0)
	MeanLoss(SigmoidCrossEntropy{}, logits, logits, labels, 0)
	for i, d := range logits.Data {
		if d != want.Data[i] {
			t.Fatalf("dlogits[%d] = %g in place, want %g", i, d, want.Data[i])
		}
	}
}

// TestLossOfNonFiniteLogits: an overflow shows in the loss, even where the answer would count as sure and right.
func TestLossOfNonFiniteLogits(t *testing.T) {
	for _, z := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
		for _, y := range []int8{0, 1} {
			logits := tensor.From([]float32{0, float32(z)}, 1, 2)
			if got := MeanLoss(SigmoidCrossEntropy{}, nil, logits, []int8{1, y}, 0); !math.IsNaN(got) {
				t.Errorf("loss = %g for logit %g and label %d, want NaN", got, z, y)
			}
		}
	}
}

func TestLossPanics(t *testing.T) {
	logits := tensor.New(2, 3)
	for name, call := range map[string]func(){
		"label 2":          func() { MeanLoss(SigmoidCrossEntropy{}, nil, logits, []int8{0, 0, 2, 0, 0, 0}, 0) },
		"labels too short": func() { MeanLoss(SigmoidCrossEntropy{}, nil, logits, make([]int8, 5), 0) },
		"dlogits shape":    func() { MeanLoss(SigmoidCrossEntropy{}, tensor.New(3, 2), logits, make([]int8, 6), 0) },
		"dst too long":     func() { PerExampleLoss(SigmoidCrossEntropy{}, make([]float64, 3), logits, make([]int8, 6)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func TestMeanLossAllocatesNothing(t *testing.T) {
	logits, labels := randomBatch(rand.New(rand.NewPCG(5, 6)), 8, 28)
	dlogits := tensor.New(8, 28)
	var loss Loss = SigmoidCrossEntropy{}
	if n := testing.AllocsPerRun(10, func() { MeanLoss(loss, dlogits, logits, labels, 0) }); n != 0 {
		t.Errorf("MeanLoss allocates %g times a call, want 0", n)
	}
}

// TestLossesMeetAtCrossEntropy: with parameters that switch their idea off, all losses are the sigmoid cross-entropy.
func TestLossesMeetAtCrossEntropy(t *testing.T) {
	for name, c := range map[string]struct {
		loss  Loss
		scale float64
	}{
		"weighted":        {WeightedSigmoidCrossEntropy{[]float64{1}}, 1},
		"label smoothing": {LabelSmoothing{0}, 1},
		"focal":           {Focal{Gamma: 0, Alpha: 0.5}, 0.5},
		"asymmetric":      {Asymmetric{}, 1},
	} {
		for _, z := range []float64{-1e4, -800, -20, -1, 0, 0.5, 3, 40, 800, 1e4} {
			for _, positive := range []bool{false, true} {
				wantLoss, wantDz := SigmoidCrossEntropy{}.Cell(z, positive, 0)
				loss, dz := c.loss.Cell(z, positive, 0)
				near(t, fmt.Sprintf("%s at %g, %v", name, z, positive), loss, c.scale*wantLoss, 1e-15, 0)
				near(t, fmt.Sprintf("%s dz at %g, %v", name, z, positive), dz, c.scale*wantDz, 1e-15, 0)
			}
		}
	}
}

// TestWeightsArePerLabel: each column has the loss of its own weight, also beside unknown cells.
func TestWeightsArePerLabel(t *testing.T) {
	logits := tensor.From([]float32{0.5, 0.5, 0.5, -1, -1, -1}, 2, 3)
	loss := WeightedSigmoidCrossEntropy{[]float64{2, 3, 5}}
	perRow := make([]float64, 2)
	PerExampleLoss(loss, perRow, logits, []int8{1, 1, Unknown, Unknown, 0, 1})
	near(t, "row 0", perRow[0], (2+3)*softplus(-0.5)/2, 1e-15, 0)
	near(t, "row 1", perRow[1], (softplus(-1)+5*softplus(1))/2, 1e-15, 0)
}

// TestAsymmetricAtTheClip: where p is exactly Clip, the negative is dropped, without 0/0.
func TestAsymmetricAtTheClip(t *testing.T) {
	for _, gamma := range []float64{0, 0.5, 4} {
		if loss, dz := (Asymmetric{GammaNeg: gamma, Clip: 0.5}).Cell(0, false, 0); loss != 0 || dz != 0 {
			t.Errorf("gamma %g: loss %g, dz %g, want 0, 0", gamma, loss, dz)
		}
	}
}
