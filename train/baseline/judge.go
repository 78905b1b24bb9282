package baseline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// Task is what a baseline is judged on: rows that it does not know.
type Task struct {
	Train *data.Dataset
	Dev   *data.Dataset // judges, and chooses C for each label; its labels are those of Train. nil: Folds do
	Folds int           // ≥ 2, without Dev: every row of Train is judged by a model of the other folds
	Seed  uint64        // deals the folds

	Options *Options    // nil: DefaultOptions()
	C       []float64   // inverse strengths of the penalty, rising. nil: 1, 4 and 16 with Dev. Folds have nothing to choose on: one, nil: 4
	Aim     metrics.Aim // what thresholds are chosen for; zero: F(1)

	// Pick returns the thresholds of the report, one for all labels or one for each, given those that were tuned on the rows that judge.
	// nil: 0.5 for every label.
	Pick func(*metrics.Tuned) []float32
	// Observe is told how far training has come, by one goroutine at a time: first with no label done, for each fold. nil: nobody is.
	Observe func(Progress)
}

// Progress is how far training has come.
type Progress struct {
	Fold, Folds  int // from 1; 0 of 0 with Dev
	Done, Labels int // labels that are trained, of how many
}

// DefaultOptions are those of a baseline that is hard to beat: words and pairs of words that two texts have, 1 + ln(tf).
func DefaultOptions() Options { return Options{Words: 2, MinDF: 2, SublinearTF: true} }

// defaultC is the C that most labels of GoEmotions choose among defaultCs.
const defaultC = 4

func defaultCs() []float64 { return []float64{1, 4, 16} }

// defaultThreshold is the probability above which a label is predicted unless Task.Pick says otherwise.
const defaultThreshold = 0.5

// Report is what the rows that judge say of a baseline, and how that was trained. As JSON it is the baseline.json of `train --baseline`.
type Report struct {
	Name            string             `json:"name"`
	Terms           int                `json:"terms"`
	MinDF           int                `json:"min_df"`
	SublinearTF     bool               `json:"sublinear_tf"`
	C               map[string]float64 `json:"c"` // by label; with folds, of the last one
	*metrics.Report                    // at the thresholds of Task.Pick
	Tuned           *metrics.Report    `json:"tuned"` // at thresholds for each label that were chosen on the same rows
	Scores          []float32          `json:"-"`     // probabilities of the rows that judged, [rows, labels]: of Dev, or all of Train
}

// Judge trains TF-IDF with logistic regression on labelled rows, and judges it on rows that it does not know. The same task gives the
// same bits for any number of CPUs. Errors are the cause of ctx's end, a *data.RowError for fewer different texts than folds, those of
// metrics.Evaluate, or say what is wrong with the task.
func Judge(ctx context.Context, task Task) (*Report, error) {
	if err := task.check(); err != nil {
		return nil, err
	}
	if task.Options == nil {
		o := DefaultOptions()
		task.Options = &o
	}
	r := &Report{Name: task.Options.name(), MinDF: task.Options.MinDF, SublinearTF: task.Options.SublinearTF, C: map[string]float64{}}
	judged := metrics.Data{Labels: task.Train.Labels.Names(), Truth: task.Train.Y}
	var err error
	if task.Dev != nil {
		judged.Truth = task.Dev.Y
		judged.Scores, err = r.fit(ctx, &task, Of(task.Train), Of(task.Dev), Progress{})
	} else {
		judged.Scores, err = r.crossFit(ctx, &task)
	}
	if err != nil {
		return nil, err
	}
	r.Scores = judged.Scores
	return r, r.judge(judged, &task)
}

// check says what is wrong with the task.
func (t *Task) check() error {
	switch {
	case t.Train == nil || t.Train.Labels == nil:
		return errors.New("baseline: no labelled rows to train on")
	case t.Dev == nil && t.Folds < 2:
		return fmt.Errorf("baseline: %d folds and no Dev, want one of them", t.Folds)
	case t.Dev == nil && len(t.C) > 1:
		return fmt.Errorf("baseline: %d strengths and no Dev to choose on", len(t.C))
	case t.Dev != nil && (t.Dev.Labels == nil || !slices.Equal(t.Dev.Labels.Names(), t.Train.Labels.Names())):
		return fmt.Errorf("baseline: the labels of %s are not those of %s", t.Dev.File, t.Train.File)
	}
	return nil
}

// name says in words what a model is.
func (o *Options) name() string {
	words := "words"
	switch {
	case o.Words == 2:
		words = "words and word pairs"
	case o.Words > 2:
		words = fmt.Sprintf("up to %d words", o.Words)
	}
	return "TF-IDF of " + words + ", logistic regression"
}

// Of returns a data set for the baseline: text and second text are two parts.
func Of(d *data.Dataset) Data {
	made := Data{Truth: d.Y}
	for i, text := range d.Texts {
		made.Texts = append(made.Texts, []string{text, d.Pair(i)})
	}
	return made
}

// fit trains on rows, and returns the probabilities of others, [rows, labels].
func (r *Report) fit(ctx context.Context, task *Task, rows, others Data, p Progress) ([]float32, error) {
	labels, cs := task.Train.Labels.Names(), task.C
	switch {
	case cs == nil && task.Dev != nil:
		cs = defaultCs()
	case cs == nil:
		cs = []float64{defaultC}
	}
	observe := func(int) {}
	if p.Labels = len(labels); task.Observe != nil {
		task.Observe(p)
		var mu sync.Mutex
		observe = func(int) {
			mu.Lock()
			defer mu.Unlock()
			p.Done++
			task.Observe(p)
		}
	}
	m, err := Train(ctx, rows, others, len(labels), *task.Options, cs, observe)
	if err != nil {
		return nil, err
	}
	r.Terms = m.Vectorizer.Terms()
	for i, label := range labels {
		r.C[label] = m.C[i]
	}
	return m.Predict(others.Texts), nil
}

// crossFit returns the probabilities of all rows, each by a model of the other folds.
func (r *Report) crossFit(ctx context.Context, task *Task) ([]float32, error) {
	fold, err := data.Folds(task.Train, task.Folds, task.Seed)
	if err != nil {
		return nil, err
	}
	all, c, scores := Of(task.Train), task.Train.Labels.Len(), make([]float32, len(task.Train.Y))
	for k := range task.Folds {
		rest, held := data.SplitFold(fold, k)
		p, err := r.fit(ctx, task, all.rows(rest, c), all.rows(held, c), Progress{Fold: k + 1, Folds: task.Folds})
		if err != nil {
			return nil, err
		}
		for i, row := range held {
			copy(scores[row*c:(row+1)*c], p[i*c:(i+1)*c])
		}
	}
	return scores, nil
}

// rows returns some rows of the data, with c labels.
func (d Data) rows(rows []int, c int) (part Data) {
	for _, row := range rows {
		part.Texts = append(part.Texts, d.Texts[row])
		part.Truth = append(part.Truth, d.Truth[row*c:(row+1)*c]...)
	}
	return part
}

// judge evaluates the rows that judge.
func (r *Report) judge(rows metrics.Data, task *Task) error {
	tuned, err := metrics.Tune(rows, task.Aim)
	if err != nil {
		return err
	}
	thresholds := []float32{defaultThreshold}
	if task.Pick != nil {
		thresholds = task.Pick(tuned)
	}
	if r.Report, err = metrics.Evaluate(rows, thresholds); err != nil {
		return err
	}
	r.Tuned, err = metrics.Evaluate(rows, tuned.Thresholds)
	return err
}
