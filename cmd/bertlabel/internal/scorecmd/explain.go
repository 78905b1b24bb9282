package scorecmd

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train/data"
	"bertlabel/train/score"

	"github.com/spf13/cobra"
)

// explainOptions say what is explained, and how that is shown.
type explainOptions struct {
	Model  flags.Source
	Rows   *flags.Data
	Input  string
	Text   *string  // one text, instead of Input
	Labels []string // nil: those predicted, else the most probable
	model.ExplainOptions
	JSON *bool // lines, or words for people; nil: lines unless a person reads them
}

// NewExplain returns the verb explain.
func NewExplain(a *cli.App) *cobra.Command { return newExplainCmd(a, runExplain) }

func newExplainCmd(a *cli.App, run cli.Runner[explainOptions]) *cobra.Command {
	var o explainOptions
	var text string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say how much each word of a text moved the logit of a label: in colour on a terminal, else JSON lines",
		Example: "  bertlabel explain --model model --text \"My parcel never came.\"\n" +
			"  bertlabel explain --model model --input texts.csv --label late --label damaged > explanations.jsonl",
		Long: "By integrated gradients the words' contributions add up to the logit, less that of the same text with [PAD] for every\n" +
			"word; by gradient-x-input they are slopes at the text. A line of JSON for each text and label has start and end of each\n" +
			"word in bytes. On a terminal red words speak for the label and blue ones against it; with NO_COLOR they have numbers.",
	}
	models := flags.AddRunModel(cmd)
	flags.AddWindows(cmd, &models.Windows)
	o.Rows = flags.AddData(cmd, data.ReportBadRows)
	f := cmd.Flags()
	f.StringVar(&o.Input, "input", "-", "`FILE` of texts; - is stdin")
	f.StringVar(&text, "text", "", "one `TEXT`, instead of --input")
	f.StringArrayVar(&o.Labels, "label", nil,
		"`NAME` of a label to explain; may be repeated (default: those predicted, else the most probable)")
	f.StringVar((*string)(&o.Method), "method", string(model.IntegratedGradients), "integrated-gradients or gradient-x-input")
	f.IntVar(&o.Steps, "steps", model.DefaultSteps, "gradients that the integral takes")
	f.BoolVar(&asJSON, "json", false, "JSON lines on a terminal too; false: words and numbers elsewhere too")
	cmd.MarkFlagsMutuallyExclusive("input", "text")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if f.Changed("text") {
			o.Text = &text
		}
		if f.Changed("json") {
			o.JSON = &asJSON
		}
		if err := o.check(); err != nil {
			return err
		}
		if o.Method != model.IntegratedGradients && cli.OnCommandLine(cmd, "steps") {
			return cli.Usagef("--steps would change nothing: --method %s takes one gradient", o.Method)
		}
		if o.Text != nil {
			if err := o.Rows.RefuseFlags("a text of the command line"); err != nil {
				return err
			}
		}
		if o.Model, err = models.Source(); err != nil {
			return err
		}
		o.Model.Gradients = true
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// check refuses values that mean nothing.
func (o *explainOptions) check() error {
	err := cli.OneOf("method", string(o.Method), string(model.IntegratedGradients), string(model.GradientTimesInput))
	if err == nil && (o.Steps < 1 || o.Steps > model.MaxSteps) {
		err = cli.Usagef("--steps %d: want 1 to %d", o.Steps, model.MaxSteps)
	}
	return err
}

// explanation is one run of the verb.
type explanation struct {
	explainOptions
	app       *cli.App
	m         *model.Model
	explainer *model.Explainer
	out       explanationWriter
}

