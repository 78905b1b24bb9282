package bert_test

import (
	"path/filepath"
	"testing"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// TestInputGradientGoldens: the gradients by the words of the golden batch, added up for each row of the table, are float64's by
// the table, within the bound of TestGradientGoldens.
func TestInputGradientGoldens(t *testing.T) {
	for _, dir := range goldenModels(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			const table = "bert/embeddings/word_embeddings"
			m, head := openGolden(t, filepath.Join(dir, "model_with_head"))
			golden := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
			tf := tensortest.ReadGolden(t, filepath.Join(dir, "gradients.safetensors"))[table]
			truth := tensortest.ReadGolden(t, filepath.Join(dir, "gradients64.safetensors"))[table]

			b, h := realTokens(golden), m.Config.HiddenSize
			words, features := tensor.New(b.Tokens(), h), tensor.New(b.Texts(), h)
			for i, id := range b.IDs {
				copy(words.Row(i), m.Embeddings.Word.Row(int(id)))
			}
			g, err := m.NewInputGradient(bert.Pooled, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Forward(features, words, b); err != nil {
				t.Fatal(err)
			}
			logits := tensor.New(b.Texts(), head.Labels())
			head.Forward(logits, features)
			var labels []int8
			for _, y := range golden["labels"].Data {
				labels = append(labels, int8(y))
			}
			layers.MeanLoss(layers.SigmoidCrossEntropy{}, logits, logits, labels, 0)
			head.BackwardInput(features, logits)
			g.Backward(words, features)

			got := make([]float64, len(truth.Data))
			for i, id := range b.IDs {
				for j, d := range words.Row(i) {
					got[int(id)*h+j] += float64(d)
				}
			}
			ours := tensortest.MaxDiff(t, got, truth.Data)
			bound := max(2*tensortest.MaxDiff(t, tf.Data, truth.Data), 2e-6*tensortest.MaxAbs(truth.Data))
			if !(ours <= bound) {
				t.Errorf("error %g, bound %g", ours, bound)
			}
		})
	}
}
