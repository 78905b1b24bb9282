// Package note has what a run of package fit tells while it runs: a struct of numbers for each thing that was found, chosen or done.
package note

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/train"
	"bertlabel/train/metrics"
)

// Note is one thing that a run has found, chosen or done: a struct of numbers of this file, whose String says it in a line or a few.
// Other options are named there by their keys in backquotes.
type Note interface{ String() string }

// Started: the options and the rows are sound, the folder is locked. Nothing has been computed yet, and nothing in the folder has
// changed.
type Started struct {
	Rows, DevRows int
	Labels        []string
}

func (n Started) String() string {
	return fmt.Sprintf("training on %d rows with %d labels", n.Rows, len(n.Labels))
}

// FromScratch: all layers are trained from the values that they were drawn with.
type FromScratch struct{}

func (FromScratch) String() string {
	return "the encoder's weights are those before any training: it is trained from scratch"
}

// Cut: some texts of a file had more tokens than the model reads. Where that is much there is a finding instead.
type Cut struct {
	File       string
	Cut, Texts int
	Lengths    tokenizer.Lengths
}

func (n Cut) String() string {
	return fmt.Sprintf("%s: %d of %d texts (%.1f %%) were longer than %v and were cut",
		n.File, n.Cut, n.Texts, 100*float64(n.Cut)/float64(n.Texts), n.Lengths)
}

// FromHead says where the head's training starts: from the model's own head, or from a new one, as that is for others.
type FromHead struct{ Own bool }

func (n FromHead) String() string {
	if n.Own {
		return "training starts from the model's own head"
	}
	return "the model's own head is for other labels or features: training starts from a new one"
}

// NoRoom: the outputs of frozen layers are computed again, as the budget has no room for them: in the steps, in every epoch, or else where
// dev is judged and for the refit.
type NoRoom struct {
	Bytes int
	Steps bool
}

func (n NoRoom) String() string {
	if !n.Steps {
		return fmt.Sprintf("the frozen layers run again for dev and the refit: there is no room for all of their outputs, %s",
			machine.Bytes(n.Bytes))
	}
	return fmt.Sprintf("the frozen layers run again in every epoch: there is no room for their outputs, %s", machine.Bytes(n.Bytes))
}

// Need: what the run will take at its largest, before its first step. Steps make no garbage, checkpoints and evaluations do: whoever
// sets the limit of the garbage collector can bound it now.
type Need struct {
	Memory train.Memory
	Limit  int64 // Options.MaxMemory
}

func (n Need) String() string {
	of := ""
	if n.Limit > 0 {
		of = " of " + machine.Bytes(n.Limit).String()
	}
	return fmt.Sprintf("memory: about %s%s: %s", machine.Bytes(n.Memory.Total()), of, &n.Memory)
}

// Expected: how long the run will take from here on, in about, as its first texts say.
type Expected struct{ Seconds float64 }

func (e Expected) String() string {
	d := time.Duration(e.Seconds * float64(time.Second))
	switch tens := d.Round(10 * time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("this will take about %d s", int(math.Ceil(d.Seconds())))
	case d < 10*time.Minute:
		return fmt.Sprintf("this will take about %d min %02d s", int(tens.Minutes()), int(tens.Seconds())%60)
	}
	return fmt.Sprintf("this will take about %d min", int(math.Round(d.Minutes())))
}

// Features: the features of a frozen encoder are there.
type Features struct {
	Rows, DevRows int
	Seconds       float64
}

func (n Features) String() string {
	rows := fmt.Sprint(n.Rows)
	if n.DevRows > 0 {
		rows += fmt.Sprintf(" + %d", n.DevRows)
	}
	return fmt.Sprintf("features of %s rows in %.1f s", rows, n.Seconds)
}

// Folded: every row has been judged by a head that does not know it.
type Folded struct {
	Rows    int
	Seconds float64
	Folds   *metrics.Folds
}

func (n Folded) String() string {
	f := n.Folds
	lines := []string{
		fmt.Sprintf("%d folds of %d rows in %.1f s", f.Folds, n.Rows, n.Seconds),
		"out of fold at 0.5: " + figures(&f.Summary),
		fmt.Sprintf("out of fold at %s, tuned per label: %s", span(f.Tuned.Threshold), figures(&f.Tuned.Summary)),
		fmt.Sprintf("over the folds at 0.5: f1_macro %.4f ± %.4f, f1_micro %.4f ± %.4f, log_loss %.5f ± %.5f (mean ± standard deviation)",
			f.Mean["f1_macro"], f.Std["f1_macro"], f.Mean["f1_micro"], f.Std["f1_micro"], f.Mean["log_loss"], f.Std["log_loss"]),
	}
	return strings.Join(lines, "\n")
}

