package bert

import (
	"math"
	"math/rand/v2"
	"testing"

	"bertlabel/tensor"
)

// TestEmbeddings compares the embeddings of a batch with LayerNorm(word + token type + position) in float64. Positions begin anew in
// each text. The sums are of three numbers of some 0.1, and the norm divides by their deviation: within 1e-6 of 1.
func TestEmbeddings(t *testing.T) {
	m, rng := small(t, 1, 48, 3), rand.New(rand.NewPCG(3, 4))
	e := m.Embeddings
	for _, p := range e.Norm.Params() {
		for i := range p.Value {
			p.Value[i] += float32(rng.NormFloat64())
		}
	}
	var b Batch
	for _, n := range []int{1, 7, 3} {
		b.Append(randomText(rng, &m.Config, n))
	}
	x := tensor.New(b.Tokens(), 48)
	e.Forward(x, &b)
	for text := range b.Texts() {
		for i := b.Offsets[text]; i < b.Offsets[text+1]; i++ {
			sum, mean, variance := make([]float64, 48), 0.0, 0.0
			for j := range sum {
				sum[j] = float64(e.Word.Row(int(b.IDs[i]))[j]) + float64(e.TokenType.Row(int(b.Segments[i]))[j]) +
					float64(e.Position.Row(i - b.Offsets[text])[j])
				mean += sum[j] / 48
			}
			for _, v := range sum {
				variance += (v - mean) * (v - mean) / 48
			}
			for j, v := range sum {
				want := (v-mean)/math.Sqrt(variance+1e-12)*float64(e.Norm.Gamma.Value[j]) + float64(e.Norm.Beta.Value[j])
				if got := float64(x.Row(i)[j]); !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
					t.Fatalf("text %d, token %d: x[%d] = %g, want %g", text, i-b.Offsets[text], j, got, want)
				}
			}
		}
	}
}

// TestPooler compares the pooler with tanh(x·W + b) in float64, in inference and in training. The products are 48 of numbers of some 0.1
// and 1, and tanh is flatter than its argument: within 1e-6.
func TestPooler(t *testing.T) {
	m, rng := small(t, 1, 48, 3), rand.New(rand.NewPCG(5, 6))
	dense := m.Pooler.Dense
	for i := range dense.Bias.Value {
		dense.Bias.Value[i] = float32(rng.NormFloat64())
	}
	cls, pooled, trained := tensor.New(3, 48), tensor.New(3, 48), tensor.New(3, 48)
	for i := range cls.Data {
		cls.Data[i] = float32(rng.NormFloat64())
	}
	ws, kernel := NewWorkspace(nil), m.Value(dense.Kernel)
	m.Pooler.Forward(ws, pooled, cls)
	training := poolerTraining{Pooler: m.Pooler}
	dense.Kernel.Value = kernel
	training.forward(&ws.Workspace, trained, cls)
	for i := range cls.Rows {
		for j := range cls.Cols {
			z := float64(dense.Bias.Value[j])
			for p, x := range cls.Row(i) {
				z += float64(x) * float64(kernel[p*48+j])
			}
			for _, got := range []float32{pooled.Row(i)[j], trained.Row(i)[j]} {
				if want := math.Tanh(z); !(math.Abs(float64(got)-want) <= 1e-6) {
					t.Fatalf("text %d: pooled[%d] = %g, want tanh(%g) = %g", i, j, got, z, want)
				}
			}
		}
	}
}
