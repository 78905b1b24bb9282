package fit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"bertlabel/checkpoint/atomic"
	"bertlabel/train/data"
	"bertlabel/train/fit/note"
	"bertlabel/train/metrics"
)

// foldsFile is what the folder of a run says of its folds.
const foldsFile = "folds.json"

// Folds is what cross-validation says, and the content of folds.json.
type Folds = metrics.Folds

// crossValidate trains a head on all but one of them in turn as the run trains its own on all rows, scores
// the rows of that one, and writes folds.json.
func (h *headRun) crossValidate(ctx context.Context) error {
	r := h.run
	if r.o.Folds == 0 {
		return nil
	}
	start := time.Now()
	c := len(r.labels)
	outOfFold := &judged{Data: metrics.Data{Labels: r.labels, Truth: h.train.Y, Scores: make([]float32, len(h.train.Y))}}
	for k := range r.o.Folds {
		rest, held := data.SplitFold(r.fold, k)
		found, err := h.find(ctx, headTask{rows: h.train.Subset(rest, c), work: fmt.Sprintf("fold %d/%d", k+1, r.o.Folds)})
		if err != nil {
			return fmt.Errorf("fold %d of %d: %w", k+1, r.o.Folds, err)
		}
		_, probabilities := h.train.Subset(held, c).Score(found.head)
		for i, row := range held {
			copy(outOfFold.Scores[row*c:(row+1)*c], probabilities.Row(i))
		}
	}
	if err := h.judgeFolds(outOfFold); err != nil {
		return err
	}
	r.watch.note(note.Folded{Rows: r.rows.Rows(), Seconds: time.Since(start).Seconds(), Folds: r.result.Folds})
	if r.o.Folder.Path == "" {
		return nil
	}
	return atomic.WriteFile(atomic.OS{}, filepath.Join(r.o.Folder.Path, foldsFile), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r.result.Folds)
	})
}

// judgeFolds evaluates the scores of all rows, and those of each fold, and chooses the thresholds of the model.
func (h *headRun) judgeFolds(all *judged) error {
	r := h.run
	tuned, err := metrics.Tune(all.Data, r.o.Tuning.Aim)
	if err != nil {
		return err
	}
	f, err := metrics.CrossValidate(all.Data, r.fold, r.o.Folds, tuned)
	if err != nil {
		return err
	}
	f.Seed, all.half = r.config.Seed, f.Report
	h.thresholds = r.o.Tuning.Pick(tuned, len(r.labels))
	r.result.Folds, r.result.Scores = f, all.Scores
	if r.o.Tuning.Thresholds == PerLabel {
		r.result.Dev = f.Tuned
		return nil
	}
	r.result.Dev, err = all.at(h.thresholds)
	return err
}
