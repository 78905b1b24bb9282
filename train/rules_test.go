package train

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/asm"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train/metrics"
)

// scripted is a model of one parameter whose gradient is 3 in every step, and whose loss is NaN in some.
type scripted struct {
	param   *tensor.Param
	squares float64 // in place of the gradient's, added up until they are asked for
	bad     func(first uint64) bool
}

func newScripted() *scripted {
	p := tensor.NewParam("kernel", 1)
	p.Value, p.Grad = make([]float32, 1), make([]float32, 1)
	return &scripted{param: p, bad: func(uint64) bool { return false }}
}

func (s *scripted) Params() []*tensor.Param { return []*tensor.Param{s.param} }

func (s *scripted) AddGradient(b Batch) (float64, error) {
	s.param.Grad[0] += 3
	s.squares += 25
	if s.bad(b.First) {
		return math.NaN(), nil
	}
	return 1, nil
}

func (s *scripted) SparseSquares() map[string]float64 {
	squares := s.squares
	s.squares = 0
	return map[string]float64{"kernel": squares}
}

// TestJudge: which evaluations are the best so far, by metrics of both directions, undefined ones among them, and when the run ends early.
func TestJudge(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		metric   string
		patience int
		dev      []float64
		best     []int64 // steps
		ends     int64
	}{
		{"f1_macro", 2, []float64{0.5, 0.4, 0.6, 0.6, 0.55, 0.9}, []int64{1, 3}, 5},
		{"f1_macro", 2, []float64{0.5, 0.4, 0.6, 0.5, 0.7, 0.6}, []int64{1, 3, 5}, 6},
		{"f1_macro", 0, []float64{0.5, 0.4, 0.3, 0.2, 0.1, 0.6}, []int64{1, 6}, 6},
		{"f1_macro", 3, []float64{nan, nan, 0, nan, -1, 0.1}, []int64{3, 6}, 6},
		{"f1_macro", 2, []float64{nan, nan, 1, 1, 1, 1}, nil, 2},
		{"log_loss", 2, []float64{0.5, 0.6, 0.4, 0.4, 0.45, 0.1}, []int64{1, 3}, 5},
		{"log_loss", 2, []float64{0.5, 0.4, 0.3, 0.2, 0.1, 0.6}, []int64{1, 2, 3, 4, 5}, 6},
	} {
		config := DefaultConfig()
		config.BatchSize, config.MaxSteps, config.EvalSteps, config.EarlyStopping, config.BestMetric = 2, len(c.dev), 1, c.patience, c.metric
		loop, err := NewLoop(config, newScripted(), 5, make([]int8, 5), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var best []int64
		ends := int64(0)
		loop.Evaluate = func(context.Context) (*metrics.Report, error) {
			v := metrics.Number(c.dev[loop.State().Step-1])
			return &metrics.Report{Summary: metrics.Summary{F1Macro: v, LogLoss: v}}, nil
		}
		loop.Observe = func(p Progress) error {
			if p.Best {
				best = append(best, p.Step)
			}
			if p.Last {
				ends = p.Step
			}
			return nil
		}
		if err := loop.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := loop.State()
		if !slices.Equal(best, c.best) || ends != c.ends || s.Step != c.ends ||
			len(best) > 0 && (s.BestStep != best[len(best)-1] || s.Best != c.dev[s.BestStep-1]) {
			t.Errorf("%+v: best at %v, ended at %d, state %+v", c, best, ends, s)
		}
	}
}

// TestFirstIsBest: the weights of the very first step come back, too.
func TestFirstIsBest(t *testing.T) {
	task := newTask(5, 80, 6, 3)
	task.Config.BestMetric, task.Config.EvalSteps, task.Config.LearningRate, task.Config.WarmupProportion = "log_loss", 1, 100, 0.1
	want := slices.Clone(task.Classifier.Weights.Value) // the first step has rate 0
	state, err := TrainHead(t.Context(), task)
	if err != nil || state.BestStep != 1 || !slices.Equal(task.Classifier.Weights.Value, want) {
		t.Errorf("%+v, %v: weights of the best step %t", state, err, slices.Equal(task.Classifier.Weights.Value, want))
	}
}

