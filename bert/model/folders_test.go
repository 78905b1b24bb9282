package model

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folderGolden is what transformers and sentence-transformers make of the texts with the model of a folder (testdata/folders.py).
type folderGolden struct {
	Folder  string
	Length  int
	IDs     [][]int32
	Logits  [][]float64
	Scores  [][]float64 // of pipeline("text-classification")
	Vectors [][]float64
}

// TestFolders: a folder of Hugging Face or of sentence-transformers gives the token ids, logits, probabilities and vectors that these
// libraries give, whatever it says of added tokens, truncation, pooling and length, and so do both layouts that are written from it. Where the
// libraries would take a softmax, a warning says so.
func TestFolders(t *testing.T) {
	t.Parallel()
	var golden struct {
		Texts []string
		Cases []folderGolden
	}
	text, err := os.ReadFile(filepath.Join("testdata", "folders.json"))
	if err == nil {
		err = json.Unmarshal(text, &golden)
	}
	if err != nil || len(golden.Cases) != 9 {
		t.Fatalf("%d cases, want 9: %v", len(golden.Cases), err)
	}
	for _, c := range golden.Cases {
		t.Run(c.Folder, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			base := "base"
			if c.Vectors != nil {
				base = "encoder" // which has no head
			}
			for _, part := range []string{base, c.Folder} {
				overlay(t, dir, filepath.Join("testdata", "folders", part))
			}
			var messages []string
			m, err := Open(dir, logged(&messages))
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(messages, "\n")
			if single := c.Folder == "single_label" || c.Folder == "no_problem_type"; strings.Contains(said, "softmax") != single {
				t.Errorf("softmax in another than multi-label: %t; said:\n%s", single, said)
			}
			c.check(t, m, golden.Texts)
			for layout, save := range map[string]func(dir string) error{
				"google": func(dir string) error { return m.Save(dir, nil) }, "hf": m.SaveHuggingFace,
			} {
				to := filepath.Join(t.TempDir(), layout)
				if err := save(to); err != nil {
					t.Fatal(err)
				}
				c.check(t, open(t, to, nil), golden.Texts)
			}
		})
	}
}

// overlay copies the files of a folder over those of another.
func overlay(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o777)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o666)
	})
	if err != nil && !os.IsNotExist(err) { // a folder that changes nothing is not there
		t.Fatal(err)
	}
}

// check compares a model with the golden values. They are of float64, the model's of float32 with sums of a few dozen terms of the order of
// 1 in two layers: 1e-5 is ten times what is seen.
func (c *folderGolden) check(t *testing.T, m *Model, texts []string) {
	t.Helper()
	near := func(what string, row int, got []float32, want []float64) {
		t.Helper()
		for i, v := range got {
			if !(len(got) == len(want) && math.Abs(float64(v)-want[i]) <= 1e-5) {
				t.Errorf("%s of text %d: %v, want %v", what, row, got, want)
				return
			}
		}
	}
	if m.MaxSeqLength != c.Length {
		t.Errorf("texts are read up to %d tokens, want %d", m.MaxSeqLength, c.Length)
	}
	encoded := m.Encode(texts, make([]string, len(texts)))
	if c.Vectors != nil {
		vectors, err := m.Features(context.Background(), encoded, m.Pooling, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range texts {
			near("vector", i, vectors.Row(i), c.Vectors[i])
		}
		return
	}
	predictions, err := m.PredictEncoded(context.Background(), encoded)
	if err != nil {
		t.Fatal(err)
	}
	sigmoid := !strings.HasPrefix(c.Folder, "single") && c.Folder != "no_problem_type"
	for i, p := range predictions {
		if !slices.Equal(encoded[i].IDs, c.IDs[i]) {
			t.Errorf("%q has ids %v, want %v", texts[i], encoded[i].IDs, c.IDs[i])
			continue
		}
		near("logits", i, p.Logits, c.Logits[i])
		if sigmoid {
			near("probabilities", i, p.Probabilities, c.Scores[i])
		} else { // what the warning says that transformers would do
			near("softmax", i, softmax(p.Logits), c.Scores[i])
		}
	}
}

func softmax(z []float32) []float32 {
	sum, p := 0.0, make([]float32, len(z))
	for _, v := range z {
		sum += math.Exp(float64(v))
	}
	for i, v := range z {
		p[i] = float32(math.Exp(float64(v)) / sum)
	}
	return p
}
