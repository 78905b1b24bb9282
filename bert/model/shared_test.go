package model

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
)

func openShared(t testing.TB, path string, o *Options, have ...*Model) *Model {
	t.Helper()
	m, err := OpenShared(path, o, have...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Everything that decides what a model says changes its digest, and nothing else does.
func TestDigest(t *testing.T) {
	digest := func(m *Model) string { return string(m.Digest()) }
	m := tinyWithHead(t, 1, bert.CLS)
	m.SetTraining([]byte(`{"seed": 1}`))
	dir := saved(t, m)
	for _, same := range []*Model{tinyWithHead(t, 1, bert.CLS), withThreads(m, 7), open(t, dir, nil), openShared(t, dir, nil, nil)} {
		if digest(same) != digest(m) {
			t.Error("the same model has two digests")
		}
	}
	seen := map[string]string{digest(m): "itself"}
	changes := map[string]func(m *Model){
		"encoder":   func(m *Model) { m.Encoder.Embeddings.Norm.Beta.Value[3]++ },
		"weights":   func(m *Model) { m.Head.Weights.Value[5] = math.Nextafter32(m.Head.Weights.Value[5], 9) },
		"bias":      func(m *Model) { m.Head.Bias.Value[2]++ },
		"threshold": func(m *Model) { m.Thresholds[1] = 0.26 },
		"label":     func(m *Model) { m.Labels[0] = "joys" },
		"order":     func(m *Model) { o := m.Outputs(); slices.Reverse(o); m.SetOutputs(o) },
		"fewer":     func(m *Model) { m.SetOutputs(m.Outputs()[:2]) },
		"pooling":   func(m *Model) { m.Pooling = bert.Mean },
		"length":    func(m *Model) { m.MaxSeqLength-- },
		"windows":   func(m *Model) { m.Windows.Most = 2 },
		"all":       func(m *Model) { m.Windows.Most = tokenizer.AllWindows },
		"overlap":   func(m *Model) { m.Windows = tokenizer.Windows{Most: 2, Overlap: tokenizer.NoOverlap} },
		"reading":   func(m *Model) { m.Tokenizer = tokenizerWith(t, m, tokenizer.Options{}) },
		"no head":   func(m *Model) { m.Head, m.Labels, m.Thresholds = nil, nil, nil },
	}
	for name, change := range changes {
		changed := tinyWithHead(t, 1, bert.CLS)
		change(changed)
		if other, ok := seen[digest(changed)]; ok {
			t.Errorf("%s: the digest is that of %s", name, other)
		}
		seen[digest(changed)] = name
	}
	for _, p := range []bert.Precision{bert.BF16, bert.Int8} {
		if other, ok := seen[digest(open(t, dir, &Options{Precision: p}))]; ok {
			t.Errorf("%v has the digest of %s", p, other)
		}
		seen[digest(open(t, dir, &Options{Precision: p}))] = p.String()
	}
}

// Models whose files hold the same encoder share it, in each format and precision, and say what they say when they are opened alone.
func TestOpenShared(t *testing.T) {
	first, second := tinyWithHead(t, 1, bert.Pooled), tinyWithHead(t, 1, bert.Pooled)
	second.SetOutputs(second.Outputs()[1:])
	texts := someTexts(9)
	for name, saveTo := range map[string]func(testing.TB, *Model) string{"tensorflow": saved, "safetensors": savedHF} {
		save := func(m *Model) string { return saveTo(t, m) }
		for _, p := range []bert.Precision{bert.FP32, bert.BF16, bert.Int8} {
			o := &Options{Threads: 2, Precision: p}
			dir := save(second)
			one := openShared(t, save(first), o, nil)
			two := openShared(t, dir, o, one)
			alone := open(t, dir, o)
			if two.Encoder != one.Encoder || len(two.Labels) != 2 || len(one.Labels) != 3 {
				t.Errorf("%s, %v: the encoder is not shared, or more than that is", name, p)
			}
			if !bytes.Equal(two.Digest(), alone.Digest()) || !bytes.Equal(two.Fingerprint(), one.Fingerprint()) ||
				!bytes.Equal(two.PredictionFingerprint(), alone.PredictionFingerprint()) || bytes.Equal(two.Digest(), one.Digest()) {
				t.Errorf("%s, %v: other digests than of models opened alone", name, p)
			}
			got, err := two.Predict(t.Context(), texts)
			want, _ := alone.Predict(t.Context(), texts)
			for i := range want {
				if err != nil || !slices.EqualFunc(got[i].Logits, want[i].Logits, sameBits) {
					t.Errorf("%s, %v: text %d has other bits, %v", name, p, i, err)
				}
			}
			if third := openShared(t, dir, o, two); third.Encoder != one.Encoder {
				t.Errorf("%s, %v: the third does not share what the second has", name, p)
			}
		}
	}
}

// Another encoder is loaded: with one other bit in a weight, another configuration or precision, or where have says nothing of its files.
func TestOpenSharedLoads(t *testing.T) {
	source := tinyWithHead(t, 1, bert.Pooled)
	dir := saved(t, source)
	have := openShared(t, dir, nil, nil)
	flipped := copyFolder(t, dir)
	changeTensors(t, flipped, named("bert/embeddings/LayerNorm/beta", func(t *checkpoint.Tensor) { t.Bytes = bytes.Clone(t.Bytes); t.Bytes[0] ^= 1 }))
	config := copyFolder(t, dir)
	replaceIn(t, filepath.Join(config, "bert_config.json"), `"gelu"`, `"relu"`)
	changed := open(t, flipped, nil)
	for name, c := range map[string]struct {
		path string
		o    *Options
		have *Model
	}{
		"a bit":                     {flipped, nil, have},
		"a bit, Hugging Face":       {savedHF(t, changed), nil, openShared(t, savedHF(t, source), nil, nil)},
		"another format":            {savedHF(t, source), nil, have},
		"config":                    {config, nil, have},
		"precision":                 {dir, &Options{Precision: bert.BF16}, have},
		"have from Open":            {dir, nil, open(t, dir, nil)},
		"have that was never saved": {dir, nil, source},
	} {
		m := openShared(t, c.path, c.o, c.have)
		if m.Encoder == c.have.Encoder {
			t.Errorf("%s: the encoder is shared", name)
		}
		if !bytes.Equal(m.Digest(), open(t, c.path, c.o).Digest()) {
			t.Errorf("%s: another digest than from Open", name)
		}
	}
	other := openShared(t, flipped, nil)
	if m := openShared(t, dir, nil, nil, other, have); m.Encoder != have.Encoder {
		t.Error("the second of two encoders is not found")
	}
	broken := copyFolder(t, dir)
	writeFile(t, filepath.Join(broken, "vocab.txt"), "")
	if _, err := OpenShared(broken, nil, have); err == nil {
		t.Error("a broken folder is opened")
	}
}

// Fingerprints and passes of models that share an encoder may be asked for at once. The race detector watches.
func TestSharedAtOnce(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 1, bert.CLS))
	have := openShared(t, dir, nil, nil)
	want := have.Fingerprint()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			m, err := OpenShared(dir, nil, have)
			if err != nil || !bytes.Equal(m.Fingerprint(), want) {
				t.Errorf("another fingerprint, %v", err)
				return
			}
			if _, err := m.Predict(t.Context(), []Text{{A: "the cat"}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Whoever opens a model is asked before weights are read, with what they take, and not for an encoder that is there.
func TestAdmit(t *testing.T) {
	dir := saved(t, tinyWithHead(t, 1, bert.CLS))
	refusal := errors.New("no room")
	for _, p := range []bert.Precision{bert.FP32, bert.Int8} {
		var asked []int
		o := &Options{Threads: 2, Precision: p, Admit: func(bytes int) error { asked = append(asked, bytes); return nil }}
		m := openShared(t, dir, o, nil)
		openShared(t, dir, o, m)
		open(t, dir, o)
		want, err := OpenMemory(m.Encoder.Config, o)
		if err != nil || len(asked) != 2 || asked[0] != want || asked[1] != want {
			t.Errorf("%v: asked for %d bytes, want twice %d, %v", p, asked, want, err)
		}
		o.Admit = func(int) error { return refusal }
		for _, opened := range []func() (*Model, error){func() (*Model, error) { return Open(dir, o) },
			func() (*Model, error) { return OpenShared(dir, o, nil) }} {
			if m, err := opened(); m != nil || !errors.Is(err, refusal) {
				t.Errorf("%v: a model that is not admitted: %v", p, err)
			}
		}
	}
}

// Models of one vocabulary that read text in the same way have one tokenizer; another way of reading has its own.
func TestSharedTokenizer(t *testing.T) {
	m := tinyWithHead(t, 1, bert.CLS)
	dir := saved(t, m)
	one := openShared(t, dir, nil, nil)
	two := openShared(t, saved(t, tinyWithHead(t, 2, bert.CLS)), nil, one)
	lower := !m.Tokenizer.Options().LowerCase
	other := openShared(t, dir, &Options{LowerCase: &lower}, one, two)
	if two.Tokenizer != one.Tokenizer || two.Encoder == one.Encoder {
		t.Error("another encoder with the same vocabulary: the tokenizer is not shared, or the encoder is")
	}
	if other.Tokenizer == one.Tokenizer || other.Tokenizer.Options().LowerCase == one.Tokenizer.Options().LowerCase {
		t.Error("lower-casing models share a tokenizer with one that is not")
	}
	if alone := open(t, dir, nil); openShared(t, dir, nil, alone).Tokenizer == alone.Tokenizer {
		t.Error("a model that does not come from OpenShared shares its tokenizer")
	}
}
