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

// TestGradientGoldens compares the gradient by every variable with float64, within the bounds of TestForwardGoldens. The gradient by
// key/bias is zero in exact arithmetic (a softmax does not see a shift of its row), so there 1e-7 is the bound.
func TestGradientGoldens(t *testing.T) {
	for _, library := range libraries {
		t.Run("tiny/"+library, func(t *testing.T) {
			m, head := openGolden(t, tinyModel)
			golden, truth := tensortest.ReadGolden(t, tinyGolden+library+".safetensors"), map[string]tensortest.Golden{}
			for name, g := range golden {
				if variable, ok := strings.CutPrefix(name, "gradients/"); ok {
					truth[variable] = g
				}
			}
			checkGradientGoldens(t, gradientGolden(t, m, head, golden), truth, nil)
		})
	}
	t.Run("shared", func(t *testing.T) {
		for _, dir := range goldenModels(t) {
			t.Run(filepath.Base(dir), func(t *testing.T) {
				m, head := openGolden(t, filepath.Join(dir, "model_with_head"))
				forward := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
				tf := tensortest.ReadGolden(t, filepath.Join(dir, "gradients.safetensors"))
				truth := tensortest.ReadGolden(t, filepath.Join(dir, "gradients64.safetensors"))
				checkGradientGoldens(t, gradientGolden(t, m, head, forward), truth, tf)
			})
		}
	})
}

// checkGradientGoldens compares all gradients with truth; tf is TensorFlow's in float32, nil for none.
func checkGradientGoldens(t *testing.T, got map[string][]float64, truth, tf map[string]tensortest.Golden) {
	t.Helper()
	if len(got) != len(truth) {
		t.Errorf("%d gradients, want %d", len(got), len(truth))
	}
	for name, want := range truth {
		bound := tinyBound * tensortest.MaxAbs(want.Data)
		if tf != nil {
			bound = max(2e-6*tensortest.MaxAbs(want.Data), 2*tensortest.MaxDiff(t, tf[name].Data, want.Data))
		}
		if strings.HasSuffix(name, "key/bias") {
			bound = 1e-7
		}
		checkGolden(t, name, got[name], want.Data, bound)
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