// TestForgetsLeftOut: the squares of a step that is left out are not those of the next.
func TestForgetsLeftOut(t *testing.T) {
	config := DefaultConfig()
	config.BatchSize, config.MaxSteps, config.OnNaN = 2, 6, SkipOnNaN
	model := newScripted()
	model.bad = func(first uint64) bool { return first == 4 || first == 6 }
	loop, err := NewLoop(config, model, 5, make([]int8, 5), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	loop.Observe = func(p Progress) error {
		if bad := p.Step == 3 || p.Step == 4; bad != (p.LeftOut != "") || !bad && (p.GradNorm != 5 || p.Loss != 1) {
			t.Errorf("%+v", p)
		}
		return nil
	}
	if err := loop.Run(t.Context()); err != nil || loop.State().LeftOut != 2 || loop.State().LeftOutInARow != 0 {
		t.Errorf("%+v, %v", loop.State(), err)
	}
}

// TestSaveSteps: checkpoints are written every so many steps and at the end, whether that is one of these or not.
func TestSaveSteps(t *testing.T) {
	for every, want := range map[int][]int64{0: {40}, 7: {7, 14, 21, 28, 35, 40}, 20: {20, 40}, 100: {40}} {
		s := newSmallRun(t, filepath.Join(t.TempDir(), "checkpoints"), nil, 1)
		s.SaveSteps, s.Checkpoints.Keep = every, 100
		if err := s.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		steps, err := s.Checkpoints.steps()
		if err != nil || !slices.Equal(steps, want) {
			t.Errorf("every %d steps: checkpoints %v, %v, want %v", every, steps, err, want)
		}
	}
}

// TestManifestStep: a checkpoint whose manifest has another step than its folder is passed over.
func TestManifestStep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoints")
	s := newSmallRun(t, dir, nil, 1)
	if err := s.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ckpt-000040", "MANIFEST.json")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"step": 40`) {
		t.Fatal(string(text), err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"step": 40`, `"step": 35`, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	s.Checkpoints.Warn = func(text string) { warnings = append(warnings, text) }
	saved, err := s.Checkpoints.Newest()
	const want = "step is 40, and 35 in MANIFEST.json, want 40"
	if err != nil || saved.State.Step != 35 || len(warnings) != 1 || !strings.Contains(warnings[0], want) {
		t.Errorf("%+v, %v, warnings %q", saved, err, warnings)
	}
}

// TestReadVariables: what a checkpoint lacks or has in another shape is listed, all of it.
func TestReadVariables(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoints")
	s := newSmallRun(t, dir, nil, 1)
	if err := s.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := newSmallRun(t, dir, nil, 1)
	other.head.Weights.Shape = []int{6, 2} // as many elements
	other.head.Bias.Name = "other_bias"
	err := other.read(40)
	for _, want := range []string{`tensor "output_weights": shape [2 6], want [6 2]`, `tensor "other_bias" is missing`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestFeatureKeyOf: a key is the SHA-256 of what its comment says, the kernel set among it.
func TestFeatureKeyOf(t *testing.T) {
	text := fmt.Sprintf("20:bertlabel features 1%d:%s1:a0:", len(asm.Best.Name), asm.Best.Name)
	if got := NewFeatureKey("a", ""); got != sha256.Sum256([]byte(text)) {
		t.Errorf("key %x is not that of %q", got, text)
	}
}

// TestHashTokens: the same ids as one row, or in windows that differ in one number, are other texts.
func TestHashTokens(t *testing.T) {
	seen := map[[sha256.Size]byte]bool{}
	for change := range 5 {
		e := tokenizer.Encoding{IDs: []int32{1, 2, 3, 4, 1, 3, 4, 5}, Segments: make([]int32, 8),
			Windows: []tokenizer.Window{{Start: 0, End: 4, KeptStart: 0, KeptEnd: 3}, {Start: 4, End: 8, KeptStart: 5, KeptEnd: 8}}}
		switch change {
		case 1:
			e.Windows = nil
		case 2:
			e.Windows[0].KeptEnd = 2
		case 3:
			e.Windows[1].KeptStart = 6
		case 4:
			e.Windows[0].End, e.Windows[1].Start = 3, 3
		}
		hash := HashTokens([]tokenizer.Encoding{e})
		if seen[hash] {
			t.Errorf("%v has the hash of others", e.Windows)
		}
		seen[hash] = true
	}
}

// TestHeadInputGradient: the gradient by the features goes through their dropout, by the same masks.
func TestHeadInputGradient(t *testing.T) {
	task := newTask(3, 12, 6, 2)
	task.Config.Dropout, task.Config.Seed = 0.5, 4
	h := newHead(task)
	for _, p := range h.Params() {
		p.Grad = make([]float32, p.Size())
	}
	b := Batch{Rows: []int{3, 0, 7}, Labels: []int8{1, 0, 0, 1, 1, 1}, Cells: 6, First: 1 << 34}
	if _, err := h.AddGradient(b); err != nil {
		t.Fatal(err)
	}
	dropout := layers.NewDropout(0.5, 4, 0)
	want, got := tensor.New(3, 6), tensor.New(3, 6)
	h.classifier.BackwardInput(want, &h.dlogits)
	for i := range 3 {
		dropout.Row(want.Row(i), want.Row(i), layers.Place{Example: 1<<34 + uint64(i)})
	}
	if h.inputGradient(got); !slices.Equal(got.Data, want.Data) || !slices.Contains(got.Data, 0) {
		t.Errorf("gradient %v, want %v", got.Data, want.Data)
	}
}
