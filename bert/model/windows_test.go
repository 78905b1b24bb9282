package model

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/plain"
	"bertlabel/bert/tokenizer"
	"bertlabel/tensor"
	"bertlabel/tensor/tensortest"
)

// longTexts returns n texts of up to most words.
func longTexts(n, most int) []Text {
	rng, vocab := rand.New(rand.NewPCG(8, 2)), tinyVocab()
	texts := make([]Text, n)
	for i := range texts {
		for range rng.IntN(most + 1) {
			texts[i].A += strings.TrimPrefix(vocab[7+rng.IntN(len(vocab)-7)], "##") + " "
		}
	}
	return texts
}

// poolingsOfAll is one of each kind, of several layers.
const poolingsOfAll = bert.Pooling("concat:pooled,cls,mean:-1..-3,max:-1..-2")

// A text of several windows has the same bits alone, among others in any order, on any number of threads, in both ways through the engine,
// and as one text of a pass; a text of one window has the bits that it has without windows.
func TestWindowBits(t *testing.T) {
	m := tiny(t, 1)
	m.MaxSeqLength, m.Windows = 20, tokenizer.Windows{Most: tokenizer.AllWindows}
	texts := m.encode(append(longTexts(30, 300), someTexts(20)...))
	one := tiny(t, 1)
	one.MaxSeqLength = 20
	cut := one.encode(append(longTexts(30, 300), someTexts(20)...))
	alone, single := make([][]float32, len(texts)), withThreads(m, 1)
	several := 0
	for i := range texts {
		alone[i] = features(t, single, texts[i:i+1], poolingsOfAll).Data
		if texts[i].Sequences() > 1 {
			several++
			continue
		}
		if !slices.EqualFunc(features(t, single, cut[i:i+1], poolingsOfAll).Data, alone[i], sameBits) {
			t.Errorf("text %d of one window has other bits than without windows", i)
		}
	}
	if several < 20 {
		t.Fatalf("%d texts of several windows", several)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, threads := range []int{1, 2, 4} {
		with := withThreads(m, threads)
		for range 6 {
			order := rng.Perm(len(texts))[:1+rng.IntN(len(texts))]
			mates := make([]tokenizer.Encoding, len(order))
			for r, i := range order {
				mates[r] = texts[i]
			}
			var done atomic.Int64
			y, err := with.Features(t.Context(), mates, poolingsOfAll, func(n int) { done.Store(max(done.Load(), int64(n))) })
			if err != nil {
				t.Fatal(err)
			}
			if done.Load() != int64(len(order)) && threads == 1 {
				t.Errorf("%d of %d texts are done at the end", done.Load(), len(order))
			}
			dst := tensor.New(len(order), y.Cols)
			if err := with.NewPass(threads).Features(dst, mates, poolingsOfAll); err != nil {
				t.Fatal(err)
			}
			for r, i := range order {
				if !slices.EqualFunc(y.Row(r), alone[i], sameBits) || !slices.EqualFunc(dst.Row(r), alone[i], sameBits) {
					t.Errorf("%d threads: text %d has other bits among %d texts", threads, i, len(order))
				}
			}
		}
	}
}

// plainOf is the encoder of m in float64.
func plainOf(m *Model) plain.Model {
	p := plain.Model{Layers: m.Encoder.Config.NumHiddenLayers, Heads: m.Encoder.Config.NumAttentionHeads, Act: m.Encoder.Config.HiddenAct,
		Eps: 1e-12, Weights: map[string]plain.Matrix{}}
	for _, param := range m.Encoder.Params() {
		var rows plain.Matrix
		for row := range slices.Chunk(tensortest.Widen(m.Encoder.Value(param)), param.Shape[len(param.Shape)-1]) {
			rows = append(rows, row)
		}
		p.Weights[param.Name] = rows
	}
	return p
}

// TestWindowsPlain cuts texts by the rule itself, runs each window in float64, and takes mean and maximum over the tokens that count.
func TestWindowsPlain(t *testing.T) {
	m := tiny(t, 2)
	m.MaxSeqLength = 12
	p := plainOf(m)
	const c = 10 // tokens of the text in a window
	cls, _ := m.Tokenizer.Vocab().ID("[CLS]")
	sep, _ := m.Tokenizer.Vocab().ID("[SEP]")
	for share, stride := range map[float64]int{0: 8, 0.5: 5, 0.9: 1, tokenizer.NoOverlap: 10} {
		m.Windows = tokenizer.Windows{Most: tokenizer.AllWindows, Overlap: share}
		for _, text := range longTexts(4, 60) {
			ids := m.Tokenizer.AppendIDs(nil, text.A)
			type seen struct {
				margin int
				row    []float64
			}
			best := map[int]seen{} // of each token, −1 for [CLS] and len(ids) for [SEP]
			var first []float64    // the sum of all windows' [CLS]
			windows := 0
			for start := 0; start == 0 || start+c-stride < len(ids); start += stride {
				end := min(start+c, len(ids))
				row := []int{int(cls)}
				for _, id := range ids[start:end] {
					row = append(row, int(id))
				}
				row = append(row, int(sep))
				pass := p.Forward(row, make([]int, len(row)), plain.Vector{Kind: "cls", Layer: -1})
				hidden := pass.Stages["layer_1"]
				for i, at := 0, start-1; i < len(row); i, at = i+1, at+1 {
					if i == 0 && start > 0 || i == len(row)-1 && end < len(ids) {
						continue // not the text's own [CLS] or [SEP]
					}
					if s, there := best[at]; !there || min(i, len(row)-1-i) > s.margin {
						best[at] = seen{min(i, len(row)-1-i), hidden[i]}
					}
				}
				for j := range hidden[0] {
					if windows == 0 {
						first = append(first, 0)
					}
					first[j] += hidden[0][j]
				}
				windows++
			}
			want := make([]float64, 3*16) // cls, mean, max
			for j := range 16 {
				want[j], want[32+j] = first[j]/float64(windows), -1e9
				for _, s := range best {
					want[16+j] += s.row[j] / float64(len(ids)+2)
					want[32+j] = max(want[32+j], s.row[j])
				}
			}
			if len(best) != len(ids)+2 {
				t.Fatalf("%d of %d tokens", len(best), len(ids)+2)
			}
			got := features(t, m, m.encode([]Text{text}), "concat:cls,mean,max")
			if diff := tensortest.MaxDiff(t, tensortest.Widen(got.Data), want); !(diff <= 1e-5) { // of values up to 3: float32
				t.Errorf("overlap %v, %d tokens in %d windows: features are off by %.1e", share, len(ids), windows, diff)
			}
		}
	}
}

// A model keeps how it reads long texts, and says nothing where it reads one row of them.
func TestWindowSettings(t *testing.T) {
	for _, c := range []struct {
		windows tokenizer.Windows
		want    string
	}{
		{tokenizer.Windows{}, ""},
		{tokenizer.Windows{Most: 1, Overlap: 0.5}, ""},
		{tokenizer.Windows{Most: tokenizer.AllWindows}, `"all" 0.25`},
		{tokenizer.Windows{Most: 3, Overlap: 0.5}, `"3" 0.5`},
		{tokenizer.Windows{Most: 7, Overlap: tokenizer.NoOverlap}, `"7" 0`},
	} {
		m := tinyWithHead(t, 1, bert.Mean)
		m.MaxSeqLength, m.Windows = 12, c.windows
		dir := saved(t, m)
		text, err := os.ReadFile(filepath.Join(dir, "bertlabel.json"))
		var keys map[string]json.RawMessage
		if err == nil {
			err = json.Unmarshal(text, &keys)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(fmt.Sprintf("%s %s", keys["windows"], keys["window_overlap"])); got != c.want {
			t.Errorf("%+v: bertlabel.json has %s, want %s", c.windows, got, c.want)
		}
		again := open(t, dir, nil)
		a, b := m.encode(longTexts(9, 100)), again.encode(longTexts(9, 100))
		if again.Windows.String() != m.Windows.String() || again.Windows.Several() != m.Windows.Several() ||
			!slices.EqualFunc(a, b, func(a, b tokenizer.Encoding) bool {
				return slices.Equal(a.Windows, b.Windows) && slices.Equal(a.IDs, b.IDs)
			}) {
			t.Errorf("%+v is read as %+v", c.windows, again.Windows)
		}
		_, lengths, err := OpenTokenizer(dir, nil)
		if err != nil || lengths != again.Lengths() {
			t.Errorf("lengths of the folder are %+v, %v", lengths, err)
		}
	}
	for text, want := range map[string]string{`"windows": "0"`: "windows", `"windows": 3`: "windows", `"window_overlap": 0.95`: "window_overlap",
		`"window_overlap": -1`: "window_overlap"} {
		text := `{"format_version": 1, "problem_type": "multi_label_classification", "max_seq_length": 9, "do_lower_case": true,
			"pooling": "mean", ` + text + `}`
		if _, _, err := parseSettings([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The estimate counts the largest pass by its windows, not by its texts: a text of a hundred windows is no pass of its own.
func TestWindowMemory(t *testing.T) {
	m := tiny(t, 1)
	m.threads, m.MaxSeqLength, m.Windows = 1, 20, tokenizer.Windows{Most: tokenizer.AllWindows}
	long := m.encode([]Text{{A: strings.Repeat("the cat ", 2000)}})
	row := m.encode(slices.Repeat([]Text{{A: strings.Repeat("the cat ", 9)}}, len(long[0].Windows)))
	got, want := m.FeaturesMemory(long, 32), m.FeaturesMemory(row, 32)
	if parts := 2 * 4 * len(long[0].Windows) * 32; got > want+parts || got < want/2 {
		t.Errorf("%d bytes for one text of %d windows, %d for as many texts, and %d to join them", got, len(row), want, parts)
	}
}

// windowed returns a model with a head that reads all of a text in rows of 12 tokens.
func windowed(t *testing.T, pooling bert.Pooling) *Model {
	t.Helper()
	m := tinyWithHead(t, 3, pooling)
	m.MaxSeqLength, m.Windows = 12, tokenizer.Windows{Most: tokenizer.AllWindows}
	return m
}

// TestPredictWindows: the predictions are those of Predict, bit for bit, and the shares of the windows add up to them. The passages follow
// each other and cover the text.
func TestPredictWindows(t *testing.T) {
	texts := append(longTexts(12, 60), Text{}, Text{A: "the cat"}, Text{A: "the cat", B: strings.Repeat("sat on the mat ", 9)})
	for _, pooling := range []bert.Pooling{bert.Pooled, bert.CLS, bert.Mean, bert.Max, poolingsOfAll} {
		for _, most := range []int{tokenizer.AllWindows, 2} {
			m := windowed(t, pooling)
			m.Windows.Most = most
			encoded := m.encode(texts)
			want, err := m.PredictEncoded(t.Context(), encoded)
			if err != nil {
				t.Fatal(err)
			}
			got, shares, err := m.PredictWindows(t.Context(), encoded, texts)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range want {
				if !slices.EqualFunc(got[i].Logits, p.Logits, sameBits) || !slices.EqualFunc(got[i].Probabilities, p.Probabilities, sameBits) {
					t.Errorf("%v: text %d has other bits with shares", pooling, i)
				}
				for l, z := range p.Logits {
					sum := 0.0
					for _, s := range shares[i] {
						sum += s.Shares[l]
					}
					if !(math.Abs(sum-float64(z)) <= 1e-5*max(1, math.Abs(float64(z)))) {
						t.Errorf("%v: the shares of text %d add up to %v, the logit is %v", pooling, i, sum, z)
					}
				}
				checkPassages(t, texts[i], &encoded[i], shares[i])
			}
		}
	}
}

// checkPassages: each word of the text that is read stands in one passage, and those of neighbours touch.
func checkPassages(t *testing.T, text Text, e *tokenizer.Encoding, shares []WindowShare) {
	t.Helper()
	tokens, read := 0, ""
	for i, s := range shares {
		tokens += s.Tokens
		if read += " " + text.A[s.Start:s.End]; i > 0 && s.Start <= shares[i-1].End {
			t.Errorf("passage %d begins at %d, the one before it ends at %d", i, s.Start, shares[i-1].End)
		}
	}
	words := strings.Fields(text.A)
	if got := strings.Fields(read); tokens != e.Kept() || len(got) > len(words) || !slices.Equal(got, words[:len(got)]) ||
		e.Cut == 0 && len(got) != len(words) {
		t.Errorf("%d passages of %d tokens have %d of %d words, %d of them counted: %q", len(shares), e.Kept(), len(got), len(words), tokens, read)
	}
}

// TestExplainWindows: integrated gradients of texts of several windows are complete, as TestExplainComplete has it, the windows' shares add
// up to the logit, and gradient × input is the derivative by a word's embedding in all windows that have it.
func TestExplainWindows(t *testing.T) {
	text := Text{A: "my parcel never came and the cat sat on the mat it is broken and it never came 1 2 3 4 5 6 7 8 9 0"}
	for s, steps := range map[string]int{"cls": 64, "mean": 64, "concat:pooled,mean:-2": 64, "concat:mean,max:-1..-2": 512} {
		pooling, err := bert.ParsePooling(s)
		if err != nil {
			t.Fatal(err)
		}
		m := windowed(t, pooling)
		e := newExplainer(t, m)
		for _, x := range explain(t, e, text, ExplainOptions{Steps: steps}, m.Labels...) {
			checkComplete(t, s, &x)
			sum := 0.0
			for _, p := range x.Windows {
				sum += p.Share
			}
			if len(x.Windows) < 3 || len(x.Words) != 28 || !(math.Abs(sum-x.Logit) <= 1e-5*max(1, math.Abs(x.Logit))) {
				t.Errorf("%s: %d words, %d windows whose shares add up to %v, the logit is %v", s, len(x.Words), len(x.Windows), sum, x.Logit)
			}
		}
	}
	m := windowed(t, bert.Mean)
	x := explain(t, newExplainer(t, m), text, ExplainOptions{Method: GradientTimesInput}, m.Labels[2])[0]
	if len(x.Special) != 2*len(x.Windows) {
		t.Errorf("%d markers of %d windows", len(x.Special), len(x.Windows))
	}
	checkDerivatives(t, m, text, &x, 2)
}
