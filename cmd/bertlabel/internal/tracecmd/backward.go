package tracecmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bertlabel/bert/trace"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/layers"
	"bertlabel/train"
)

// backward prints the gradient of the loss of the text.
func (t *tracing) backward() error {
	if t.m.Head == nil {
		if len(t.Labels) == 0 {
			return cli.Usagef("the model has no head: --backward needs --labels to draw one for")
		}
		head := layers.NewClassifier(len(t.Labels), t.m.Encoder.Config.HiddenSize)
		train.InitClassifier(head, train.DefaultConfig().Seed)
		t.m.SetHead(head, t.Labels, t.m.Pooling)
		t.app.Log.Infof("the model has no head: one is drawn, as train begins")
	}
	y := make([]int8, len(t.m.Labels))
	for _, label := range t.Labels {
		l := slices.Index(t.m.Labels, label)
		if l < 0 {
			return cli.Usagef("--labels %s: the model has %s%s", term.Quoted(label), term.QuotedNames(t.m.Labels),
				cli.DidYouMean(label, "", t.m.Labels))
		}
		y[l] = 1
	}
	b, err := trace.NewBackward(t.m, t.text, y)
	if err != nil {
		return err
	}
	defer b.Close()
	if t.Output != "" {
		if err := t.writeGradients(b); err != nil {
			return err
		}
	}
	if t.Output == "-" {
		return nil // that was stdout
	}
	report := backwardReport{Text: t.Text, Pair: t.Pair, Backward: b}
	if report.Step, err = b.Step(train.DefaultConfig()); err != nil {
		return err
	}
	if t.Check {
		if report.Checks, err = t.checks(b); err != nil {
			return err
		}
	}
	if t.JSON {
		return cli.WriteIndented(t.app.Stdout, report)
	}
	w := bufio.NewWriter(t.app.Stdout)
	report.write(w)
	if t.Check {
		report.writeChecks(w)
	}
	return w.Flush()
}

// backwardReport is what --json prints.
type backwardReport struct {
	Text string `json:"text"`
	Pair string `json:"text_pair,omitempty"`
	*trace.Backward
	Step   *trace.Step   `json:"step"`
	Checks []trace.Check `json:"checks,omitempty"`
}

func (b *backwardReport) write(w io.Writer) {
	heading(w, fmt.Sprintf("loss %.4f: mean of −y·ln σ(z) − (1−y)·ln(1−σ(z)) over %d labels", b.Loss, len(b.Cells)),
		"layers/loss.go:MeanLoss")
	fmt.Fprintf(w, "  %-30s%4s%10s%10s%14s\n", "label", "y", "z", "σ(z)", "dz = (σ−y)/n")
	for _, c := range b.Cells {
		fmt.Fprintf(w, "  %s%4d%10.4f%10.4f%14.4f\n", term.Cell(c.Label, 30), c.Y, c.Logit, c.Probability, c.DZ)
	}
	heading(w, "\non its way down: length of the gradient by a layer's output", "bert/trainer.go:Trainer.Backward")
	for _, d := range b.Down {
		fmt.Fprintf(w, "  %-20s %.3e\n", d.Name, d.Norm)
	}
	c, step := train.DefaultConfig(), b.Step
	fmt.Fprintf(w, "\ngradients: |w|, |g|, the largest element of g, |Δw| of one step\n")
	fmt.Fprintf(w, "  %-45s%10s%10s%10s%10s%9s\n", "parameter", "|w|", "|g|", "|g|/|w|", "largest", "|Δw|")
	for _, g := range b.Gradients {
		ratio := trace.Number(0)
		if g.Weight > 0 {
			ratio = g.Norm / g.Weight
		}
		fmt.Fprintf(w, "  %-45s%10.3f%10.1e%10.1e%10.1e%9.1e\n", short(g.Name), g.Weight, g.Norm, ratio, g.Largest, step.Moved[g.Name])
	}
	fmt.Fprintf(w, "\nnorm of all, as clipping counts it: %.4f; clipping at %g multiplies by %.4f\n", b.Norm, c.ClipNorm,
		step.Factor)
	fmt.Fprintf(w, "one step of train --tune all (%s, rate %g, no warm-up): then the loss is %.4f, not %.4f\n\n", c.Optimizer, c.LearningRate,
		step.LossAfter, b.Loss)
}

