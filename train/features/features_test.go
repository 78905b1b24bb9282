package features_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/tensor"
	"bertlabel/train/data"
	"bertlabel/train/features"
	"bertlabel/train/fit"
	"bertlabel/train/score"
	"bertlabel/train/shard"
)

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// newModel returns a small random BERT, in place of one that was downloaded.
func newModel(seed uint64) *model.Model {
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] my parcel card never came was charged twice again late")
	config := bert.DefaultConfig()
	config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads = len(vocab), 32, 2, 2
	config.IntermediateSize, config.MaxPositionEmbeddings = 64, 16
	return must(model.New(config, []byte(strings.Join(vocab, "\n")), seed, nil))
}

const texts = `{"text":"my parcel never came","labels":["delivery"]}
{"text":"my card was charged twice","labels":["money"]}
{"text":"my parcel was late","labels":["delivery"]}
{"text":"parcel late card charged again","labels":["delivery","money"]}
{"text":"my card again","labels":["money"]}
{"text":"twice again","labels":[]}
`

// embed makes parts of vectors of texts, as so many processes of `embed --shard` do.
func embed(m *model.Model, folder, text string, parts int) string {
	input := folder + ".jsonl"
	check(os.WriteFile(input, []byte(text), 0o666))
	labels := []string{"delivery", "money"}
	pooling := bert.Mean
	p := must(shard.Plan(shard.Options{Input: input, Output: folder, Of: parts, Model: []byte("a model"), Data: data.Options{
		Labels: must(data.NewLabelList(labels, "labels")), OnBadRow: data.StopAtBadRow},
		Score: score.Options{Result: score.Vectors, Pooling: pooling}, Suffix: shard.Tensors,
		NewWriter: shard.NewTensors(labels, false, &pooling)}))
	for i := range parts {
		must(shard.Run(context.Background(), p, i, func() (*model.Model, error) { return m, nil }))
	}
	return folder
}

// A head on the vectors of shards, which were made on any number of machines.
func Example() {
	dir := must(os.MkdirTemp("", "features"))
	defer os.RemoveAll(dir)
	m := newModel(1)
	rows := must(features.Open(embed(m, filepath.Join(dir, "vectors"), strings.Repeat(texts, 20), 4), features.Options{}))
	dev := must(features.Open(embed(m, filepath.Join(dir, "dev"), texts, 1), features.Options{}))
	fmt.Println(rows.Total(), "rows in", rows.Len(), "parts,", rows.Width(), "numbers each, by", rows.Pooling)

	result := must(fit.FromFeatures(context.Background(), m, rows, dev, fit.Options{Solver: fit.LDA}))
	fmt.Println("macro F1", result.Dev.F1Macro, "of", m.Labels)
	// Output:
	// 120 rows in 4 parts, 32 numbers each, by mean
	// macro F1 1 of [delivery money]
}

// What is read is what was written, wherever it begins and whatever lies between the rows of what it is read into.
func TestRead(t *testing.T) {
	t.Parallel()
	m := newModel(2)
	s := must(features.Open(embed(m, filepath.Join(t.TempDir(), "v"), strings.Repeat(texts, 3), 5), features.Options{}))
	defer s.Close()
	var rows []model.Text
	want := must(data.LoadFrom(strings.NewReader(strings.Repeat(texts, 3)), "x.jsonl", data.Options{Format: data.JSONL, Labels: s.Labels}))
	for _, text := range want.Texts {
		rows = append(rows, model.Text{A: text})
	}
	vectors := must(m.Embed(t.Context(), rows, bert.Mean))
	row := 0
	for part := range s.Len() {
		y, shares, err := s.Cells(part)
		if from, to := 2*row, 2*(row+s.Rows(part)); err != nil || shares != nil || !slices.Equal(y, want.Y[from:to]) {
			t.Errorf("part %d: labels %v, %v, %v, want %v", part, y, shares, err, want.Y[from:to])
		}
		for i := s.Rows(part) - 1; i >= 0; i-- { // from the last on
			wide := tensor.New(s.Rows(part)-i, 40)
			x := wide.SliceCols(3, 35)
			if err := s.Read(part, i, &x); err != nil {
				t.Fatal(err)
			}
			for k := range x.Rows {
				if !slices.Equal(x.Row(k), vectors.Row(row+i+k)) || wide.Row(k)[2] != 0 || wide.Row(k)[35] != 0 {
					t.Fatalf("part %d: row %d is another", part, i+k)
				}
			}
		}
		row += s.Rows(part)
	}
	if row != 18 || s.Total() != 18 {
		t.Errorf("%d rows, the set says %d", row, s.Total())
	}
	if err := s.Read(0, s.Rows(0), tensor.New(1, 32)); err == nil || !strings.Contains(err.Error(), "embeddings") {
		t.Errorf("a row behind the last: %v", err)
	}
}

