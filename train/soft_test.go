package train

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/layers"
	"bertlabel/train/data"
)

// With shares of 0 and 1 head and encoder are trained with the bits that they have without: each share goes with its row and label.
func TestHardSharesHaveTheSameBits(t *testing.T) {
	for _, accumulate := range []int{1, 2} {
		hard, soft := newTask(14, 50, 6, 3), newTask(14, 50, 6, 3)
		hard.Config.AccumulationSteps, soft.Config.AccumulationSteps = accumulate, accumulate
		soft.Train.Shares, soft.Dev.Shares = hardShares(soft.Train.Y), hardShares(soft.Dev.Y)
		if !run(t, hard).equal(run(t, soft)) {
			t.Errorf("head, %d batches a step: another run with shares of 0 and 1", accumulate)
		}
		encoder, softEncoder := newEncoderTask(t, 3, 20), newEncoderTask(t, 3, 20)
		encoder.Config.AccumulationSteps, softEncoder.Config.AccumulationSteps = accumulate, accumulate
		softEncoder.Shares = hardShares(softEncoder.Y)
		if !runEncoder(t, encoder).equal(runEncoder(t, softEncoder)) {
			t.Errorf("encoder, %d batches a step: another run with shares of 0 and 1", accumulate)
		}
	}
}

func hardShares(y []int8) []float32 {
	s := make([]float32, len(y))
	for i, cell := range y {
		s[i] = max(0, float32(cell))
	}
	return s
}

// The gradient of a head is Σ (σ(z) − y)·x over the known cells, in float64.
func TestSoftHeadGradient(t *testing.T) {
	task := newTask(15, 40, 6, 3)
	task.Config.Dropout = 0
	rng := rand.New(rand.NewPCG(15, 9))
	b := Batch{Labels: task.Train.Y, Cells: layers.KnownCells(task.Train.Y)}
	for i := range task.Train.X.Rows {
		b.Rows = append(b.Rows, i)
	}
	for range task.Train.Y {
		b.Shares = append(b.Shares, rng.Float32())
	}
	h := newHead(task)
	for _, p := range h.Params() {
		p.Grad = make([]float32, len(p.Value))
	}
	if _, err := h.AddGradient(b); err != nil {
		t.Fatal(err)
	}
	c := task.Classifier
	want := make([]float64, len(c.Weights.Value))
	for i := range b.Rows {
		x := task.Train.X.Row(i)
		for l := range 3 {
			if b.Labels[3*i+l] == layers.Unknown {
				continue
			}
			z := float64(c.Bias.Value[l])
			for j, v := range x {
				z += float64(v) * float64(c.Weights.Value[6*l+j])
			}
			for j, v := range x {
				want[6*l+j] += (1/(1+math.Exp(-z)) - float64(b.Shares[3*i+l])) * float64(v) / float64(b.Cells)
			}
		}
	}
	for i, g := range c.Weights.Grad {
		// Sums of 40 terms below 1/25 in float32, and logits of 6: 40·2⁻²⁴ of a sum of magnitudes below 1.
		if !(math.Abs(float64(g)-want[i]) <= 40*0x1p-24) {
			t.Errorf("weight %d: gradient %g, want %g", i, g, want[i])
		}
	}
}

// The loss is linear in the shares, so the gradient of an encoder at shares of a quarter is a quarter of that of ones and three
// of that of zeros.
func TestSoftEncoderGradient(t *testing.T) {
	gradient := func(share float32) []float64 {
		task := newEncoderTask(t, 4, 8)
		task.Shares = slices.Repeat([]float32{share}, len(task.Y))
		loop, encoder, err := NewEncoderLoop(task)
		if err != nil {
			t.Fatal(err)
		}
		defer encoder.Release()
		if _, _, err := loop.gradient(0); err != nil {
			t.Fatal(err)
		}
		var all []float64
		for _, p := range encoder.Params() {
			for _, g := range p.Grad {
				all = append(all, float64(g))
			}
		}
		return all
	}
	quarter, zero, one := gradient(0.25), gradient(0), gradient(1)
	moved, norm := 0.0, 0.0
	for i, g := range quarter {
		want := 0.25*one[i] + 0.75*zero[i]
		norm += want * want
		moved += (g - want) * (g - want)
	}
	// Three float32 backward passes of the same length: their roundings are of the order of 1e-6 of the norm.
	if !(math.Sqrt(moved) <= 1e-5*math.Sqrt(norm)) || norm == 0 {
		t.Errorf("the gradient at a quarter is %g away, of a norm of %g", math.Sqrt(moved), math.Sqrt(norm))
	}
}

// Counts, biases and weights of positives take a share for its part of either class, and a data set is told by its shares.
func TestSoftCounts(t *testing.T) {
	y, shares := []int8{1, 0, 1, layers.Unknown}, []float32{0.75, 0.25, 1, 0.5}
	if got := CountClasses(y, shares, 2); !slices.Equal(got, []ClassCount{{0.25, 1.75}, {0.75, 0.25}}) {
		t.Errorf("counts %v", got)
	}
	if got := BalancedWeights(y, shares, 2, 20); !slices.Equal(got, []float64{0.25 / 1.75, 3}) {
		t.Errorf("weights %v", got)
	}
	set := &data.Dataset{Y: y}
	hard := HashData(set, nil)
	set.Shares = shares
	soft := HashData(set, nil)
	set.Shares = []float32{0.75, 0.25, 1, 0}
	if other := HashData(set, nil); soft == hard || soft == other {
		t.Error("data sets of different shares have one hash")
	}
}

func TestSoftRefuses(t *testing.T) {
	task := newTask(16, 10, 4, 2)
	task.Train.Shares = make([]float32, 3)
	if _, err := TrainHead(context.Background(), task); err == nil {
		t.Error("three shares for twenty cells pass")
	}
	encoder := newEncoderTask(t, 3, 4)
	encoder.Shares = make([]float32, 3)
	if _, _, err := NewEncoderLoop(encoder); err == nil {
		t.Error("three shares for twelve cells pass")
	}
}
