package bert_test

import (
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// TestGradientGoldens compares the gradient by every variable with float64, as TestForwardGoldens does: our float32 error is at
// most twice TensorFlow's own, or 2e-6 of the largest magnitude in the tensor. The gradient by key/bias is zero in exact
// arithmetic (a softmax does not see a shift of its row), so there 1e-7 is the bound.
func TestGradientGoldens(t *testing.T) {
	for _, dir := range goldenModels(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			m, head := openGolden(t, filepath.Join(dir, "model_with_head"))
			forward := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
			tf := tensortest.ReadGolden(t, filepath.Join(dir, "gradients.safetensors"))
			truth := tensortest.ReadGolden(t, filepath.Join(dir, "gradients64.safetensors"))
			got := gradientGolden(t, m, head, forward)
			if len(got) != len(truth) {
				t.Errorf("%d gradients, want %d", len(got), len(truth))
			}
			for name, want := range truth {
				theirs := tensortest.MaxDiff(t, tf[name].Data, want.Data)
				ours := tensortest.MaxDiff(t, got[name], want.Data)
				bound := max(2*theirs, 2e-6*tensortest.MaxAbs(want.Data))
				if strings.HasSuffix(name, "key/bias") {
					bound = 1e-7
				}
				t.Logf("%-60s error %.1e, TensorFlow's %.1e, bound %.1e", name, ours, theirs, bound)
				if !(ours <= bound) {
					t.Errorf("%s: error %g, TensorFlow's %g, bound %g", name, ours, theirs, bound)
				}
			}
		})
	}
}

// gradientGolden returns the gradient of the mean loss of the golden batch by every parameter.
func gradientGolden(t *testing.T, m *bert.Model, head *layers.Classifier, golden map[string]tensortest.Golden) map[string][]float64 {
	t.Helper()
	workers := tensor.NewWorkers(2)
	trainer, err := m.NewTrainer(bert.TrainerOptions{Layers: len(m.Layers), Embeddings: true}, workers)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range head.Params() {
		p.Grad = make([]float32, p.Size())
	}
	var labels []int8
	for _, y := range golden["labels"].Data {
		labels = append(labels, int8(y))
	}
	b := realTokens(golden)
	features, logits := tensor.New(b.Texts(), m.Config.HiddenSize), tensor.New(b.Texts(), head.Labels())
	workers.Start()
	defer workers.Stop()
	if err := trainer.Forward(features, b, 0); err != nil {
		t.Fatal(err)
	}
	head.Forward(logits, features)
	layers.MeanLoss(layers.SigmoidCrossEntropy{}, logits, logits, labels, 0)
	dfeatures := tensor.New(b.Texts(), m.Config.HiddenSize)
	head.Backward(dfeatures, logits, features)
	trainer.Backward(dfeatures)

	got := map[string][]float64{}
	for _, p := range append(trainer.Params(), head.Params()...) {
		got[p.Name] = tensortest.Widen(p.Grad)
	}
	return got
}
