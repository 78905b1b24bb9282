package model

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bertlabel/bert"
	"bertlabel/checkpoint/atomic/atomictest"
)

// What was saved opens as it was, to the bit, after the folder has moved and the one it came from is gone.
func TestSaveRoundTrip(t *testing.T) {
	for _, dir := range numerics(t) {
		original := copyFolder(t, filepath.Join(dir, "model_with_head"))
		m := open(t, original, nil)
		m.MaxSeqLength = 14
		m.Thresholds[0] = 0.1
		texts, _ := goldenRows(t, dir)
		want, err := m.Predict(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		training := json.RawMessage(`{"seed":42,"learning_rate":0.01}`)
		first := filepath.Join(t.TempDir(), "first")
		if err := m.Save(first, training); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(original); err != nil {
			t.Fatal(err)
		}
		moved := filepath.Join(t.TempDir(), "moved")
		if err := os.Rename(first, moved); err != nil {
			t.Fatal(err)
		}
		var messages []string
		got := open(t, moved, logged(&messages))
		m.training = training
		sameModel(t, got, m)
		if len(messages) > 0 {
			t.Errorf("logged %q", messages)
		}
		predictions, err := got.Predict(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if !slices.Equal(predictions[i].Logits, want[i].Logits) || !slices.Equal(predictions[i].Probabilities, want[i].Probabilities) {
				t.Errorf("text %d: other bits", i)
			}
		}

		// Saving what was opened writes the same files, byte for byte.
		second := saved(t, got)
		entries, err := os.ReadDir(moved)
		if err != nil || len(entries) != 7 {
			t.Errorf("%d files, %v", len(entries), err)
		}
		for _, e := range entries {
			if readText(t, filepath.Join(second, e.Name())) != readText(t, filepath.Join(moved, e.Name())) {
				t.Errorf("%s has other bytes", e.Name())
			}
		}
	}
}

// Everything that decides how a text is read survives, for models with and without a head or a pooler.
func TestSaveSettings(t *testing.T) {
	for _, pooling := range []bert.Pooling{bert.Pooled, bert.CLS, bert.Mean, "mean:-1..-2", "concat:pooled,cls:-2,max"} {
		m := tinyWithHead(t, 1, pooling)
		m.MaxSeqLength = 9
		sameModel(t, open(t, saved(t, m), nil), m)
	}
	upper := false
	m, err := New(tinyConfig(), []byte(strings.Join(tinyVocab(), "\r\n")), 3,
		&Options{LowerCase: &upper, KeepTokens: []string{"[NAME]", "[X]"}})
	if err != nil {
		t.Fatal(err)
	}
	got := open(t, saved(t, m), nil) // the vocabulary alone would be guessed to be uncased
	sameModel(t, got, m)
	encoded := got.encode([]Text{{A: "The [NAME]cat"}})[0]
	if tokens := strings.Join(got.Tokenizer.Tokens(encoded.IDs), " "); tokens != "[CLS] [UNK] [NAME] cat [SEP]" {
		t.Errorf("tokens %s", tokens)
	}
}

// A model replaces another of the same folder completely, one without a head too.
func TestSaveReplaces(t *testing.T) {
	old, other, headless := tinyWithHead(t, 1, bert.Mean), tinyWithHead(t, 2, bert.CLS), tiny(t, 3)
	dir := saved(t, old)
	for _, m := range []*Model{other, headless, old} {
		if err := m.Save(dir, nil); err != nil {
			t.Fatal(err)
		}
		sameModel(t, open(t, dir, nil), m)
	}
	// The folder's state file no longer names another checkpoint.
	writeFile(t, filepath.Join(dir, "checkpoint"), "model_checkpoint_path: \"model.ckpt-7\"\n")
	if err := other.Save(dir, nil); err != nil {
		t.Fatal(err)
	}
	sameModel(t, open(t, dir, nil), other)
}

func TestSaveRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *Model)
		want   string
	}{
		"line end":        {func(m *Model) { m.Labels[1] = "a\nb" }, "line end"},
		"carriage return": {func(m *Model) { m.Labels[1] = "a\r" }, "line end"},
		"byte order mark": {func(m *Model) { m.Labels[0] = "\ufeffa" }, "byte order mark"},
		"empty label":     {func(m *Model) { m.Labels[2] = "" }, "blank line"},
		"double label":    {func(m *Model) { m.Labels[2] = m.Labels[0] }, "stands on line 1 too"},
		"not UTF-8":       {func(m *Model) { m.Labels[2] = "\xff" }, "not UTF-8"},
		"threshold":       {func(m *Model) { m.Thresholds[0] = 2 }, "expected 0 to 1"},
		"length":          {func(m *Model) { m.MaxSeqLength = 1 }, "max_seq_length is 1"},
		"too much":        {func(m *Model) { m.training = json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`) }, "the limit is"},
	} {
		m := tinyWithHead(t, 1, bert.Mean)
		c.change(m)
		dir := filepath.Join(t.TempDir(), "new")
		failsWith(t, name, m.Save(dir, nil), c.want)
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%s: %d files were written", name, len(entries))
		}
	}
	m, path := tiny(t, 1), filepath.Join(t.TempDir(), "file")
	writeFile(t, path, "")
	failsWith(t, "a file of that name", m.Save(path, nil), path)
}

// brokenAfter is a disk that is gone after n operations.
func brokenAfter(n int) *atomictest.Faulty {
	return &atomictest.Faulty{Err: syscall.EIO, Broken: true, Left: n + 1}
}

// Wherever saving is interrupted, the folder holds the old model, the new one, or none: never parts of both.
func TestSaveInterrupted(t *testing.T) {
	old, updated := tinyWithHead(t, 1, bert.Mean), tinyWithHead(t, 2, bert.CLS)
	source := saved(t, old)
	for _, replace := range []bool{false, true} {
		outcomes := map[string]int{}
		for n, done := 0, false; !done; n++ {
			dir := filepath.Join(t.TempDir(), "model")
			if replace {
				dir = copyFolder(t, source)
			}
			err := updated.save(brokenAfter(n), dir, nil)
			done = err == nil
			if err != nil {
				failsWith(t, fmt.Sprint("operation ", n), err, dir, syscall.EIO.Error())
			}
			left, _ := filepath.Glob(filepath.Join(dir, "*.tmp-*"))
			if len(left) > 0 {
				t.Errorf("operation %d failed and left %v", n, left)
			}
			m, openErr := Open(dir, nil)
			switch {
			case openErr != nil:
				outcomes["none"]++
				if done {
					t.Errorf("saved without error, and yet: %v", openErr)
				}
			case m.Pooling == old.Pooling:
				outcomes["old"]++
				sameModel(t, m, old)
			default:
				outcomes["new"]++
				sameModel(t, m, updated)
			}
		}
		if outcomes["new"] == 0 || outcomes["none"] == 0 || replace != (outcomes["old"] > 0) {
			t.Errorf("replacing %t: outcomes %v", replace, outcomes)
		}
		t.Logf("replacing %t: outcomes %v", replace, outcomes)
	}
}
