package record

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/layers"
	"bertlabel/train/data"
	"bertlabel/train/score"
)

// savedModel saves a tiny model with a head, and returns its folder.
func savedModel(t *testing.T) string {
	t.Helper()
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = 8, 2, 16
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 8, 1, 2, 16
	m, err := model.New(config, []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	head := layers.NewClassifier(2, config.HiddenSize)
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
	}
	m.SetHead(head, []string{"x", "y"}, bert.Mean)
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openIn(t *testing.T, dir string, p bert.Precision) *model.Model {
	t.Helper()
	m, err := model.Open(dir, &model.Options{Precision: p})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A record is kept beside that of another precision and what a later program has written, and is that of the model as it was.
func TestPrecisionRecord(t *testing.T) {
	t.Parallel()
	dir := savedModel(t)
	int8 := openIn(t, dir, bert.Int8)
	if p, err := PrecisionOf(int8); p != nil || err != nil {
		t.Fatalf("%+v, %v of a new model", p, err)
	}
	path := filepath.Join(dir, PrecisionFile)
	early := `{"format_version": 1, "precisions": {"int4": {"fingerprint": "f", "new": [1]}}}`
	if err := os.WriteFile(path, []byte(early), 0o644); err != nil {
		t.Fatal(err)
	}
	rows := &data.Dataset{File: "d.csv", SHA256: [32]byte{1, 2}}
	for _, m := range []*model.Model{int8, openIn(t, dir, bert.BF16)} {
		c := &score.Comparison{Precision: m.Precision().String(), Against: "fp32", Rows: 7, LogitRMS: 0.25}
		if got, err := NewPrecision(m, rows, c).Keep(m); err != nil || got != path {
			t.Fatalf("%s, %v", got, err)
		}
		p, err := PrecisionOf(m)
		if err != nil || p == nil || !p.Of(m) || p.Comparison != *c || p.Data != "d.csv" || !strings.HasPrefix(p.DataSHA256, "010200") ||
			len(p.DataSHA256) != 64 || p.Kernels == "" {
			t.Errorf("%+v, %v", p, err)
		}
	}
	var file struct{ Precisions map[string]json.RawMessage }
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil || len(file.Precisions) != 3 || !strings.Contains(string(file.Precisions["int4"]), "new") {
		t.Errorf("%v: %s", err, text)
	}
}

// A record is of the model as it was then: its head, labels, thresholds, length and encoder, in its precision.
func TestPrecisionRecordOf(t *testing.T) {
	t.Parallel()
	dir := savedModel(t)
	p := NewPrecision(openIn(t, dir, bert.Int8), &data.Dataset{}, &score.Comparison{Precision: "int8"})
	for what, change := range map[string]func(m *model.Model){
		"threshold": func(m *model.Model) { m.Thresholds[1] = 0.25 },
		"head":      func(m *model.Model) { m.Head.Params()[0].Value[0]++ },
		"label":     func(m *model.Model) { m.Labels[0] = "z" },
		"length":    func(m *model.Model) { m.MaxSeqLength-- },
	} {
		m := openIn(t, dir, bert.Int8)
		if !p.Of(m) {
			t.Error("the same model opened again is another one")
		}
		if change(m); p.Of(m) {
			t.Errorf("another %s is not seen", what)
		}
	}
	trained := openIn(t, dir, bert.FP32)
	bias := trained.Encoder.Layers[0].Query.Bias.Value
	bias[0]++
	if err := trained.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	if p.Of(openIn(t, dir, bert.Int8)) {
		t.Error("another encoder is not seen")
	}
	bias[0]--
	if err := trained.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	if !p.Of(openIn(t, dir, bert.Int8)) {
		t.Error("the model as it was is another one")
	}
	if p.Of(openIn(t, dir, bert.BF16)) {
		t.Error("another precision is not seen")
	}
}

// A file that cannot be used is an error, and stays as it is; without a folder nothing is kept.
func TestPrecisionRecordBroken(t *testing.T) {
	t.Parallel()
	dir := savedModel(t)
	m := openIn(t, dir, bert.Int8)
	path := filepath.Join(dir, PrecisionFile)
	p := NewPrecision(m, &data.Dataset{}, &score.Comparison{Precision: "int8"})
	for _, text := range []string{"", "{", "[]", `{"format_version": 2, "precisions": {}}`, `{"precisions": {}}`,
		strings.Repeat(" ", maxPrecisionBytes) + "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := PrecisionOf(m); err == nil {
			t.Errorf("%.50q is read", text)
		}
		_, err := p.Keep(m)
		left, _ := os.ReadFile(path)
		if err == nil || string(left) != text {
			t.Errorf("%.50q is replaced by %.50q, %v", text, left, err)
		}
	}
	if err := os.WriteFile(path, []byte(`{"format_version": 1, "precisions": {"int8": 3}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := PrecisionOf(m); err == nil || !strings.Contains(err.Error(), "precision.json: int8: ") {
		t.Errorf("a record that is a number: %v", err)
	}
	made, err := model.New(m.Encoder.Config, []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"), 1, &model.Options{Precision: bert.Int8})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Keep(made); !errors.Is(err, ErrNoFolder) {
		t.Errorf("without a folder: %v", err)
	}
	if p, err := PrecisionOf(made); p != nil || err != nil {
		t.Errorf("without a folder: %+v, %v", p, err)
	}
}
