package fit

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit/note"
	"bertlabel/train/metrics"
	"bertlabel/train/record"
)

// AutoPoolings proposes what a model has, never wider than can be solved, and something for every model.
func TestAutoPoolings(t *testing.T) {
	for _, c := range []struct {
		layers, hidden int
		pooler         bool
		want           string
	}{
		{2, 8, true, "pooled cls mean concat:cls,mean mean:-1..-2 mean:-1..-3 concat:mean:-1..-3,max:-1..-3"},
		{1, 8, false, "cls mean concat:cls,mean mean:-1..-2 concat:mean:-1..-2,max:-1..-2"},
		{4, 3072, false, "cls mean concat:cls,mean concat:mean,mean:-4 concat:mean,max"},
		{1, 6400, true, "mean"},
	} {
		config := bert.DefaultConfig()
		config.VocabSize, config.HiddenSize, config.NumHiddenLayers, config.NumAttentionHeads, config.IntermediateSize = 9, c.hidden,
			c.layers, 1, 8
		encoder, err := bert.New(config)
		if err != nil {
			t.Fatal(err)
		}
		if !c.pooler {
			encoder.DropPooler()
		}
		if got := strings.Trim(fmt.Sprint(AutoPoolings(&model.Model{Encoder: encoder})), "[]"); got != c.want {
			t.Errorf("%d × %d: %s, want %s", c.layers, c.hidden, got, c.want)
		}
	}
	if AutoPoolings(nil) != nil {
		t.Error("poolings of no model")
	}
}

