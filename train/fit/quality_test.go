package fit_test

import (
	"math"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/tensor/tensortest"
	"bertlabel/train/data"
	"bertlabel/train/fit"
)

// What a slice of ValueEval and MiniLM-L6 come to, by a frozen head and by 60 steps of recipe best without its refit: a change that costs
// quality shows here. The slice is small, so the figures say nothing about the recipes themselves.
func TestQualitySlice(t *testing.T) {
	if testing.Short() {
		t.Skip("trains MiniLM-L6")
	}
	weights, dir := tensortest.Shared(t, "models/minilm-l6-uncased"), tensortest.Shared(t, "data/valueeval2023")
	train, err := data.Load(dir+"/train.csv", data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dev, err := data.Load(dir+"/dev.csv", data.Options{Labels: train.Labels})
	if err != nil {
		t.Fatal(err)
	}
	train, dev = spread(train, 480), spread(dev, 240)
	frozen := fit.Options{Pooling: bert.Mean, Solver: fit.LDA}
	tuned, err := fit.Recipe(fit.Best, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tuned.Config.BatchSize, tuned.Config.MaxSteps, tuned.Refit = 8, 60, fit.Gradient
	for _, c := range []struct {
		name        string
		options     fit.Options
		mAP, rocAUC float64
	}{
		{"frozen head", frozen, 0.3618, 0.7104},
		{"60 steps of last:2", tuned, 0.2747, 0.6436},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := model.Open(weights, &model.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			m.MaxSeqLength, c.options.Dev = 48, dev
			result, err := fit.Model(t.Context(), m, train, c.options)
			if err != nil {
				t.Fatal(err)
			}
			got := result.Dev
			if !near(float64(got.AveragePrecisionMacro), c.mAP) || !near(float64(got.ROCAUCMacro), c.rocAUC) {
				t.Errorf("average_precision_macro %.4f, roc_auc_macro %.4f, want %.4f and %.4f", got.AveragePrecisionMacro,
					got.ROCAUCMacro, c.mAP, c.rocAUC)
			}
		})
	}
}

// near allows what kernels that round otherwise, and orders that change by it, may move a figure on 240 rows.
func near(got, want float64) bool { return math.Abs(got-want) <= 0.005 }

// spread returns n rows, evenly spaced.
func spread(set *data.Dataset, n int) *data.Dataset {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i * set.Rows() / n
	}
	return set.Select(rows)
}
