package fit_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"
	"bertlabel/train/score"
)

// noisyOr are options of a run whose head reads windows.
func noisyOr(o fit.Options) fit.Options {
	o.Pooling, o.Windows, o.WindowPooling = bert.Mean, tokenizer.AllWindows, model.NoisyOr
	return o
}

// fitted returns a new model that was trained.
func fitted(t *testing.T, rows *data.Dataset, o fit.Options) (*model.Model, *fit.Result) {
	t.Helper()
	m := newModel(t)
	result, err := fit.Model(t.Context(), m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, result
}

// TestNoisyOrLearns: head and layers that read windows by noisy-or learn labels that stand anywhere; what dev says of them is what
// prediction says of its texts, with thresholds and a calibration that are of texts.
func TestNoisyOrLearns(t *testing.T) {
	rows, dev := newDocuments(t, 160, 1), newDocuments(t, 120, 2)
	config := train.DefaultConfig()
	config.Optimizer, config.LearningRate, config.Epochs, config.BatchSize = train.AdamW, 5e-3, 6, 8
	head := train.DefaultHeadConfig()
	head.Epochs, head.BatchSize = 40, 8
	for name, o := range map[string]fit.Options{
		"head":   {Config: &head},
		"last:1": {Tune: fit.Last(1), Config: &config},
		"all":    {Tune: fit.All, Config: &config},
	} {
		o = noisyOr(o)
		o.Dev, o.Tuning = dev, fit.Tuning{Calibrate: fit.Platt, Thresholds: fit.Guarded}
		m, result := fitted(t, rows, o)
		if p := result.Dev.AveragePrecisionMacro; !(p > 0.75) || m.WindowPooling != model.NoisyOr { // half of the documents have a label
			t.Errorf("%s: average precision %.3f, window pooling %s", name, p, m.WindowPooling)
		}
		if len(m.Calibration) != 2 || m.Calibration[0].Slope == 0 || result.Record.WindowPooling != "noisy-or" {
			t.Errorf("%s: calibration %v, record %+v", name, m.Calibration, result.Record)
		}
		p, err := score.Probabilities(t.Context(), m, dev, nil, nil)
		if err != nil || !slices.Equal(p.Data, result.Scores) {
			t.Errorf("%s: dev was judged by other scores than prediction gives, %v", name, err)
		}
	}
}

// TestNoisyOrBits: texts of one row train the same model by noisy-or as by features, bit for bit; and long ones have the same bits on any
// number of threads, and with the cache.
func TestNoisyOrBits(t *testing.T) {
	short, long, dev := newRows(t, 40, 1), newDocuments(t, 24, 1), newDocuments(t, 20, 2)
	cache := t.TempDir()
	for name, o := range map[string]fit.Options{
		"head":   {Config: headSteps()},
		"last:1": {Tune: fit.Last(1), Config: steps(9)},
	} {
		o.Pooling, o.Windows = bert.Mean, tokenizer.AllWindows
		features, _ := fitted(t, short, o)
		o = noisyOr(o)
		m, _ := fitted(t, short, o)
		same(t, name+", texts of one row by noisy-or", features, m)
		o.Dev = dev
		want, judged := fitted(t, long, o)
		m = newModel(t)
		m.SetThreads(3)
		if o.Tune == fit.Head {
			o.Cache = cache
		}
		for range 2 { // the second from the cache
			result, err := fit.Model(t.Context(), m, long, o)
			if err != nil {
				t.Fatal(err)
			}
			if o.Tune != fit.Head {
				same(t, name+" on three threads", want, m)
				break
			}
			if !slices.Equal(result.Scores, judged.Scores) {
				t.Errorf("%s: other scores on three threads or from the cache", name)
			}
			m.Head, m.Labels = nil, nil
		}
	}
}

// TestNoisyOrStart: a new head says of a document of as many windows as there are on average what it says of one window without them: 0, or
// the log-odds of the labels.
func TestNoisyOrStart(t *testing.T) {
	rows := newDocuments(t, 60, 1)
	for _, logOdds := range []bool{false, true} {
		c := headSteps()
		c.MaxSteps, c.LearningRate = 1, 1e-30 // the step changes nothing
		m, _ := fitted(t, rows, noisyOr(fit.Options{Config: c, LogOddsBias: logOdds}))
		windows := 0
		texts := m.Encode(rows.Texts, nil)
		for i := range texts {
			windows += texts[i].Sequences()
		}
		want := layers.ZeroClassifier(2, 1)
		if logOdds {
			train.LogOddsBias(want, rows.Y, nil)
		}
		mean := float64(windows) / float64(len(texts))
		for l, b := range m.Head.Bias.Value {
			z := math.Log(math.Expm1(mean * math.Log1p(math.Exp(float64(b)))))  // Σ softplus over so many windows
			if !(math.Abs(z-float64(want.Bias.Value[l])) <= 1e-6) || mean < 2 { // a bias of about 1 in float32, 2⁻²⁴, times some windows
				t.Errorf("label %d: %.1f windows start at %v, want %v", l, mean, z, want.Bias.Value[l])
			}
		}
	}
}

// TestNoisyOrResume: a run goes on where it was stopped, before its end and after it, with its calibration; by features it is another run.
func TestNoisyOrResume(t *testing.T) {
	rows, dev := newDocuments(t, 24, 1), newDocuments(t, 30, 2)
	o := noisyOr(fit.Options{Tune: fit.Last(1), Config: steps(8), Dev: dev, Tuning: fit.Tuning{Calibrate: fit.Temperature}})
	want, judged := fitted(t, rows, o)
	stop := errors.New("enough")
	o.Folder = fit.Folder{Path: filepath.Join(t.TempDir(), "m"), SaveSteps: 2, Resume: true}
	o.Observer.Step = func(p train.Progress) error {
		if p.Step == 5 {
			return stop
		}
		return nil
	}
	if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	o.Observer.Step = nil
	other := o
	other.WindowPooling = model.PoolFeatures
	var changed *train.ChangedError
	if _, err := fit.Model(t.Context(), newModel(t), rows, other); !errors.As(err, &changed) ||
		!strings.Contains(err.Error(), "window_pooling was") {
		t.Errorf("by features: %v", err)
	}
	for range 2 { // the second finds it finished
		m, result := fitted(t, rows, o)
		same(t, "resumed", want, m)
		if !slices.Equal(m.Calibration, want.Calibration) || m.Calibration == nil || !slices.Equal(result.Scores, judged.Scores) {
			t.Errorf("calibration %v, want %v", m.Calibration, want.Calibration)
		}
	}
	again, err := model.Open(o.Folder.Path, nil)
	if err != nil || again.WindowPooling != model.NoisyOr || !slices.Equal(again.Calibration, want.Calibration) {
		t.Errorf("the folder: %v, %v", again, err)
	}
}

// TestNoisyOrElsewhere: folds; a second stage and new labels, which take the model's way of reading and leave the other labels alone;
// thresholds of a finished model; and the estimate, which counts windows.
func TestNoisyOrElsewhere(t *testing.T) {
	rows, dev := newDocuments(t, 120, 1), newDocuments(t, 100, 2)
	animal, err := rows.Columns("animal")
	if err != nil {
		t.Fatal(err)
	}
	config := train.DefaultHeadConfig()
	config.Epochs, config.BatchSize = 30, 8
	m, result := fitted(t, animal, noisyOr(fit.Options{Folds: 3, Config: &config}))
	if p := result.Folds.Report.AveragePrecisionMacro; !(p > 0.7) {
		t.Errorf("folds: average precision %.3f", p)
	}
	colour, _ := rows.Columns("colour")
	devColour, _ := dev.Columns("colour")
	o := fit.Options{Dev: devColour, Config: &config, Tuning: fit.Tuning{Calibrate: fit.Platt, Thresholds: fit.Global}}
	added, err := fit.Outputs(t.Context(), m, colour, o)
	if err != nil || added[0].Calibration.Slope == 0 {
		t.Fatal(added, err)
	}
	before, err := score.Run(t.Context(), m, dev, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.SetOutputs(append(m.Outputs(), added...))
	after, err := score.Run(t.Context(), m, dev, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range before.Logits.Rows {
		if before.Logits.Row(i)[0] != after.Logits.Row(i)[0] {
			t.Fatalf("row %d: the new label moved the old one's logit", i)
		}
	}
	report, err := score.Evaluate(t.Context(), m, dev, nil)
	if err != nil || !(report.PerLabel[1].AveragePrecision > 0.7) {
		t.Errorf("the added label: %+v, %v", report.PerLabel[1], err)
	}
	checkRetune(t, m, dev)
	start := slices.Clone(m.Head.Weights.Value)
	c := headSteps()
	c.LearningRate, c.MaxSteps = 1e-30, 1
	if _, err := fit.Model(t.Context(), m, rows, fit.Options{Pooling: bert.Mean, Config: c}); err != nil || m.WindowPooling != model.NoisyOr ||
		!slices.Equal(m.Head.Weights.Value, start) {
		t.Errorf("a second stage reads by %s, %v", m.WindowPooling, err)
	}
	for name, tune := range map[string]fit.Tune{"head": fit.Head, "last:1": fit.Last(1)} {
		bytes := func(o fit.Options) int {
			of := newModel(t)
			p, err := fit.Plan(of, rows, o)
			if err != nil || of.WindowPooling != "" {
				t.Fatal(err)
			}
			return p.Memory.Features + p.Memory.Head
		}
		o := fit.Options{Tune: tune, Pooling: bert.Mean, Windows: tokenizer.AllWindows}
		if features, windows := bytes(o), bytes(noisyOr(o)); !(windows > features) {
			t.Errorf("%s: %d bytes by noisy-or, %d by features", name, windows, features)
		}
	}
}

// checkRetune calibrates a finished model once more: the logits of texts change as the lines say.
func checkRetune(t *testing.T, m *model.Model, dev *data.Dataset) {
	t.Helper()
	logits := func() *tensor.Tensor {
		run, err := score.Run(t.Context(), m, dev, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return run.Logits
	}
	plain := m.Calibration
	m.Calibration = nil
	raw := logits()
	m.Calibration = plain
	result, err := fit.Retune(t.Context(), m, dev, fit.Options{Tuning: fit.Tuning{Calibrate: fit.Platt, Thresholds: fit.PerLabel}})
	if err != nil || result.Dev.Rows != dev.Rows() {
		t.Fatal(err)
	}
	for i, z := range logits().Data {
		c := m.Calibration[i%2]
		if want := c.Slope*float64(raw.Data[i]) + c.Intercept; !(math.Abs(float64(z)-want) <= 1e-5*max(1, math.Abs(want))) { // raw is float32
			t.Errorf("logit %d is %v, by the calibration %v", i, z, want)
		}
	}
}

// TestNoisyOrRefused: exact heads fit whole texts, one window has nothing to join, and a model's way of reading is its own.
func TestNoisyOrRefused(t *testing.T) {
	rows, dev := newDocuments(t, 30, 1), newDocuments(t, 20, 2)
	for want, o := range map[string]fit.Options{
		"`solver` lda":         noisyOr(fit.Options{Solver: fit.LDA, Dev: dev}),
		"`solver` lbfgs":       noisyOr(fit.Options{Solver: fit.LBFGS}),
		"`refit` lda":          noisyOr(fit.Options{Tune: fit.Last(1), Refit: fit.LDA, Dev: dev}),
		"give `windows` all":   {Windows: 1, WindowPooling: model.NoisyOr},
		"features or noisy-or": {WindowPooling: "mean"},
	} {
		var refused *fit.OptionError
		if _, err := fit.Model(t.Context(), newModel(t), rows, o); !errors.As(err, &refused) || refused.Option != "window_pooling" ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	m, _ := fitted(t, rows, noisyOr(fit.Options{Config: headSteps()}))
	for want, o := range map[string]fit.Options{
		"is that of the model's head":             {WindowPooling: model.PoolFeatures},
		"is for exact heads":                      {L2: 1},
		"noisy-or has no exact head, as `solver`": {Solver: fit.LDA, Dev: dev},
		"as `solver` lda":                         {Solver: fit.LDA, Dev: dev, Windows: 1},
	} {
		var refused *fit.OptionError
		if _, err := fit.Outputs(t.Context(), m, rows, o); !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("new labels, want %q: %v", want, err)
		}
	}
	stop := errors.New("enough")
	o := noisyOr(fit.Options{Config: headSteps(), Observer: fit.Observer{Step: func(train.Progress) error { return stop }}})
	fresh := newModel(t)
	if _, err := fit.Model(t.Context(), fresh, rows, o); !errors.Is(err, stop) || fresh.WindowPooling != "" {
		t.Errorf("%v, and the model reads by %s", err, fresh.WindowPooling)
	}
}
