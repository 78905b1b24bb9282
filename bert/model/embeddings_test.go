package model

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/tensor/tensortest"
)

// Options.Embeddings holds the table in int8: other bits, another digest, the same prediction fingerprint as of the model in fp32, in both
// layouts and with encoders that are shared; the model cannot be saved; and another precision is an error.
func TestEmbeddingsOption(t *testing.T) {
	google := saved(t, tinyWithHead(t, 1, bert.Pooled))
	hf := filepath.Join(t.TempDir(), "hf")
	if err := open(t, google, nil).SaveHuggingFace(hf); err != nil {
		t.Fatal(err)
	}
	texts := []Text{{A: "the cat sat on the mat"}, {A: "broken"}}
	for _, dir := range []string{google, hf} {
		for _, p := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
			float := open(t, dir, &Options{Precision: p})
			m := open(t, dir, &Options{Precision: p, Embeddings: bert.Int8})
			want, err := float.Predict(context.Background(), texts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Predict(context.Background(), texts)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Equal(got[0].Logits, want[0].Logits) || !(math.Abs(float64(got[0].Logits[0]-want[0].Logits[0])) < 0.05) {
				t.Errorf("%s: logits %v, with float32 embeddings %v", p, got[0].Logits, want[0].Logits)
			}
			if bytes.Equal(m.Digest(), float.Digest()) || bytes.Equal(m.Fingerprint(), float.Fingerprint()) {
				t.Errorf("%s: the digest does not tell them apart", p)
			}
			if !bytes.Equal(m.PredictionFingerprint(), open(t, dir, nil).PredictionFingerprint()) {
				t.Errorf("%s: another prediction fingerprint", p)
			}
			if err := m.Save(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "embeddings in int8") {
				t.Errorf("%s: saved: %v", p, err)
			}
			first, err := OpenShared(dir, &Options{Precision: p})
			if err != nil {
				t.Fatal(err)
			}
			second, err := OpenShared(dir, &Options{Precision: p, Embeddings: bert.Int8}, first)
			if err != nil || second.Encoder == first.Encoder || !bytes.Equal(second.Digest(), m.Digest()) {
				t.Errorf("%s: an encoder with other embeddings is shared (%v)", p, err)
			}
			third, err := OpenShared(dir, &Options{Precision: p, Embeddings: bert.Int8}, first, second)
			if err != nil || third.Encoder != second.Encoder {
				t.Errorf("%s: the same encoder is not shared (%v)", p, err)
			}
		}
	}
	if _, err := Open(google, &Options{Embeddings: bert.BF16}); err == nil || !strings.Contains(err.Error(), "embeddings in bf16") {
		t.Errorf("bf16: %v", err)
	}
	float, err := OpenMemory(tinyConfig(), &Options{})
	if err != nil {
		t.Fatal(err)
	}
	less, err := OpenMemory(tinyConfig(), &Options{Embeddings: bert.Int8})
	table := tinyConfig().VocabSize * tinyConfig().HiddenSize
	if err != nil || float-less != 3*table-4*tinyConfig().VocabSize {
		t.Errorf("%d bytes less (%v), want %d", float-less, err, 3*table-4*tinyConfig().VocabSize)
	}
}

// TestEmbeddingsQuality: cosines of MiniLM's embeddings with those of a float32 table. The bounds are those that docs/precision.md states.
func TestEmbeddingsQuality(t *testing.T) {
	if testing.Short() {
		t.Skip("not in -short: two passes of a real model")
	}
	dir := tensortest.Shared(t, "models/minilm-l6-uncased")
	var all [][]float32
	for _, p := range []bert.Precision{bert.FP32, bert.Int8} {
		y, err := open(t, dir, &Options{Embeddings: p}).Embed(context.Background(), englishTexts(t), bert.Mean)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, y.Data)
	}
	const hidden = 384
	mean, least, n := 0.0, 1.0, len(all[0])/hidden
	for i := range n {
		cos := cosine(all[0][i*hidden:(i+1)*hidden], all[1][i*hidden:(i+1)*hidden])
		mean, least = mean+cos/float64(n), min(least, cos)
	}
	t.Logf("cosine with a float32 table, mean %.6f, least %.6f of %d texts", mean, least, n)
	if !(mean >= 0.9999 && least >= 0.9998) {
		t.Errorf("cosine with a float32 table is %.6f in the mean and %.6f at least, want 0.9999 and 0.9998", mean, least)
	}
}
