package demo

import (
	"bytes"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var demoData = Generate(42, 2000, 300, 500)

func TestDeterministic(t *testing.T) {
	if !reflect.DeepEqual(Generate(42, 2000, 300, 500), demoData) {
		t.Error("the same seed gives other rows")
	}
	if other := Generate(43, 10, 0, 0); other.Train[0].Text == demoData.Train[0].Text {
		t.Errorf("seeds 42 and 43 begin with the same text %q", other.Train[0].Text)
	}
	if !slices.Equal(Vocab(demoData.Train), Vocab(demoData.Train)) {
		t.Error("the same rows give another vocabulary")
	}
}

// No text occurs twice, every text is one clean line of ASCII, and every label has its share.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	counts, overlap := make([]int, len(labels)), 0
	for _, row := range slices.Concat(demoData.Train, demoData.Dev, demoData.Test) {
		if seen[strings.ToLower(row.Text)] {
			t.Errorf("twice: %q", row.Text)
		}
		seen[strings.ToLower(row.Text)] = true
		if bad := strings.IndexFunc(row.Text, func(r rune) bool { return r < ' ' || r > '~' }); bad >= 0 ||
			strings.ContainsAny(row.Text, "(){}|") || strings.Contains(row.Text, "  ") || strings.TrimSpace(row.Text) != row.Text {
			t.Errorf("not clean: %q", row.Text)
		}
		n := 0
		for i, applies := range row.Labels {
			if applies {
				counts[i]++
				n++
			}
		}
		if n > 1 {
			overlap++
		}
	}
	for i, n := range counts { // of 2800 rows
		if n < 350 || n > 850 {
			t.Errorf("%s in %d rows of 2800", labels[i].name, n)
		}
	}
	if overlap < 900 || overlap > 1500 {
		t.Errorf("%d rows of 2800 have more than one label", overlap)
	}
}

// Every slot that a phrase names exists and every choice ends: expanding all phrases many times leaves no bracket.
func TestPhrases(t *testing.T) {
	w := &writer{rng: rand.New(rand.NewPCG(1, 1)), item: "kettle"}
	all := slices.Concat(openers, asides, closers)
	for _, l := range labels {
		all = slices.Concat(all, l.phrases, l.denials)
		for _, other := range l.goesWith {
			if labels[other].name == l.name {
				t.Errorf("%s goes with itself", l.name)
			}
		}
	}
	for _, phrase := range all {
		for range 50 {
			if text := w.expand(phrase); text == "" || strings.ContainsAny(text, "(){}|") {
				t.Fatalf("%q expands to %q", phrase, text)
			}
		}
	}
}

// No word alone tells a label: the best rule "the word occurs" has an F1 below 0.7, where a trained model is to reach 0.9.
func TestNoKeyword(t *testing.T) {
	for i, l := range labels {
		with, right := map[string]int{}, map[string]int{}
		positives := 0
		for _, row := range demoData.Train {
			words := wordsOf(row.Text)
			slices.Sort(words)
			for _, word := range slices.Compact(words) {
				with[word]++
				if row.Labels[i] {
					right[word]++
				}
			}
			if row.Labels[i] {
				positives++
			}
		}
		for word, n := range with {
			if f1 := 2 * float64(right[word]) / float64(n+positives); f1 > 0.7 {
				t.Errorf("%s: the word %q alone has an F1 of %.2f", l.name, word, f1)
			}
		}
	}
}

// A linear classifier on 64 random projections of the word counts, about what mean-pooled features of an untrained encoder
// of that width are, has at least twice the macro F1 of guessing by frequency; one on all words leaves room above itself.
func TestLearnable(t *testing.T) {
	if testing.Short() {
		t.Skip("trains two linear classifiers")
	}
	frequency := 0.0 // a guess that says yes with a label's frequency p has precision p and recall p
	for i := range labels {
		for _, row := range demoData.Train {
			if row.Labels[i] {
				frequency += 1 / float64(len(demoData.Train)*len(labels))
			}
		}
	}
	projected, full := linearF1(64), linearF1(0)
	t.Logf("macro F1: guessing by frequency %.3f, linear on 64 projections %.3f, linear on all words %.3f", frequency, projected, full)
	if !(projected >= 2*frequency) {
		t.Errorf("64 projections: macro F1 %.3f, want at least twice the %.3f of guessing", projected, frequency)
	}
	if !(full >= 0.75 && full <= 0.97) {
		t.Errorf("all words: macro F1 %.3f, want between 0.75 and 0.97", full)
	}
}

