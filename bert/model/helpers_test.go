package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/tfbundle"
	"bertlabel/layers"
	"bertlabel/tensor/tensortest"
)

// tinyVocab has every lower-case letter and digit alone and as a continuation, and some words.
func tinyVocab() []string {
	vocab := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"}
	for c := 'a'; c <= 'z'; c++ {
		vocab = append(vocab, string(c), "##"+string(c))
	}
	return append(vocab, strings.Fields(". , ! ? ' 0 1 2 3 4 5 6 7 8 9 the cat sat on mat my parcel never came it is broken")...)
}

func tinyConfig() bert.Config {
	c := bert.DefaultConfig()
	c.VocabSize, c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize = len(tinyVocab()), 16, 2, 2, 32
	c.MaxPositionEmbeddings, c.TypeVocabSize = 40, 2
	return c
}

// tiny returns a random uncased model without a head.
func tiny(t testing.TB, seed uint64) *Model {
	t.Helper()
	lower := true
	m, err := New(tinyConfig(), []byte(strings.Join(tinyVocab(), "\n")+"\n"), seed, &Options{LowerCase: &lower, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	// Google's first values make every text nearly the same vector: wider ones, and biases.
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, p := range m.Encoder.Params() {
		for i := range p.Value {
			p.Value[i] += float32(rng.NormFloat64() * 0.2)
		}
	}
	m.Encoder.Pack()
	return m
}

// tinyWithHead returns a random model with a head of three labels on pooling, and thresholds that differ.
func tinyWithHead(t testing.TB, seed uint64, pooling bert.Pooling) *Model {
	t.Helper()
	m := tiny(t, seed)
	width, err := m.Encoder.PoolingWidth(pooling)
	if err != nil {
		t.Fatal(err)
	}
	head := layers.NewClassifier(3, width)
	rng := rand.New(rand.NewPCG(seed, 2))
	for _, p := range head.Params() {
		p.Value = make([]float32, p.Size())
		for i := range p.Value {
			p.Value[i] = float32(rng.NormFloat64())
		}
	}
	m.SetHead(head, []string{"joy", "anger, \"rage\"", "Überraschung"}, pooling)
	m.Thresholds[1], m.Thresholds[2] = 0.25, 0.75
	return m
}

// saved writes a model into a new folder, whose path says nothing of lower-casing.
func saved(t testing.TB, m *Model) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.save(unsynced{}, dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// unsynced is a file system that does not wait for the disk: nothing of a test outlives it.
type unsynced struct{ atomic.OS }

func (u unsynced) Create(name string) (atomic.File, error) {
	f, err := u.OS.Create(name)
	return unsyncedFile{f}, err
}

func (unsynced) SyncDir(string) error { return nil }

type unsyncedFile struct{ atomic.File }

func (unsyncedFile) Sync() error { return nil }

// logged returns options that keep what is logged.
func logged(messages *[]string) *Options {
	return &Options{Threads: 2, Log: func(message string) { *messages = append(*messages, message) }}
}

func open(t testing.TB, path string, o *Options) *Model {
	t.Helper()
	m, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// numerics returns folders of tiny BERTs whose numbers reference implementations computed: the committed one first, and those of the
// shared folder if it is here. Each has model, as Google releases it, model_with_head with labels.txt, and texts.jsonl.
func numerics(t testing.TB) []string {
	t.Helper()
	dirs := []string{tinyUncased(t)}
	root, ok := tensortest.SharedToo(t, "fixtures/numerics")
	if !ok {
		return dirs
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) == 0 {
		t.Fatalf("no golden models: %v", err)
	}
	for _, e := range entries {
		dirs = append(dirs, filepath.Join(root, e.Name()))
	}
	return dirs
}

// tinyUncased makes such a folder of the committed model.
func tinyUncased(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny-uncased")
	for _, name := range []string{"model", "model_with_head"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(tinyModel)); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, name, "bertlabel.json"))
	}
	os.Remove(filepath.Join(dir, "model", "labels.txt"))
	changeTensors(t, filepath.Join(dir, "model"), func(t checkpoint.Tensor) []checkpoint.Tensor {
		if strings.HasPrefix(t.Name, "output_") {
			t.Name = "cls/predictions/" + t.Name // a release has such variables
		}
		return []checkpoint.Tensor{t}
	})
	writeFile(t, filepath.Join(dir, "texts.jsonl"), readText(t, filepath.Join(tinyGoldens, "texts.jsonl")))
	return dir
}

func copyFolder(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func readText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func replaceIn(t testing.TB, path, old, replacement string) {
	t.Helper()
	text := readText(t, path)
	if !strings.Contains(text, old) {
		t.Fatalf("%s has no %q", path, old)
	}
	writeFile(t, path, strings.Replace(text, old, replacement, 1))
}

// tensorsOf reads a checkpoint as a whole.
func tensorsOf(t testing.TB, path string) (tensors []checkpoint.Tensor) {
	t.Helper()
	src, err := formats.Open(path, checkpoint.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for _, info := range src.Tensors() {
		raw, err := src.ReadRaw(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, checkpoint.Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Bytes: raw})
	}
	return tensors
}

// changeTensors rewrites the checkpoint of a folder with all checksums right, each tensor as change returns it: none, one or several.
func changeTensors(t testing.TB, dir string, change func(checkpoint.Tensor) []checkpoint.Tensor) {
	t.Helper()
	var changed []checkpoint.Tensor
	for _, tensor := range tensorsOf(t, filepath.Join(dir, CheckpointName)) {
		changed = append(changed, change(tensor)...)
	}
	create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(dir, name)) }
	if err := tfbundle.Write(create, CheckpointName, changed); err != nil {
		t.Fatal(err)
	}
}