// A number that is not finite is refused by every read of it, wherever that begins; those before it can be read.
func TestReadNotFinite(t *testing.T) {
	t.Parallel()
	folder := embed(newModel(6), filepath.Join(t.TempDir(), "v"), texts, 1)
	path := filepath.Join(folder, "part-00000-of-00001.safetensors")
	f := must(safetensors.Open(path, checkpoint.Limits{}))
	vectors := must(f.ReadRaw("embeddings"))
	check(f.Close())
	file := must(os.ReadFile(path))
	copy(file[bytes.Index(file, vectors)+4*(4*32+7):], []byte{0, 0, 0xc0, 0x7f}) // NaN in row 4 of 6
	check(os.WriteFile(path, file, 0o666))
	s := must(features.Open(folder, features.Options{}))
	defer s.Close()
	for _, first := range []int{4, 3, 0, 4} {
		var broken *features.Error
		err := s.Read(0, first, tensor.New(6-first, 32))
		if !errors.As(err, &broken) || !strings.Contains(err.Error(), "NaN in row 4, column 7") {
			t.Errorf("from row %d on: %v", first, err)
		}
	}
	for first, rows := range map[int]int{5: 1, 0: 4, 2: 2} {
		if err := s.Read(0, first, tensor.New(rows, 32)); err != nil {
			t.Errorf("%d rows from %d on: %v", rows, first, err)
		}
	}
	if err := s.Read(0, 2, tensor.New(4, 32)); err == nil {
		t.Error("the number is taken after rows around it have been read")
	}
}

// A set is told from that of another model, and from one that is not alike; what the metadata lack is named.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := newModel(3)
	folder := embed(m, filepath.Join(dir, "v"), texts, 1)
	s := must(features.Open(folder, features.Options{}))
	var other *features.ModelError
	if err := s.Check(newModel(4)); !errors.As(err, &other) || other.What != "encoder" || other.Found == other.Expected || s.Check(m) != nil {
		t.Errorf("another model: %v; its own: %v", err, s.Check(m))
	}
	if _, err := features.Open(folder, features.Options{Binarize: 0.5}); err == nil || !strings.Contains(err.Error(), "soft_labels") {
		t.Errorf("binarize: %v", err)
	}
	if _, err := features.Open(folder, features.Options{Soft: true, Binarize: math.NaN()}); err == nil {
		t.Error("binarize NaN is taken")
	}
	if _, err := features.Open(dir+"/nowhere", features.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	for key, c := range map[string]struct{ value, want string }{
		"encoder": {"", "the fingerprint of the model"}, "pooling": {"sum", `metadata "pooling" "sum", want a pooling`},
		"max_seq_length": {"1", "a number of tokens"}, "windows": {"0", `metadata "windows" "0", want 1 or more, or all`},
		"labels": {"", "embed writes them where"}, "window_overlap": {"2", `metadata "window_overlap" "2", want a share from 0 to 0.9`},
		"precision": {"fp64", `metadata "precision" "fp64", want fp32, bf16 or int8`}, "embeddings_precision": {"x", "want fp32, bf16 or int8"},
	} {
		copied := filepath.Join(dir, key)
		check(os.CopyFS(copied, os.DirFS(folder)))
		rewrite(copied, func(says map[string]string) {
			if key == "window_overlap" {
				says["windows"] = "3"
			}
			if says[key] = c.value; c.value == "" {
				delete(says, key)
			}
		})
		var refused *features.Error
		if _, err := features.Open(copied, features.Options{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %s", key, c.value, err, c.want)
		}
	}
	twice := filepath.Join(dir, "twice")
	check(os.CopyFS(twice, os.DirFS(folder)))
	rewrite(twice, func(says map[string]string) { says["labels"] = `["a","a"]` })
	if _, err := features.Open(twice, features.Options{}); err == nil || !strings.HasPrefix(err.Error(), twice) {
		t.Errorf("a label twice: %v", err)
	}
	none := embed(m, filepath.Join(dir, "none"), "", 1)
	if _, err := features.Open(none, features.Options{}); err == nil || !strings.Contains(err.Error(), "no rows in all its parts") {
		t.Errorf("no rows: %v", err)
	}
}

// rewrite changes the metadata of the one part of a folder.
func rewrite(folder string, change func(says map[string]string)) {
	path := filepath.Join(folder, "part-00000-of-00001.safetensors")
	f := must(safetensors.Open(path, checkpoint.Limits{}))
	defer f.Close()
	var tensors []checkpoint.Tensor
	for _, info := range f.Tensors() {
		tensors = append(tensors, checkpoint.Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Bytes: must(f.ReadRaw(info.Name))})
	}
	change(f.Metadata)
	var b bytes.Buffer
	create := func(string) (io.WriteCloser, error) { return closable{&b}, nil }
	check(safetensors.Write(create, path, tensors, f.Metadata))
	check(os.WriteFile(path, b.Bytes(), 0o666))
	path = filepath.Join(folder, "part-00000-of-00001.json")
	var r shard.Receipt
	check(json.Unmarshal(must(os.ReadFile(path)), &r))
	r.Part.Bytes = int64(b.Len())
	check(os.WriteFile(path, must(json.Marshal(r)), 0o666))
}