// newTestRun returns a run on two labels of a model of width 2, whose own head, on the mean, has the given labels.
func newTestRun(t *testing.T, own ...string) (*run, *[]Note) {
	t.Helper()
	labels, err := data.NewLabelList([]string{"a", "b"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	notes := &[]Note{}
	o := &Options{Observer: Observer{Note: func(n Note) { *notes = append(*notes, n) }}}
	r := &run{m: &model.Model{}, o: o, config: o.config(), labels: labels.Names(), watch: &watcher{o: o.Observer},
		rows: &data.Dataset{Labels: labels, Y: []int8{1, 0, 1, 0, 1, 1, 1, 0}}}
	if own != nil {
		head := layers.NewClassifier(len(own), 2)
		for i := range own {
			head.Weights.Value = append(head.Weights.Value, float32(10*i), float32(10*i+1))
			head.Bias.Value = append(head.Bias.Value, float32(i))
		}
		r.m.Head, r.m.Labels, r.m.Pooling = head, own, bert.Mean
	}
	return r, notes
}

// Training starts from the model's own head where that is for the same labels and features, in the order of the run, as a copy.
func TestStartHead(t *testing.T) {
	for _, c := range []struct {
		what    string
		own     []string
		unnamed bool
		pooling bert.Pooling
		want    []float32 // nil: a new head
	}{
		{"the same", []string{"a", "b"}, false, bert.Mean, []float32{0, 1, 10, 11}},
		{"another order", []string{"b", "a"}, false, bert.Mean, []float32{10, 11, 0, 1}},
		{"no names", []string{"label_0", "label_1"}, true, bert.Mean, []float32{0, 1, 10, 11}},
		{"other labels", []string{"a", "c"}, false, bert.Mean, nil},
		{"one more", []string{"a", "b", "c"}, false, bert.Mean, nil},
		{"other features", []string{"a", "b"}, false, bert.CLS, nil},
		{"no head", nil, false, bert.Mean, nil},
	} {
		r, notes := newTestRun(t, c.own...)
		r.m.Unnamed = c.unnamed
		head := r.startHead(c.pooling, 2)
		if own := slices.Equal(head.Weights.Value, c.want); own != (c.want != nil) || own && r.m.Head.Weights == head.Weights {
			t.Errorf("%s: weights %v, want %v", c.what, head.Weights.Value, c.want)
		}
		if want := c.own != nil; (len(*notes) == 1) != want || want && (*notes)[0] != Note(note.FromHead{Own: c.want != nil}) {
			t.Errorf("%s: notes %v", c.what, *notes)
		}
	}
	r, _ := newTestRun(t)
	if head := r.startHead(bert.Mean, 2); head.Bias.Value[0] != 0 || !(math.Abs(float64(head.Weights.Value[0])) <= 0.04) {
		t.Errorf("a new head: %v, %v", head.Weights.Value, head.Bias.Value)
	}
	r.o.LogOddsBias = true // a: 4 of 4, b: 1 of 4
	if head := r.startHead(bert.Mean, 2); head.Bias.Value[0] != float32(math.Log(4.5/0.5)) ||
		head.Bias.Value[1] != float32(math.Log(1.5/3.5)) {
		t.Errorf("log-odds: %v", head.Bias.Value)
	}
}

// A record keeps what it does not know, and comes back as it was; a model that nothing is said of gets its changes only.
func TestRecord(t *testing.T) {
	m := &model.Model{}
	if r, err := RecordOf(m); err != nil || r.Tune != "" {
		t.Errorf("%+v, %v", r, err)
	}
	r := Record{Changes: []record.LabelChange{{Action: "drop", Names: []string{"a"}}}}
	if text, err := json.Marshal(r); err != nil || string(text) != `{"label_changes":[{"action":"drop","names":["a"]}]}` {
		t.Errorf("%s, %v", text, err)
	}
	m.SetTraining(json.RawMessage(`{"tune":"head","seed":7,"from_the_future":{"x":1},"loss":"bce"}`))
	r, err := RecordOf(m)
	if err != nil || r.Seed != 7 || r.Tune != "head" {
		t.Fatalf("%+v, %v", r, err)
	}
	r.Changes = []record.LabelChange{{Action: "rename", Names: []string{"a"}, Into: "b"}}
	if err := r.Set(m); err != nil {
		t.Fatal(err)
	}
	want := `{"from_the_future":{"x":1},"label_changes":[{"action":"rename","names":["a"],"into":"b"}],"loss":"bce","seed":7,"tune":"head"}`
	if got := string(m.Training()); got != want {
		t.Errorf("record %s\nwant %s", got, want)
	}
	m.SetTraining(json.RawMessage(`{"tune":7}`))
	if _, err := RecordOf(m); err == nil {
		t.Error("a number for tune")
	}
}

// The settings that a resumed run is compared by are those of its record that its bits depend on.
func TestSettings(t *testing.T) {
	p := 0.25
	o := Options{Tune: Last(2), Pooling: bert.Mean, Balance: 3, Dev: &data.Dataset{File: "dev.csv"}}
	r := newRecord(&model.Model{}, &o, &data.Dataset{File: "train.csv"})
	r.HiddenDropout, r.AttentionDropout, r.MaxSeqLength, r.Step = &p, &p, 64, 5
	settings, err := r.Settings()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"tune": `"last:2"`, "pooling": `"mean"`, "max_seq_length": "64", "hidden_dropout": "0.25",
		"pos_weight":     `"balanced"`,
		"pos_weight_cap": "3", "loss": `"bce"`, "bias_init": `"zero"`, "seed": "42", "train_batch_size": "32", "layer_decay": "1"} {
		if got := string(settings[key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	for _, key := range []string{"model", "train", "dev", "step", "folds", "solver", "l2", "calibrate", "tune_thresholds",
		"threshold_objective", "label_changes"} {
		if _, there := settings[key]; there {
			t.Errorf("%s is compared", key)
		}
	}
}

// describeLoss names what is minimised; other parameters are another loss.
func TestDescribeLoss(t *testing.T) {
	for want, o := range map[string]Options{
		"bce  20 0":                             {},
		"focal  20 0":                           {Loss: layers.DefaultFocal()},
		"asymmetric  20 0":                      {Loss: layers.DefaultAsymmetric()},
		"bce  20 0.1":                           {Loss: layers.LabelSmoothing{Epsilon: 0.1}},
		"bce balanced 4 0":                      {Balance: 4},
		"bce w.json 20 0":                       {Loss: layers.WeightedSigmoidCrossEntropy{PosWeight: []float64{2}}, LossSource: "w.json"},
		"bce [2 3] 20 0":                        {Loss: layers.WeightedSigmoidCrossEntropy{PosWeight: []float64{2, 3}}},
		"layers.Focal{Gamma:1 Alpha:0.5}  20 0": {Loss: layers.Focal{Gamma: 1, Alpha: 0.5}},
	} {
		r := o.describeLoss()
		if got := fmt.Sprint(r.Loss, " ", r.PosWeight, " ", r.PosWeightCap, " ", r.LabelSmoothing); got != want {
			t.Errorf("%+v: %s, want %s", o.Loss, got, want)
		}
	}
}

// The advice to a run that is too large names what is smaller, and by how much.
func TestSmaller(t *testing.T) {
	r, _ := newTestRun(t)
	r.pooling, r.width = bert.Mean, 2
	want := "a narrower `pooling` than mean, whose features are 2 numbers a text; fewer rows than 0; a smaller model; a larger `max_memory`, if the machine has it"
	if got := strings.Join(r.smallerHead(), "; "); got != want {
		t.Errorf("head: %s", got)
	}
	if got := smallerTune(Last(2)); len(got) != 3 || !strings.HasPrefix(got[0], "`tune` last:1") {
		t.Errorf("layers: %q", got)
	}
	refused := &MemoryError{Need: train.Memory{Features: 3 << 30}, Limit: 1 << 30}
	if got := refused.Error(); got != "training needs about 3 GiB, max_memory is 1 GiB" {
		t.Error(got)
	}
	if got := machine.Bytes(1536 << 10).String(); got != "1.5 MiB" {
		t.Error(got)
	}
}

// Each note says its numbers, and names no flag.
func TestNotes(t *testing.T) {
	tuned := &metrics.Tuned{Global: 0.3, Thresholds: []float32{0.2, 0.4}}
	summary := &metrics.Summary{F1Macro: 0.5, F1Micro: 0.6, PrecisionMacro: 0.7, RecallMacro: 0.8}
	for want, n := range map[string]Note{
		"12 folds": note.Folded{Folds: &Folds{Folds: 12, Report: &metrics.Report{}, Tuned: &metrics.Report{Threshold: []float32{0.5}}}},
		"dev at 0.3 for all labels, the best for f1: f1_macro 0.5000, f1_micro 0.6000, precision_macro 0.7000, recall_macro 0.8000": note.Judged{
			Tuned: tuned, Half: summary, Global: summary, PerLabel: summary},
		"dev at 0.2 to 0.4, the best of each label": note.Judged{Tuned: tuned, Half: summary, Global: summary, PerLabel: summary},
		"solved 2 labels on mean (16 features) in 1.5 s, 3 rounds; l2 0.01 to 0.1, loss where it was chosen 0.25000 (1 − average_precision_macro on dev)": note.Solved{
			Labels: 2, Pooling: bert.Mean, Width: 16, Seconds: 1.5, Rounds: 3, Strength: [2]float64{0.01, 0.1}, Loss: 0.25, Ranked: true},
		"l2 100 was the best, the strongest that was tried: a better one may lie beyond, give it by `l2`": note.PathEnd{
			Labels: []string{"a", "b"}, Of: 2, L2: 100, Strongest: true},
		"l2 1e-05 was the best for 2 of 3 labels (a, b), the weakest that was tried:": note.PathEnd{Labels: []string{"a", "b"}, Of: 3, L2: 1e-5},
		"for 6 of 9 labels (a, b, c, d, e, …), the weakest":                           note.PathEnd{Labels: strings.Split("abcdef", ""), Of: 9, L2: 1e-5},
		"every label has one class only":                                              note.Solved{Strength: [2]float64{math.NaN(), math.NaN()}, Loss: math.NaN()},
		"f.csv: 3 of 12 texts (25.0 %)":                                               note.Cut{File: "f.csv", Cut: 3, Texts: 12, Lengths: tokenizer.Lengths{MaxSeqLength: 8}},
		"thresholds stay 0.5":                                                         note.Tuned{},
		"kept the global thresholds: 0.3; ":                                           note.Tuned{How: "global", Thresholds: []float32{0.3, 0.3}},
		"this will take about 43 s":                                                   note.Expected{Seconds: 42.1},
		"this will take about 3 min 20 s":                                             note.Expected{Seconds: 203},
		"this will take about 10 min":                                                 note.Expected{Seconds: 620},
		"memory: about 2 MiB of 4 MiB: weights 2 MiB":                                 note.Need{Memory: train.Memory{Head: 2 << 20}, Limit: 4 << 20},
		"features of 5 + 7 rows":                                                      note.Features{Rows: 5, DevRows: 7},
		"the run begins":                                                              note.Resumed{From: "f"},
		"going on behind step 3, from f":                                              note.Resumed{Step: 3, From: "f"},
	} {
		if got := n.String(); !strings.Contains(got, want) || strings.Contains(got, "--") {
			t.Errorf("%T: %s\nwant %s", n, got, want)
		}
	}
}