// linearF1 trains a logistic regression per label on the shares of the words in a text, or on dim random projections of
// them, by Adagrad, and returns its macro F1 on the test rows.
func linearF1(dim int) float64 {
	vectors := map[string][]float64{}
	rng := rand.New(rand.NewPCG(7, 7))
	index := map[string]int{}
	for _, row := range demoData.Train {
		for _, word := range wordsOf(row.Text) {
			if _, known := index[word]; !known {
				index[word] = len(index)
				for range dim {
					vectors[word] = append(vectors[word], rng.NormFloat64())
				}
			}
		}
	}
	width := dim
	if dim == 0 {
		width = len(index)
	}
	features := func(text string) []float64 {
		x := make([]float64, width+1)
		x[width] = 1 // the bias
		words := wordsOf(text)
		for _, word := range words {
			j, known := index[word]
			switch {
			case known && dim == 0:
				x[j] = 1
			case known:
				for d, v := range vectors[word] {
					x[d] += v / math.Sqrt(float64(len(words)))
				}
			}
		}
		return x
	}
	weights := make([][]float64, len(labels))
	squares := make([][]float64, len(labels))
	for i := range weights {
		weights[i], squares[i] = make([]float64, width+1), make([]float64, width+1)
	}
	score := func(i int, x []float64) (z float64) {
		for j, v := range x {
			if v != 0 {
				z += weights[i][j] * v
			}
		}
		return z
	}
	inputs := make([][]float64, len(demoData.Train))
	for n, row := range demoData.Train {
		inputs[n] = features(row.Text)
	}
	for range 12 {
		for n, row := range demoData.Train {
			for i, applies := range row.Labels {
				g := 1 / (1 + math.Exp(-score(i, inputs[n])))
				if applies {
					g--
				}
				for j, v := range inputs[n] {
					if v != 0 {
						squares[i][j] += g * g * v * v
						weights[i][j] -= 0.3 * g * v / (math.Sqrt(squares[i][j]) + 1e-8)
					}
				}
			}
		}
	}
	macro := 0.0
	for i := range labels {
		tp, wrong := 0.0, 0.0
		for _, row := range demoData.Test {
			switch yes := score(i, features(row.Text)) > 0; {
			case yes && row.Labels[i]:
				tp++
			case yes != row.Labels[i]:
				wrong++
			}
		}
		macro += 2 * tp / (2*tp + wrong) / float64(len(labels))
	}
	return macro
}

func wordsOf(text string) []string { return strings.FieldsFunc(strings.ToLower(text), notAlphanumeric) }

// The vocabulary has no entry twice, begins as Google's do with [PAD] = 0, and has every character.
func TestVocab(t *testing.T) {
	vocab := Vocab(demoData.Train)
	sorted := slices.Sorted(slices.Values(vocab))
	if len(slices.Compact(sorted)) != len(vocab) {
		t.Error("an entry occurs twice")
	}
	for i, want := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} {
		if vocab[i] != want {
			t.Errorf("entry %d is %q, want %q", i, vocab[i], want)
		}
	}
	for _, want := range []string{"$", "?", "a", "##a", "7", "##7", "refund", "##ing"} {
		if !slices.Contains(vocab, want) {
			t.Errorf("no %q", want)
		}
	}
	if c := Config(len(vocab)); c.Check() != nil {
		t.Errorf("Config: %v", c.Check())
	}
}

func TestWriteCSV(t *testing.T) {
	var out bytes.Buffer
	if err := WriteCSV(&out, demoData.Dev); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(records) != 1+len(demoData.Dev) || strings.Join(records[0], ",") != "id,text,labels" {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for n, row := range demoData.Dev {
		var has []string
		for i, name := range Labels() {
			if row.Labels[i] {
				has = append(has, name)
			}
		}
		if want := []string{row.ID, row.Text, strings.Join(has, ",")}; !slices.Equal(records[n+1], want) {
			t.Errorf("record %d is %q, want %q", n+1, records[n+1], want)
		}
	}
}