// Solved: an exact head has been found.
type Solved struct {
	Labels   int
	Pooling  bert.Pooling
	Width    int // features
	Seconds  float64
	Rounds   int        // passes over the features
	Strength [2]float64 // least and largest penalty of the labels that have both classes; NaN where none has
	Loss     float64    // mean of what the penalties were chosen by; NaN where nothing chose
	Ranked   bool       // Loss is 1 − average_precision_macro on Dev, not a loss
}

func (n Solved) String() string {
	said := "every label has one class only"
	if n.Strength[0] == n.Strength[0] {
		said = fmt.Sprintf("l2 %s to %s", strength(n.Strength[0]), strength(n.Strength[1]))
	}
	if n.Loss == n.Loss {
		said += fmt.Sprintf(", loss where it was chosen %.5f", n.Loss)
	}
	if n.Ranked {
		said += " (1 − average_precision_macro on dev)"
	}
	return fmt.Sprintf("solved %d labels on %s (%d features) in %.1f s, %d rounds; %s", n.Labels, n.Pooling, n.Width, n.Seconds, n.Rounds,
		said)
}

// Refit: an exact head was found on features of the trained encoder, and Dev has chosen how much of the tuned head goes into the result.
type Refit struct {
	Solver           string
	Pooling          bert.Pooling    // that the exact head reads
	Tuned, Exact     *metrics.Report // what Dev says of the two heads, at 0.5
	Shares           []float64       // of the tuned head that were tried
	AveragePrecision []float64       // macro-averaged, on Dev, of each
	Share            float64         // that was kept: 1 for the tuned head as it was
}

func (n Refit) String() string {
	var tried []string
	for i, share := range n.Shares {
		tried = append(tried, fmt.Sprintf("%g: %.4f", share, n.AveragePrecision[i]))
	}
	kept := fmt.Sprintf("%g of the tuned head", n.Share)
	switch n.Share {
	case 0:
		kept = fmt.Sprintf("the %s head", n.Solver)
	case 1:
		kept = "the tuned head"
	}
	return fmt.Sprintf("dev with the tuned head: average_precision_macro %.4f, %s at 0.5\ndev with the %s head on %s: average_precision_macro %.4f, "+
		"%s at 0.5\naverage_precision_macro on dev by the share of the tuned head: %s; kept %s", n.Tuned.AveragePrecisionMacro, figures(n.Tuned),
		n.Solver, n.Pooling, n.Exact.AveragePrecisionMacro, figures(n.Exact), strings.Join(tried, ", "), kept)
}

// PathEnd: the penalty's strength that was chosen is the first or the last of those that were tried, so that a better one may lie beyond.
type PathEnd struct {
	Labels    []string // for which it was
	Of        int      // labels
	L2        float64
	Strongest bool // of those that were tried, else the weakest
}

func (n PathEnd) String() string {
	end, whom := "weakest", ""
	if n.Strongest {
		end = "strongest"
	}
	if few := min(len(n.Labels), 5); len(n.Labels) < n.Of {
		whom = fmt.Sprintf(" for %d of %d labels (%s)", len(n.Labels), n.Of, strings.Join(n.Labels[:few], ", "))
		if few < len(n.Labels) {
			whom = strings.TrimSuffix(whom, ")") + ", …)"
		}
	}
	return fmt.Sprintf("l2 %s was the best%s, the %s that was tried: a better one may lie beyond, give it by `l2`", strength(n.L2), whom, end)
}

// Chosen: the best of several poolings.
type Chosen struct {
	Pooling bert.Pooling
	Of      int
}

func (n Chosen) String() string { return fmt.Sprintf("chose `pooling` %s, of %d", n.Pooling, n.Of) }

// Resumed: the run goes on with what is in its folder, or begins, as nothing is.
type Resumed struct {
	Step int64  // the last step that was observed; 0: the run begins
	From string // the checkpoint; for a run that begins, the folder
}

func (n Resumed) String() string {
	if n.Step == 0 {
		return fmt.Sprintf("no checkpoint in %s yet: the run begins", n.From)
	}
	return fmt.Sprintf("going on behind step %d, from %s", n.Step, n.From)
}

// Begun: the gradient steps begin.
type Begun struct {
	Step, Steps   int     // made so far, by this run before it was stopped; of the whole run
	Resumed       bool    // the run goes on with what is in its folder
	StepRows      int     // rows of a step
	TokensPerText float64 // the mean; 0 for a head on fixed features
}

func (n Begun) String() string {
	return fmt.Sprintf("steps %d to %d, of %d rows", n.Step+1, n.Steps, n.StepRows)
}

// Trained: the gradient steps are made.
type Trained struct {
	Steps   int64
	LeftOut int64   // of these, without an update, because something was not finite
	Seconds float64 // of a head on a frozen encoder
	Folder  string  // where the model of an encoder's run is; "": in memory
}

func (n Trained) String() string {
	switch {
	case n.Seconds > 0:
		return fmt.Sprintf("head trained in %.1f s, %d steps", n.Seconds, n.Steps)
	case n.Folder == "":
		return fmt.Sprintf("trained %d steps", n.Steps)
	}
	return fmt.Sprintf("trained %d steps; wrote %s", n.Steps, n.Folder)
}