// named changes the tensor of that name and leaves the others.
func named(name string, change func(*checkpoint.Tensor)) func(checkpoint.Tensor) []checkpoint.Tensor {
	return func(t checkpoint.Tensor) []checkpoint.Tensor {
		if t.Name == name {
			change(&t)
		}
		return []checkpoint.Tensor{t}
	}
}

// sameModel compares everything that Save writes, bit for bit.
func sameModel(t testing.TB, got, want *Model) {
	t.Helper()
	if got.Encoder.Config != want.Encoder.Config {
		t.Errorf("config %+v, want %+v", got.Encoder.Config, want.Encoder.Config)
	}
	if !bytes.Equal(got.vocab, want.vocab) {
		t.Errorf("vocabulary of %d bytes, want %d", len(got.vocab), len(want.vocab))
	}
	settings := func(m *Model) string {
		return fmt.Sprint(optionsText(m), m.MaxSeqLength, m.Pooling, m.Labels, m.Thresholds, string(compact(m.training)))
	}
	if settings(got) != settings(want) {
		t.Errorf("settings %s, want %s", settings(got), settings(want))
	}
	sameWeights(t, got, want)
}

// compact takes the white space out of JSON.
func compact(raw []byte) []byte {
	return bytes.Join(bytes.Fields(raw), nil)
}

func sameWeights(t testing.TB, got, want *Model) {
	t.Helper()
	ps, qs := got.Params(), want.Params()
	if len(ps) != len(qs) {
		t.Fatalf("%d parameters, want %d", len(ps), len(qs))
	}
	for i, p := range ps {
		q := qs[i]
		if p.Name != q.Name || !slices.EqualFunc(got.value(p), want.value(q), sameBits) {
			t.Errorf("%s differs from %s", p.Name, q.Name)
		}
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// failsWith checks that an error has all the words.
func failsWith(t testing.TB, what string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want one with %q", what, words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error has no %q: %v", what, word, err)
		}
	}
}

func sha256Hex(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func number(n int) string { return strconv.Itoa(n) }

// optionsText shows how a model reads text.
func optionsText(m *Model) string {
	o := m.Tokenizer.Options()
	o.Added = unlikeBERTs(o.Added)
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// tokenizerWith makes a tokenizer of a model's vocabulary.
func tokenizerWith(t testing.TB, m *Model, o tokenizer.Options) *tokenizer.Tokenizer {
	t.Helper()
	vocab, err := tokenizer.ReadVocab(bytes.NewReader(m.vocab), "vocab.txt")
	if err != nil {
		t.Fatal(err)
	}
	made, err := tokenizer.New(vocab, o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func unsyncedFiles(t testing.TB, dir string) *atomic.Files {
	t.Helper()
	files, err := atomic.NewFiles(unsynced{}, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	return files
}
