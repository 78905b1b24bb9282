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
// the table, within the bounds of TestGradientGoldens.
func TestInputGradientGoldens(t *testing.T) {
	const table = "bert/embeddings/word_embeddings"
	for _, library := range libraries {
		t.Run("tiny/"+library, func(t *testing.T) {
			m, head := openGolden(t, tinyModel)
			golden := tensortest.ReadGolden(t, tinyGolden+library+".safetensors")
			truth := golden["gradients/"+table].Data
			checkGolden(t, table, tableGradient(t, m, head, golden), truth, tinyBound*tensortest.MaxAbs(truth))
		})
	}
	t.Run("shared", func(t *testing.T) {
		for _, dir := range goldenModels(t) {
			t.Run(filepath.Base(dir), func(t *testing.T) {
				m, head := openGolden(t, filepath.Join(dir, "model_with_head"))
				golden := tensortest.ReadGolden(t, filepath.Join(dir, "forward.safetensors"))
				tf := tensortest.ReadGolden(t, filepath.Join(dir, "gradients.safetensors"))[table].Data
				truth := tensortest.ReadGolden(t, filepath.Join(dir, "gradients64.safetensors"))[table].Data
				bound := max(2*tensortest.MaxDiff(t, tf, truth), 2e-6*tensortest.MaxAbs(truth))
				checkGolden(t, table, tableGradient(t, m, head, golden), truth, bound)
			})
		}
	})
}

// tableGradient returns the gradient of the mean loss of the golden batch by the words of its tokens, added up in their table.
func tableGradient(t *testing.T, m *bert.Model, head *layers.Classifier, golden map[string]tensortest.Golden) []float64 {
	t.Helper()
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

	got := make([]float64, m.Embeddings.Word.Table.Size())
	for i, id := range b.IDs {
		for j, d := range words.Row(i) {
			got[int(id)*h+j] += float64(d)
		}
	}
	return got
}