// Kept: the weights of the step that was best on Dev are the result.
type Kept struct {
	Step   int64
	Metric string
	Value  float64
	On     string // Dev's file
}

func (n Kept) String() string {
	return fmt.Sprintf("kept the weights of step %d: %s %.4f on %s", n.Step, n.Metric, n.Value, n.On)
}

// Stopped: the run ended before its last step, and can go on.
type Stopped struct {
	Step       int64
	Checkpoint string // the last good one
}

func (n Stopped) String() string {
	return fmt.Sprintf("stopped after step %d; the last good checkpoint is %s; `resume` goes on from it", n.Step, n.Checkpoint)
}

// Calibrated: the head's probabilities have been made to mean what they say. Both qualities are those of probabilities that were made
// without their own row.
type Calibrated struct {
	How           string // temperature or platt
	Before, After metrics.Quality
}

func (n Calibrated) String() string {
	b, a := n.Before, n.After
	return fmt.Sprintf("calibrated on dev (%s): expected_calibration_error %.4f → %.4f, brier_score %.5f → %.5f, log_loss %.5f → %.5f, "+
		"each row without its own part in it", n.How, b.ExpectedCalibrationError, a.ExpectedCalibrationError, b.BrierScore, a.BrierScore,
		b.LogLoss, a.LogLoss)
}

// Judged: what Dev says of the finished head, with each kind of thresholds.
type Judged struct {
	Aim                    metrics.Aim
	Tuned                  *metrics.Tuned
	Half, Global, PerLabel *metrics.Summary
	Guarded                *metrics.Summary // nil where these are not kept
}

func (n Judged) String() string {
	said := fmt.Sprintf("dev at 0.5: %s\ndev at %.4g for all labels, the best for %s: %s\ndev at %s, the best of each label: %s",
		figures(n.Half), n.Tuned.Global, n.Aim, figures(n.Global), span(n.Tuned.Thresholds), figures(n.PerLabel))
	if n.Guarded != nil {
		said += fmt.Sprintf("\ndev at %s, guarded for labels with few positives: %s", span(n.Tuned.Guarded), figures(n.Guarded))
	}
	return said
}

// Tuned: the thresholds that the model keeps.
type Tuned struct {
	How        string // per-label, global, guarded, or "" for 0.5
	Thresholds []float32
}

func (n Tuned) String() string {
	if n.How == "" {
		return fmt.Sprintf("thresholds stay %v; `tune_thresholds` keeps the tuned ones", model.DefaultThreshold)
	}
	return fmt.Sprintf("kept the %s thresholds: %s; on the rows that chose them they look a little better than they are", n.How,
		span(n.Thresholds))
}

// Saved: the model is in its folder.
type Saved struct{ Folder string }

func (n Saved) String() string { return "wrote " + n.Folder }

// Warning: something went wrong that does not end the run, such as a damaged checkpoint that was passed over.
type Warning struct{ Text string }

func (n Warning) String() string { return n.Text }

// Uncalibrated: the model is calibrated and its new labels are not.
type Uncalibrated struct {
	Model  string // how the others are
	Labels []string
}

func (n Uncalibrated) String() string {
	return fmt.Sprintf("the model's probabilities are calibrated (%s), and those of %s are not: `calibrate` with `dev` does that",
		n.Model, strings.Join(n.Labels, ", "))
}

// Found: a new label of Outputs.
type Found struct {
	Label     string
	Rows      [2]int  // that say 0, that say 1
	L2        float64 // 0: found by gradient steps
	Threshold float32
}

func (n Found) String() string {
	how := "by gradient steps"
	if n.L2 > 0 {
		how = "l2 " + strength(n.L2)
	}
	return fmt.Sprintf("%s: from %d rows that say 1 and %d that say 0; %s, threshold %.4g", n.Label, n.Rows[1], n.Rows[0], how, n.Threshold)
}

// strength writes the strength of a penalty: the numbers of the paths as they are, others with two digits.
func strength(l2 float64) string {
	if l2 >= 100 {
		return fmt.Sprintf("%.3g", l2)
	}
	return fmt.Sprintf("%.2g", l2)
}

// figured are reports that say what is predicted.
type figured interface {
	Get(name string) (metrics.Number, bool)
}

// figures returns four metrics of a report on one line.
func figures(r figured) string {
	var parts []string
	for _, name := range []string{"f1_macro", "f1_micro", "precision_macro", "recall_macro"} {
		value, _ := r.Get(name)
		parts = append(parts, fmt.Sprintf("%s %.4f", name, value))
	}
	return strings.Join(parts, ", ")
}

// span says from where to where thresholds go.
func span(thresholds []float32) string {
	least, most := fmt.Sprintf("%.4g", slices.Min(thresholds)), fmt.Sprintf("%.4g", slices.Max(thresholds))
	if least == most {
		return least
	}
	return least + " to " + most
}