// short is the name of a parameter without the scope that all layers share.
func short(name string) string { return strings.TrimPrefix(name, "bert/encoder/") }

// checks compares each gradient with finite differences along it and at its largest element, and then the elements of --entry. Those of
// the keys' biases are 0, and differences would be noise.
func (t *tracing) checks(b *trace.Backward) (checks []trace.Check, err error) {
	var errs []error
	add := func(c trace.Check, err error) {
		checks, errs = append(checks, c), append(errs, err)
	}
	for i, g := range b.Gradients {
		if !shifts(g.Name) && g.Norm != 0 {
			add(b.CheckAlong(i))
			add(b.CheckElement(i, g.At))
		}
	}
	for _, s := range t.Entry {
		e, _ := parseWeight(s + "=0") // check has seen it
		i := slices.IndexFunc(b.Gradients, func(g trace.Gradient) bool { return g.Name == e.Name })
		if i < 0 || len(e.Index) != len(b.Gradients[i].Shape) || !within(e.Index, b.Gradients[i].Shape) {
			return nil, cli.Usagef("--entry %s: no such element; bertlabel inspect lists the parameters and their shapes", term.Quoted(s))
		}
		add(b.CheckElement(i, e.Index))
	}
	return checks, errors.Join(errs...)
}

// shifts says whether a parameter adds the same to all scores of a row.
func shifts(name string) bool { return strings.HasSuffix(name, "key/bias") }

// writeChecks prints gradients beside finite differences.
func (b *backwardReport) writeChecks(w io.Writer) {
	fmt.Fprintf(w, "check: D(h) = (L(w + h·u) − L(w − h·u))/2h; difference is (4·D(h) − D(2h))/3,\n"+
		"along the whole gradient, whose length is g, and for its largest element\n")
	fmt.Fprintf(w, "  %-52s%11s%11s%9s%8s\n", "parameter", "g", "difference", "h", "error")
	worst := trace.Number(0)
	for _, c := range b.Checks {
		name := short(c.Name)
		if c.At != nil {
			name += strings.ReplaceAll(fmt.Sprint(c.At), " ", ",")
		}
		fmt.Fprintf(w, "  %-52s%11.3e%11.3e%9.1e%7.2f%%\n", name, c.Gradient, c.Difference, c.H, 100*c.Error)
		if !shifts(c.Name) && c.Gradient != 0 {
			worst = max(worst, c.Error)
		}
	}
	fmt.Fprintf(w, "  worst %.2f%%\n\nshown apart, for their gradient is 0 and differences would be noise: a bias of the keys adds\n"+
		"the same q·b to all scores of a row, and a softmax does not see a shift\n", 100*worst)
	for _, g := range b.Gradients {
		if shifts(g.Name) {
			fmt.Fprintf(w, "  %-52s%11.3e\n", short(g.Name), g.Norm)
		}
	}
}

func within(index, shape []int) bool {
	for i, n := range index {
		if n < 0 || n >= shape[i] {
			return false
		}
	}
	return true
}

// writeGradients writes the tensor file.
func (t *tracing) writeGradients(b *trace.Backward) error {
	out, err := t.app.CreateOutput(t.Output)
	if err != nil {
		return err
	}
	defer out.Discard()
	var tensors []checkpoint.Tensor
	for _, g := range b.Gradients {
		tensors = append(tensors, checkpoint.Float32Tensor(g.Name, g.Shape, g.Values))
	}
	create := func(string) (io.WriteCloser, error) { return nopCloser{out}, nil }
	return errors.Join(safetensors.Write(create, t.Output, tensors, nil), out.Commit())
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
