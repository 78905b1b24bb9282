package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor/tensortest"
	"bertlabel/train/data"
	"bertlabel/train/fit"
)

// load reads comments with labels, neutral among them.
func load(t *testing.T, text string) *data.Dataset {
	t.Helper()
	list, err := data.NewLabelList([]string{"joy", "anger", "neutral"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	set, err := data.LoadFrom(strings.NewReader(text), "comments.csv", data.Options{Labels: list})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestDocuments: a document has its neutral comments, and one to three others whose labels are its own; the seed decides it all.
func TestDocuments(t *testing.T) {
	comments := load(t, "text,labels\nquiet one,neutral\nquiet two,neutral\nhappy,joy\nbad,anger\nboth,\"joy,anger\"\nodd,\"joy,neutral\"\n")
	d := documents{rows: 40, neutral: 5, planted: 3, seed: 7}
	var first, second bytes.Buffer
	if err := d.write(&first, comments, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.write(&second, comments, nil); err != nil || first.String() != second.String() {
		t.Errorf("the same seed gives other documents, %v", err)
	}
	d.seed = 8
	second.Reset()
	if err := d.write(&second, comments, nil); err != nil || first.String() == second.String() {
		t.Errorf("another seed gives the same documents, %v", err)
	}
	for line := range strings.Lines(first.String()) {
		var row struct {
			Text   string
			Labels []string
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		planted := strings.Count(row.Text, "happy") + strings.Count(row.Text, "bad") + strings.Count(row.Text, "both")
		joy, anger := strings.Contains(row.Text, "happy") || strings.Contains(row.Text, "both"),
			strings.Contains(row.Text, "bad") || strings.Contains(row.Text, "both")
		if strings.Count(row.Text, "quiet") != 5 || planted < 1 || planted > 3 || strings.Contains(row.Text, "odd") ||
			slices.Contains(row.Labels, "joy") != joy || slices.Contains(row.Labels, "anger") != anger || slices.Contains(row.Labels, neutralLabel) {
			t.Errorf("%+v", row)
		}
	}
	if err := d.write(&second, load(t, "text,labels\nhappy,joy\n"), nil); err == nil {
		t.Error("comments none of which is neutral")
	}
}

// TestEnds leaves whole words at both ends.
func TestEnds(t *testing.T) {
	vocab, err := tokenizer.ReadVocab(strings.NewReader("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\n##d\n"), "vocab.txt")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.New(vocab, tokenizer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"a b c": "a b c", "a b c d": "a b c d", "a b a b c c": "a b c c", "a dd b b dd a": "a a"} {
		if got := ends(text, 2, tok); got != want {
			t.Errorf("two tokens at the ends of %q: %q, want %q", text, got, want)
		}
	}
}

// TestWindowsWin trains heads on small documents, 8 comments in rows of 32 tokens: what reads all windows finds more than what reads the
// first row. docs/quality.md has the figures of long ones.
func TestWindowsWin(t *testing.T) {
	if testing.Short() {
		t.Skip("runs MiniLM-L6 on 45,000 tokens")
	}
	weights, dir := tensortest.Shared(t, "models/minilm-l6-uncased"), tensortest.Shared(t, "data/goemotions")
	list, err := data.ReadLabels(dir + "/labels.txt")
	if err != nil {
		t.Fatal(err)
	}
	comments, err := data.Load(dir+"/dev.tsv", data.Options{NoHeader: true, TextColumn: "1", LabelsColumn: "2", IDColumn: "3", Labels: list})
	if err != nil {
		t.Fatal(err)
	}
	sets := make([]*data.Dataset, 2)
	for i, rows := range []int{160, 100} {
		var text bytes.Buffer
		d := documents{rows: rows, neutral: 8, planted: 3, seed: uint64(i)}
		if err := d.write(&text, comments, nil); err != nil {
			t.Fatal(err)
		}
		if sets[i], err = data.LoadFrom(&text, "documents.jsonl", data.Options{Format: data.JSONL, Labels: list}); err != nil {
			t.Fatal(err)
		}
	}
	precision := func(windows int) float64 {
		m, err := model.Open(weights, &model.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		m.MaxSeqLength = 32
		result, err := fit.Model(t.Context(), m, sets[0], fit.Options{Dev: sets[1], Pooling: bert.Pooling("concat:mean,max"), Solver: fit.LDA,
			Windows: windows})
		if err != nil {
			t.Fatal(err)
		}
		return float64(result.Dev.AveragePrecisionMacro)
	}
	first, all := precision(1), precision(tokenizer.AllWindows)
	t.Logf("average precision %.4f in the first row, %.4f over all windows", first, all)
	if !(all > first+0.03) {
		t.Errorf("average precision %.4f in the first row, %.4f over all windows", first, all)
	}
}
