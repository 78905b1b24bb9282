package tracecmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"bertlabel/bert/trace"
	"bertlabel/checkpoint"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"

	"github.com/spf13/cobra"
)

// backwardOptions say what is shown of the way back.
type backwardOptions struct {
	Labels []string // that are right for the text; all others are wrong
	Check  bool     // compare every gradient with differences of the loss
	Entry  *entry   // compare this one; nil: none
}

// entry is one element of a parameter.
type entry struct {
	Name string
	At   []int
}

// backwardFlags are those of backwardOptions, as they are given.
type backwardFlags struct {
	backward, check bool
	labels          []string
	entry           string
}

func addBackward(cmd *cobra.Command) *backwardFlags {
	b, f := &backwardFlags{}, cmd.Flags()
	f.BoolVar(&b.backward, "backward", false, "show the gradients by every parameter; --output writes them")
	f.StringSliceVar(&b.labels, "labels", nil, "`LABELS` that are right for the text, the others are wrong (with --backward)")
	f.BoolVar(&b.check, "check", false, "compare each gradient with differences of the loss (with --backward)")
	f.StringVar(&b.entry, "entry", "", "compare this one `'NAME[3,5]'` (with --backward)")
	return b
}

var entryForm = regexp.MustCompile(`^([^\[\]]+)\[(\d{1,9})(?:, ?(\d{1,9}))?\]$`)

// options returns what the flags mean; nil without --backward.
func (b *backwardFlags) options(labelsGiven bool) (*backwardOptions, error) {
	if !b.backward {
		if labelsGiven || b.check || b.entry != "" {
			return nil, cli.Usagef("--labels, --check and --entry go with --backward")
		}
		return nil, nil
	}
	if !labelsGiven {
		return nil, cli.Usagef("--backward needs --labels: those that are right for the text, '' for none")
	}
	o := &backwardOptions{Labels: b.labels, Check: b.check}
	if b.entry != "" {
		m := entryForm.FindStringSubmatch(b.entry)
		if m == nil {
			return nil, cli.Usagef("--entry %s: want NAME[ROW,COLUMN], or NAME[PLACE] of a vector", b.entry)
		}
		o.Entry = &entry{Name: m[1]}
		for _, s := range m[2:] {
			if i, err := strconv.Atoi(s); err == nil {
				o.Entry.At = append(o.Entry.At, i)
			}
		}
	}
	return o, nil
}

// backward shows the gradients, and what is compared with differences.
func (t *tracing) backward() (err error) {
	d, err := trace.Gradients(t.m, t.text, t.Backward.Labels)
	if err != nil {
		return cli.Usagef("%v", err)
	}
	defer d.Close()
	var checks []trace.Check
	keep := func(c trace.Check) error {
		checks = append(checks, c)
		return nil
	}
	if e := t.Backward.Entry; e != nil {
		c, err := d.Entry(e.Name, e.At)
		if err != nil {
			return cli.Usagef("--entry: %v", err)
		}
		checks = append(checks, c)
	}
	if t.Backward.Check {
		if err := d.Check(keep); err != nil {
			return err
		}
	}
	if t.Output != "" {
		if err := t.writeGradients(d); err != nil {
			return err
		}
	}
	if t.JSON {
		return cli.WriteIndented(t.out, struct {
			*trace.Backward
			Checks []trace.Check `json:"checks,omitempty"`
		}{d.Backward, checks})
	}
	writeBackward(t.out, d.Backward)
	writeChecks(t.out, checks)
	return nil
}

// shortName leaves out what all parameters of the encoder begin with.
func shortName(name string) string {
	return cell(strings.TrimPrefix(strings.TrimPrefix(name, "bert/encoder/"), "bert/"), 40)
}

