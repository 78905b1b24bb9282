package scorecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/train/metrics"
	"bertlabel/train/record"
	"bertlabel/train/score"
)

// setAgainst reads --against, which has to be another precision than the model's.
func (o *evalOptions) setAgainst(value string) error {
	if value == "" {
		return nil
	}
	against, err := flags.ParsePrecision("against", value)
	if err != nil {
		return err
	}
	if against.Resolve() == o.Model.Precision.Resolve() && o.Model.Embeddings == bert.FP32 {
		return cli.Usagef("--against %s: with --precision %s the model runs in %s already; want another precision", value, o.Model.Precision,
			against.Resolve())
	}
	o.Against = &against
	return nil
}

// runReference runs the model in the precision that it is compared with, its embeddings in float32, and leaves it: never are both in
// memory.
func (e *evaluation) runReference(ctx context.Context) (err error) {
	reference := e.Model
	reference.Precision, reference.Embeddings, reference.Gradients, reference.Silent = *e.Against, bert.FP32, false, true
	if e.m, err = e.open(reference); err != nil {
		return err
	}
	if err = e.load(); err == nil {
		e.reference, err = e.run(ctx, "predict in "+e.m.Precision().String())
	}
	e.m = nil
	runtime.GC() // or the weights would stay until the heap has doubled
	return err
}

// keep writes what was found into the model's folder, where predict looks for it.
func (e *evaluation) keep() {
	log, c := e.app.Log, e.comparison
	switch {
	case e.reference.Precision != bert.FP32:
		log.Infof("the comparison is not kept: that would need --against %s", bert.FP32)
		return
	case e.Threshold != "":
		log.Infof("the comparison is not kept: it is not at the model's own thresholds")
		return
	}
	path, err := record.NewPrecision(e.m, e.set, c).Keep(e.m)
	if err != nil {
		log.Warnf("the comparison is not kept in the model's folder: %v", err)
		return
	}
	log.Infof("kept what %s changes in %s", c.Name(), path)
}

// printCompared is printReport with the comparison.
func (e *evaluation) printCompared() error {
	object := struct {
		*metrics.Report
		Against *score.Comparison `json:"against"`
	}{e.result, e.comparison}
	return cli.WriteJSON(e.app, object, func(w io.Writer) error {
		return errors.Join(e.result.WriteTable(w), writeComparison(w, e.comparison))
	})
}

// writeComparison writes a comparison for people.
func writeComparison(w io.Writer, c *score.Comparison) error {
	figure := func(name string, f score.Change) string {
		if !f.Change.Defined() {
			return fmt.Sprintf("%-26s%9s%9s%10s\n", name, "-", "-", "-")
		}
		return fmt.Sprintf("%-26s%9.4f%9.4f%+10.5f\n", name, float64(f.Value), float64(f.Against), float64(f.Change))
	}
	_, err := fmt.Fprintf(w, "\n%-26s%9s%9s%10s\n%s%s%s"+
		"change of the logits: %.5f rms, %.4f at most\n"+
		"decisions that flip: %d of %d, %.2f per 1,000, in %d of %d rows\n"+
		"cosine of the features: %.6f in the mean, %.6f at least\n",
		c.Name()+" against "+c.Against, c.Precision, c.Against, "change", figure("F1, macro", c.F1Macro),
		figure("average precision, macro", c.AveragePrecisionMacro), figure("ROC AUC, macro", c.ROCAUCMacro), c.LogitRMS, c.LogitMax,
		c.Flips, c.Rows*c.Labels, c.FlipsPer1000, c.FlippedRows, c.Rows, c.CosineMean, c.CosineLeast)
	return err
}

// sayUnproved tells, once, that nobody has looked what int8 does to the decisions of this model. bf16 moves only those that were a coin
// toss.
func sayUnproved(a *cli.App, source *flags.Source, m *model.Model) {
	if m.Precision() != bert.Int8 {
		return
	}
	why := "nothing in its folder says what int8 costs this model"
	switch p, err := record.PrecisionOf(m); {
	case err != nil:
		why = fmt.Sprintf("what int8 costs this model is not known (%v)", err)
	case p != nil && p.Of(m):
		return
	case p != nil:
		why = fmt.Sprintf("what %s says of int8 is of another state of this model", record.PrecisionFile)
	}
	command := "bertlabel eval --precision int8 --against fp32 --data FILE"
	if m.Encoder.EmbeddingsPrecision() == bert.Int8 {
		command = "bertlabel eval --precision int8 --embeddings int8 --against fp32 --data FILE"
	}
	if source.Path != "" {
		command += " --model " + report.ShellQuoted(source.Path)
	}
	a.Log.Infof("%s; labelled texts tell: %s", why, command)
}
