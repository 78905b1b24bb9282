package solver

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bertlabel/layers"
)

// withShares gives the cells of a task shares: half of them as they are, the others somewhere on their side of a half.
func withShares(task Task) Task {
	rng := rand.New(rand.NewPCG(19, 3))
	task.Train.Shares, task.Dev.Shares = shares(rng, task.Train.Y), shares(rng, task.Dev.Y)
	return task
}

func shares(rng *rand.Rand, y []int8) []float32 {
	s := make([]float32, len(y))
	for i := range s {
		s[i] = max(0, float32(y[i]))
		if y[i] != layers.Unknown && rng.IntN(2) == 0 {
			s[i] = 0.5*s[i] + 0.5*rng.Float32()
		}
	}
	return s
}

// Where nothing is left of the shares but 0 and 1 both solvers give the bits that they give without.
func TestHardSharesHaveTheSameBits(t *testing.T) {
	for _, held := range []bool{false, true} {
		hard := newTask(8, 150, 6, 3)
		if held {
			hard.Dev.X, hard.Dev.Y = nil, nil
		}
		wantSolutions, want := solve(t, hard)
		soft := newTask(8, 150, 6, 3)
		if held {
			soft.Dev.X, soft.Dev.Y = nil, nil
		}
		soft.Train.Shares, soft.Dev.Shares = hardShares(soft.Train.Y), hardShares(soft.Dev.Y)
		solutions, got := solve(t, soft)
		if !slices.Equal(got, want) || !slices.Equal(solutions, wantSolutions) {
			t.Errorf("held out %t: other weights with shares of 0 and 1", held)
		}
		if held {
			hard.L2, soft.L2 = []float64{1}, []float64{1}
		}
		for _, task := range []Task{hard, soft} {
			if _, err := Discriminant(context.Background(), task); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(hard.Classifier.Weights.Value, soft.Classifier.Weights.Value) ||
			!slices.Equal(hard.Classifier.Bias.Value, soft.Classifier.Bias.Value) {
			t.Errorf("held out %t: another discriminant with shares of 0 and 1", held)
		}
	}
}

func hardShares(y []int8) []float32 {
	var s []float32
	for _, cell := range y {
		s = append(s, max(0, float32(cell)))
	}
	return s
}

// Strengths are chosen by the loss of the shares on Dev: the strength is the best of the path by a loss in float64.
func TestSoftStrengthIsChosenByShares(t *testing.T) {
	task := withShares(newTask(12, 200, 6, 3))
	solutions, _ := solve(t, task)
	best := make([]float64, len(task.Labels))
	for i := range best {
		best[i] = math.Inf(1)
	}
	for _, l2 := range DefaultPath() {
		one := task
		one.Classifier = layers.NewClassifier(3, 6)
		one.L2 = []float64{l2}
		solve(t, one)
		logits, _ := one.Classifier.Score(task.Dev.X)
		for l := range best {
			sum, n := 0.0, 0.0
			for i := range logits.Rows {
				cell := 3*i + l
				if task.Dev.Y[cell] == layers.Unknown {
					continue
				}
				z, y := float64(logits.Data[cell]), float64(task.Dev.Shares[cell])
				sum, n = sum+math.Max(z, 0)-z*y+math.Log1p(math.Exp(-math.Abs(z))), n+1
			}
			best[l] = min(best[l], sum/n)
		}
	}
	for l, s := range solutions {
		// The path stops within pathTolerance of the loss without features (at most ln 2) of each optimum.
		if !(math.Abs(s.HeldLoss-best[l]) <= pathTolerance) {
			t.Errorf("label %d: loss %g at strength %g, the best of the path is %g", l, s.HeldLoss, s.L2, best[l])
		}
	}
}

// A label whose shares all lie below a half still has something to learn.
func TestSharesBelowAHalf(t *testing.T) {
	task := newTask(8, 150, 6, 3)
	task.Dev.X, task.Dev.Y = nil, nil
	task.Train.Shares = hardShares(task.Train.Y)
	for i := range task.Train.Y {
		task.Train.Shares[i] *= 0.4
		if task.Train.Y[i] == layers.Positive {
			task.Train.Y[i] = layers.Negative
		}
	}
	solutions, weights := solve(t, task)
	if solutions[0].Rounds == 0 || math.IsNaN(solutions[0].HeldLoss) || !slices.ContainsFunc(weights, func(w float32) bool { return w != 0 }) {
		t.Errorf("nothing was learnt: %+v", solutions)
	}
}
