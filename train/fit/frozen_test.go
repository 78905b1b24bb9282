package fit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit/note"
)

// SmallModel returns a small random uncased BERT of so many layers without a head, always the same, that computes on so many threads. Its
// rows have up to 16 tokens.
func SmallModel(t testing.TB, hiddenLayers, threads int) *model.Model {
	t.Helper()
	vocab := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat mat dog big red home blue ran")
	config := bert.DefaultConfig()
	config.VocabSize, config.TypeVocabSize, config.MaxPositionEmbeddings = len(vocab), 2, 16
	config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 16, hiddenLayers, 2, 32
	lower := true
	m, err := model.New(config, []byte(strings.Join(vocab, "\n")), 1, &model.Options{LowerCase: &lower, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 1))
	for _, p := range m.Encoder.Params() {
		for i := range p.Value {
			p.Value[i] += float32(rng.NormFloat64() * 0.2)
		}
	}
	m.Encoder.Pack()
	return m
}

// frozenRows returns n texts of 3 to 40 words: of one row, and of up to three.
func frozenRows(t *testing.T, n int, seed uint64) *data.Dataset {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 9))
	words := strings.Fields("the cat sat mat dog big red home blue ran")
	var b strings.Builder
	b.WriteString("text,cat,red\n")
	for range n {
		text := make([]string, 3+rng.IntN(8)*(1+4*rng.IntN(2)))
		for i := range text {
			text[i] = words[rng.IntN(len(words))]
		}
		fmt.Fprintf(&b, "%s,%d,%d\n", strings.Join(text, " "), min(1, strings.Count(strings.Join(text, " "), "cat")), rng.IntN(2))
	}
	set, err := data.LoadFrom(strings.NewReader(b.String()), fmt.Sprintf("frozen%d.csv", seed), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// runKeeping is Model for a run that trains the encoder and keeps so much of its frozen layers. known is how many training texts the refit
// finds kept, −1 if it does not come to that.
func runKeeping(t *testing.T, k keeping, threads int, rows *data.Dataset, o Options) (m *model.Model, result Result, known int) {
	t.Helper()
	m, known = SmallModel(t, 3, threads), -1
	var r *run
	o.Observer.Work = func(w Work) {
		if w.Name == "features of "+rows.File && known < 0 {
			known = r.frozen.Known()
		}
	}
	r, err := newRun(m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r.cancel, r.watch.cancel, m.Windows = cancel, cancel, o.windows(m)
	lock, err := r.enter()
	if err != nil {
		t.Fatal(err)
	}
	if lock != nil {
		defer lock.Release()
	}
	if err := r.encode(); err != nil {
		t.Fatal(err)
	}
	e := r.newEncoderRun(r.newHead(r.width, rows.Y, rows.Shares))
	if _, err := e.settleMemory(); err != nil {
		t.Fatal(err)
	}
	schedule, _ := r.config.Schedule(rows.Rows())
	e.keep(k, schedule.Steps)
	if err := e.fit(ctx); err != nil && r.o.Observer.Step == nil {
		t.Fatal(err)
	}
	if r.frozen != nil || k < keepAll && r.frozenDev != nil {
		t.Error("states are still held at the end, or were never to be kept")
	}
	return m, r.result, known
}

// frozenSteps is a run of n steps of 5 texts, judged after each fourth.
func frozenSteps(n int) *train.Config {
	c := train.DefaultConfig()
	c.BatchSize, c.MaxSteps, c.LearningRate, c.Optimizer, c.EvalSteps = 5, n, 3e-3, train.AdamW, 4
	return &c
}

// A run that keeps what frozen layers give, for Dev and for the refit, ends with the bits of one that keeps nothing: with one and two of
// three layers trained, windows, low precisions, poolings of the head and the refit, on any number of threads, and with fewer steps than
// one epoch has, or as many, or more. The refit then finds every text that was trained on.
func TestKeepingBits(t *testing.T) {
	rows, dev := frozenRows(t, 40, 1), frozenRows(t, 24, 2)
	base := Options{Dev: dev, Tune: Last(1), Pooling: bert.Mean, Refit: LDA, Config: frozenSteps(13), Tuning: Tuning{Thresholds: Guarded}}
	for name, c := range map[string]struct {
		change func(*Options)
		known  int
	}{
		"mean":       {func(*Options) {}, 40},
		"windows":    {func(o *Options) { o.Windows = tokenizer.AllWindows }, 40},
		"cls":        {func(o *Options) { o.Pooling, o.RefitPooling, o.Refit = bert.CLS, "concat:cls:-1..-4,max:-3", LBFGS }, 40},
		"pooled":     {func(o *Options) { o.Pooling, o.Tune = bert.Pooled, Last(2) }, 40},
		"bf16":       {func(o *Options) { o.Precision, o.Windows = bert.BF16, 2 }, 40},
		"int8":       {func(o *Options) { o.Precision = bert.Int8 }, 40},
		"one epoch":  {func(o *Options) { o.Config = frozenSteps(8) }, 40},
		"part of it": {func(o *Options) { o.Config = frozenSteps(7) }, 0},
		"a folder":   {func(o *Options) { o.Folder = Folder{Path: filepath.Join(t.TempDir(), "run")} }, 40},
		"no refit":   {func(o *Options) { o.Refit = Gradient }, -1},
		"all layers": {func(o *Options) { o.Tune = All }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := base
			c.change(&o)
			want, plain, known := runKeeping(t, keepNothing, 1, rows, o)
			if known > 0 {
				t.Errorf("%d texts are known where nothing is kept", known)
			}
			for _, k := range []keeping{keepStates, keepAll} {
				if o.Folder.Path != "" {
					o.Folder.Path = filepath.Join(t.TempDir(), "again")
				}
				m, result, known := runKeeping(t, k, 2+int(k), rows, o)
				if k == keepAll && known != c.known || k == keepStates && known > 0 {
					t.Errorf("keeping %d: %d texts are known to the refit, want %d with all", k, known, c.known)
				}
				if !slices.Equal(bitsOf(m), bitsOf(want)) || !slices.Equal(result.Scores, plain.Scores) || m.Pooling != want.Pooling {
					t.Errorf("keeping %d: other bits", k)
				}
			}
		})
	}
}

// A run that was stopped in its second epoch and goes on knows the texts that it draws then: the refit runs the others through all layers,
// and comes to the same bits.
func TestKeepingResumed(t *testing.T) {
	rows, dev := frozenRows(t, 40, 1), frozenRows(t, 24, 2)
	for _, windows := range []int{1, tokenizer.AllWindows} {
		o := Options{Dev: dev, Tune: Last(1), Pooling: bert.Mean, Refit: LDA, Config: frozenSteps(13), Windows: windows}
		want, _, _ := runKeeping(t, keepAll, 2, rows, o)
		o.Folder = Folder{Path: filepath.Join(t.TempDir(), "run"), Resume: true}
		o.Observer.Step = func(p train.Progress) error {
			if p.Step == 9 {
				return errors.New("enough")
			}
			return nil
		}
		if _, _, known := runKeeping(t, keepAll, 2, rows, o); known != -1 {
			t.Fatal("the run was not stopped")
		}
		o.Observer.Step = nil
		m, _, known := runKeeping(t, keepAll, 2, rows, o)
		if known < 10 || known >= 40 || !slices.Equal(bitsOf(m), bitsOf(want)) {
			t.Errorf("windows %d: %d texts are known after four of eight steps of an epoch; equal bits: %t", windows, known,
				slices.Equal(bitsOf(m), bitsOf(want)))
		}
	}
}

// bitsOf returns all weights of a model, and its thresholds.
func bitsOf(m *model.Model) (all []float32) {
	for _, v := range m.Tensors() {
		for _, b := range v.Bytes {
			all = append(all, float32(b))
		}
	}
	return append(all, m.Thresholds...)
}

// What is kept is counted, and a budget that has no room for it gets less of it, and is told so.
func TestKeepingMemory(t *testing.T) {
	rows, dev, m := frozenRows(t, 3000, 1), frozenRows(t, 2000, 2), SmallModel(t, 3, 1)
	var told []note.NoRoom
	o := Options{Dev: dev, Tune: Last(1), Pooling: bert.Mean, Refit: LDA, RefitPooling: "max:-3", Windows: tokenizer.AllWindows,
		Config: frozenSteps(1300)} // states that are larger than what the solver takes
	o.Observer.Note = func(n Note) {
		if n, ok := n.(note.NoRoom); ok {
			told = append(told, n)
		}
	}
	r, err := newRun(m, rows, o)
	if m.Windows = o.windows(m); err == nil {
		err = r.encode()
	}
	if err != nil {
		t.Fatal(err)
	}
	e := r.newEncoderRun(r.newHead(r.width, rows.Y, nil))
	tokens, devTokens := countTokens(r.texts), countTokens(r.devTexts)
	var need [keepAll + 1]train.Memory
	for k := range need {
		e.keep(keeping(k), 1300)
		if need[k], err = e.memory(); err != nil {
			t.Fatal(err)
		}
		states := []int{0, 4 * 16 * tokens, 4 * 16 * (tokens + devTokens)}[k]
		if need[k].Frozen != states || e.task.KeepFrozen != (k > 0) {
			t.Errorf("keeping %d: states of %d bytes, want %d", k, need[k].Frozen, states)
		}
	}
	if features := 4 * 5000 * r.refitWidth; r.refitWidth != 32 || need[keepAll].Features < features {
		t.Errorf("features of %d bytes, want at least %d", need[keepAll].Features, features)
	}
	for k, want := range [][]note.NoRoom{{{Bytes: need[1].Frozen, Steps: true}}, {{Bytes: need[2].Frozen}}, nil} {
		if told, r.o.MaxMemory = nil, int64(need[k].Total()); k < int(keepAll) && need[k+1].Total() <= need[k].Total() {
			t.Fatalf("keeping %d takes %d, more of it %d", k, need[k].Total(), need[k+1].Total())
		}
		if k < int(keepAll) {
			r.o.MaxMemory = int64(need[k].Total()+need[k+1].Total()) / 2
		} else {
			r.o.MaxMemory += 1 << 26
		}
		got, err := e.settleMemory()
		if err != nil || got.Frozen != need[k].Frozen || !slices.Equal(told, want) {
			t.Errorf("room for %d: states of %d bytes, want %d; told %v, want %v; %v", k, got.Frozen, need[k].Frozen, told, want, err)
		}
	}
}