func writeBackward(w io.Writer, b *trace.Backward) {
	fmt.Fprintf(w, "loss  %.6f, the mean over the labels  layers/loss.go:MeanLoss\n  %-24s %2s %9s %9s %10s\n", b.Loss, "label", "y", "logit",
		"loss", "dz")
	for _, l := range b.Labels {
		y := 0
		if l.Positive {
			y = 1
		}
		fmt.Fprintf(w, "  %s %2d %9.4f %9.6f %10.6f\n", cell(l.Label, 24), y, l.Logit, l.Loss, l.DZ)
	}
	fmt.Fprintf(w, "the way down  norm of the gradient by a stage  bert/trainer.go:Trainer.Backward\n")
	for _, f := range b.Flow {
		fmt.Fprintf(w, "  %-24s %9.6f\n", f.Stage, f.Norm)
	}
	fmt.Fprintf(w, "parameters  in the order of the computation\n  %-40s %8s %10s %9s %11s %s\n", "", "|w|", "|g|", "|g|/|w|", "largest", "at")
	for _, g := range b.Params {
		fmt.Fprintf(w, "  %s %8.3f %10.2e %9.1e %11.2e %s\n", shortName(g.Name), g.Weight, g.Gradient, g.Ratio(), g.Largest, indices(g.At))
	}
	fmt.Fprintf(w, "one step  train/optimizer.go:Optimizer.Step\n  global norm %.6f, clipped by the factor %.6f\n", b.GlobalNorm, b.ClipFactor)
	moved, squares := 0.0, 0.0
	for _, g := range b.Params {
		moved, squares = moved+g.Step*g.Step, squares+g.Weight*g.Weight
	}
	fmt.Fprintf(w, "  learning rate %g: the weights move by %.6f of %.4f,\n  the loss goes from %.6f to %.6f\n", b.Step.LearningRate,
		math.Sqrt(moved), math.Sqrt(squares), b.Loss, b.Step.Loss)
}

// indices is [3,5].
func indices(at []int) string { return strings.ReplaceAll(fmt.Sprint(at), " ", ",") }

func writeChecks(w io.Writer, checks []trace.Check) {
	if len(checks) == 0 {
		return
	}
	fmt.Fprintf(w, "differences  (4·D(h) − D(2h))/3, D(h) = (loss(w + h) − loss(w − h))/2h\n")
	fmt.Fprintf(w, "  %-40s %9s %11s %11s %8s\n", "", "h", "gradient", "differences", "off by")
	worst, skipped := 0.0, ""
	for _, c := range checks {
		if c.Skipped != "" {
			skipped = c.Skipped
			fmt.Fprintf(w, "  %s %9s %11.2e  %s\n", shortName(c.Name), "", c.Gradient, "not compared")
			continue
		}
		fmt.Fprintf(w, "  %s %9.1e %11.3e %11.3e %7.3f%%", shortName(c.Name), c.H, c.Gradient, c.Differences, 100*c.Error())
		if c.At != nil {
			fmt.Fprintf(w, " %s", indices(c.At))
		}
		fmt.Fprintln(w)
		worst = max(worst, c.Error())
	}
	fmt.Fprintf(w, "  the worst is off by %.3f %%; want 1 %% at most\n", 100*worst)
	if skipped != "" {
		fmt.Fprintf(w, "  not compared:\n  %s\n", term.Printable(skipped))
	}
}

// writeGradients writes gradients/NAME for each parameter.
func (t *tracing) writeGradients(d *trace.Differentiated) error {
	var infos []checkpoint.Info
	for _, g := range d.Params {
		infos = append(infos, checkpoint.Info{Name: "gradients/" + g.Name, DType: checkpoint.Float32, Shape: g.Shape})
	}
	return t.writeStream(infos, func(file *safetensors.Stream) error {
		for i, g := range d.Params {
			if err := file.Write(checkpoint.Float32Tensor(infos[i].Name, g.Shape, d.Gradient(g.Name))); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeStream writes --output.
func (t *tracing) writeStream(infos []checkpoint.Info, write func(*safetensors.Stream) error) error {
	out, err := t.app.CreateOutput(t.Output)
	if err != nil {
		return err
	}
	defer out.Discard()
	buffer := bufio.NewWriterSize(out, 1<<16)
	file, err := safetensors.NewStream(buffer, infos)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		return err
	}
	if err := errors.Join(file.Close(), buffer.Flush()); err != nil {
		return err
	}
	return out.Commit()
}