func runExplain(ctx context.Context, a *cli.App, o explainOptions) (err error) {
	x := &explanation{explainOptions: o, app: a}
	if x.m, err = o.Model.OpenWithHead(a); err != nil {
		return err
	}
	for _, label := range o.Labels {
		if !slices.Contains(x.m.Labels, label) {
			return cli.Usagef("--label %s: the model has %s", term.Quoted(label), term.QuotedNames(x.m.Labels))
		}
	}
	flags.Found(a, flags.DiagnoseModel(x.m)...)
	if p := x.m.Precision(); p != bert.FP32 {
		a.Log.Infof("logits are those of %s; gradients are computed in fp32, from a float32 copy of its weights", p)
	}
	if x.explainer, err = x.m.NewExplainer(); err != nil {
		return cli.WithCode(cli.ExitModel, err)
	}
	x.out = x.writer(a.Stdout, a.OnTerminal())
	if o.Text != nil {
		return x.row(ctx, &data.Example{Text: *o.Text})
	}
	in, err := newRowStream(a, x.m, o.Rows, o.Input, "explain", score.Options{Result: score.Tokens}, false)
	if err != nil {
		return err
	}
	err = in.run(ctx, func(chunk []score.Row) error {
		for i := range chunk {
			if err := x.row(ctx, &chunk[i].Example); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, in.verdict())
}

// explanationWriter writes what is known of one text after the other.
type explanationWriter interface {
	// write takes the explanations of a row; ex.Bad, if it is not nil, says why there are none.
	write(ex *data.Example, explanations []model.Explanation) error
	Flush() error
}

// writer chooses the form: JSON unless a person reads it, or as --json says.
func (x *explanation) writer(w io.Writer, terminal bool) explanationWriter {
	b := bufio.NewWriter(w)
	if x.JSON != nil && *x.JSON || x.JSON == nil && !terminal {
		return &jsonExplanations{b, x.Method}
	}
	return &shownExplanations{b, x.Method, terminal && x.app.Colours()}
}

// row explains a row, unless it is bad, and writes that at once: a row takes a second or so.
func (x *explanation) row(ctx context.Context, ex *data.Example) error {
	if ex.Bad != nil {
		return x.write(ex, nil)
	}
	text := model.Text{A: ex.Text, B: ex.Pair}
	labels := x.Labels
	if len(labels) == 0 {
		predictions, err := x.m.Predict(ctx, []model.Text{text})
		if err != nil {
			return err
		}
		labels = predictedOrTop(x.m, predictions[0])
	}
	explanations, err := x.explainer.Explain(ctx, text, labels, x.ExplainOptions)
	if err != nil {
		return err
	}
	return x.write(ex, explanations)
}

func (x *explanation) write(ex *data.Example, explanations []model.Explanation) error {
	if err := x.out.write(ex, explanations); err != nil {
		return err
	}
	return x.out.Flush()
}

// predictedOrTop returns the labels above their thresholds, or the most probable one if none is.
func predictedOrTop(m *model.Model, p model.Prediction) []string {
	if labels := m.Predicted(p); len(labels) > 0 {
		return labels
	}
	top := 0
	for i, z := range p.Logits {
		if z > p.Logits[top] {
			top = i
		}
	}
	return m.Labels[top : top+1]
}

// jsonExplanations writes a line of JSON for each text and label.
type jsonExplanations struct {
	*bufio.Writer
	method model.Method
}

func (w *jsonExplanations) write(ex *data.Example, explanations []model.Explanation) error {
	if ex.Bad != nil {
		return w.line(ex, struct {
			Error string `json:"error"`
		}{ex.Bad.Error()})
	}
	for _, e := range explanations {
		if err := w.line(ex, score.NewExplanation(&e, w.method)); err != nil {
			return err
		}
	}
	return nil
}

// line writes an object with the id of the row, if it has one, in front.
func (w *jsonExplanations) line(ex *data.Example, object any) error {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return err
	}
	_, err := w.Write(append(score.AppendID([]byte("{"), ex), b.String()[1:]...))
	return err
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// shownExplanations writes the words of each text for people: on a background whose strength is that of the contribution, or with
// numbers.
type shownExplanations struct {
	*bufio.Writer
	method  model.Method
	colours bool
}

func (w *shownExplanations) write(ex *data.Example, explanations []model.Explanation) error {
	id := ""
	if ex.HasID {
		id = term.Printable(ex.ID) + "  "
	}
	if ex.Bad != nil {
		_, err := fmt.Fprintf(w, "%s%s\n\n", id, term.Printable(ex.Bad.Error()))
		return err
	}
	for i := range explanations {
		e := &explanations[i]
		fmt.Fprintf(w, "%s%s %.3f: logit %+.2f", id, term.Printable(e.Label), sigmoid(e.Logit), e.Logit)
		if w.method == model.IntegratedGradients {
			fmt.Fprintf(w, " = %+.2f without the words %+.2f by them", e.Baseline, e.Sum())
		}
		fmt.Fprintf(w, "\n%s\n", w.text(ex.Text, ex.Pair, e))
		if strongest := strongest(e.Words, 5); w.colours && strongest != "" {
			fmt.Fprintf(w, "%s\n", strongest)
		}
		for _, c := range e.Special {
			if c.Value != 0 {
				fmt.Fprintf(w, "(%s %+.2f)\n", term.Printable(c.Word), c.Value)
			}
		}
		if len(e.Windows) > 0 {
			fmt.Fprintf(w, "windows:")
			for _, p := range e.Windows {
				fmt.Fprintf(w, " %+.2f", p.Share)
			}
			together := "the logit"
			if e.WindowPooling == model.NoisyOr {
				together = "−ln(1 − p)"
			}
			fmt.Fprintf(w, ", together %s\n", together)
		}
		if e.Cut > 0 {
			fmt.Fprintf(w, "(%d tokens more were cut)\n", e.Cut)
		}
		fmt.Fprintln(w)
	}
	return nil
}

// text returns the texts with their words marked.
func (w *shownExplanations) text(first, second string, e *model.Explanation) string {
	largest := 0.0
	for _, c := range e.Words {
		largest = max(largest, math.Abs(c.Value))
	}
	var b strings.Builder
	for i, text := range []string{first, second} {
		if i == 1 && second != "" {
			b.WriteString(" ‖ ")
		}
		at := 0
		for _, c := range e.Words {
			if c.Second == (i == 1) {
				b.WriteString(term.Printable(text[at:c.Start]) + w.word(term.Printable(c.Word), c.Value, largest))
				at = c.End
			}
		}
		b.WriteString(term.Printable(text[at:]))
	}
	return b.String()
}

// Backgrounds of the 256 colours that terminals share, from faint to strong; the characters on them are black.
var (
	forLabel     = [...]int{224, 217, 210, 203, 196} // red
	againstLabel = [...]int{195, 159, 117, 75, 33}   // blue
)

// word returns a word with its mark: a background for a contribution of a tenth of the largest or more, or the number.
func (w *shownExplanations) word(word string, value, largest float64) string {
	if !w.colours {
		return fmt.Sprintf("%s[%+.2f]", word, value)
	}
	level := int(math.Round(math.Abs(value)/largest*float64(len(forLabel)+1)-0.1)) - 1
	if !(level >= 0) {
		return word
	}
	colours := forLabel
	if value < 0 {
		colours = againstLabel
	}
	return fmt.Sprintf("\x1b[38;5;16;48;5;%dm%s\x1b[0m", colours[min(level, len(colours)-1)], word)
}

// strongest lists the words with the largest contributions.
func strongest(words []model.Contribution, n int) string {
	words = slices.Clone(words)
	slices.SortStableFunc(words, func(a, b model.Contribution) int { return cmp.Compare(math.Abs(b.Value), math.Abs(a.Value)) })
	var shown []string
	for _, c := range words[:min(n, len(words))] {
		shown = append(shown, fmt.Sprintf("%s %+.2f", term.Printable(c.Word), c.Value))
	}
	return strings.Join(shown, ", ")
}