type closable struct{ *bytes.Buffer }

func (closable) Close() error { return nil }

// What cannot be is refused before anything is done, and a run that ends leaves the model as it was.
func TestFromFeaturesRefuses(t *testing.T) {
	t.Parallel()
	m := newModel(5)
	rows := must(features.Open(embed(m, filepath.Join(t.TempDir(), "v"), texts, 2), features.Options{}))
	for want, o := range map[string]fit.Options{
		"tune": {Tune: fit.Last(1)}, "folds": {Folds: 2}, "windows": {Windows: 2},
		"window_pooling": {WindowPooling: model.NoisyOr}, "pooling": {Pooling: bert.CLS},
		"precision": {Precision: bert.BF16}, "features_cache": {Cache: "c"}, "solver": {Solver: fit.LDA}, "refit": {Refit: fit.LDA},
	} {
		var refused *fit.OptionError
		if _, err := fit.FromFeatures(t.Context(), m, rows, nil, o); !errors.As(err, &refused) || refused.Option != want {
			t.Errorf("%v, want one about %s", err, want)
		}
	}
	if _, err := fit.FromFeatures(t.Context(), m, nil, nil, fit.Options{}); err == nil {
		t.Error("no features are taken")
	}
	if _, err := fit.FromFeatures(t.Context(), nil, rows, nil, fit.Options{}); err == nil {
		t.Error("no model is taken")
	}
	m.MaxSeqLength = 7
	var small *fit.MemoryError
	if _, err := fit.FromFeatures(t.Context(), m, rows, nil, fit.Options{MaxMemory: 1}); !errors.As(err, &small) ||
		m.MaxSeqLength != 7 || m.Head != nil {
		t.Errorf("%v; %d tokens, head %v", err, m.MaxSeqLength, m.Head)
	}
	ended := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ended)
	if _, err := fit.FromFeatures(ctx, m, rows, nil, fit.Options{}); !errors.Is(err, ended) {
		t.Errorf("%v", err)
	}
	if _, err := fit.FromFeatures(t.Context(), m, rows, nil, fit.Options{}); err != nil || m.MaxSeqLength != 16 || m.Pooling != bert.Mean {
		t.Errorf("%v; %d tokens, %s", err, m.MaxSeqLength, m.Pooling)
	}
}
