// Package tracecmd has the verb that shows one text on its way through a model: trace.
package tracecmd

import (
	"context"
	"slices"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/bert/trace"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/cmd/bertlabel/internal/report"
	"bertlabel/cmd/bertlabel/internal/tracepage"
	"bertlabel/tensor"

	"github.com/spf13/cobra"
)

// options say which text is traced, and what is shown.
type options struct {
	Model      flags.Source
	Text, Pair string
	Token      int      // whose rows are shown, from 0
	Layer      *int     // only this layer; nil: all stages
	Stages     []string // only these blocks or stages; nil: all blocks
	Whole      bool     // every matrix
	JSON       bool
	Output     string   // safetensors file of all stages; "": none
	CSV        string   // folder of a file for each stage; "": none
	HTML       string   // page to look at; "": none
	Without    []string // parts that are left out
	Set        []string // weights that are changed

	Backward bool     // the gradient of the loss, instead
	Labels   []string // that the text has
	Check    bool     // compare with finite differences
	Entry    []string // elements that are compared, too
}

// The blocks of the text.
const (
	tokensBlock     = "tokens"
	embeddingsBlock = "embeddings"
	attentionBlock  = "attention"
	feedBlock       = "feed-forward"
	poolerBlock     = "pooler"
	labelsBlock     = "labels"
)

var blocks = []string{tokensBlock, embeddingsBlock, attentionBlock, feedBlock, poolerBlock, labelsBlock}

// NewTrace returns the verb trace.
func NewTrace(a *cli.App) *cobra.Command { return newTraceCmd(a, runTrace) }

func newTraceCmd(a *cli.App, run cli.Runner[options]) *cobra.Command {
	var o options
	var layer int
	cmd := &cobra.Command{
		Use:   "trace TEXT",
		Short: "Show one text on its way through a model, stage by stage, with formula and place in the source",
		Example: "  bertlabel trace --model model \"The food was not very good.\"\n" +
			"  bertlabel trace --model model --layer 0 --whole \"The food was not very good.\"\n" +
			"  bertlabel trace --model model --without head:1.1 --without position \"The food was not very good.\"",
		Long: `Each block has formula, shape, file and symbol, and what there is to see of one token, [CLS] unless --token says another. |x| is the
length of a row. --output has every stage under the name of its scope in modeling.py, with the bits of a prediction. --without and --set
run bert/plain, float64 and plain loops, twice, and say which stages have changed and by how much. --backward shows the gradient of the
loss by each parameter instead, and writes it to --output; a model without a head gets one as train draws it. In --json what is no finite
number is "NaN", "Infinity" or "-Infinity".`,
		Args: cli.OneArg("a text, in quotes"),
	}
	models := flags.AddModel(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Pair, "pair", "", "second `TEXT` of a pair")
	f.IntVar(&o.Token, "token", 0, "place of the `TOKEN` that is looked at, from 0: [CLS]")
	f.IntVar(&layer, "layer", 0, "show this layer only, from 0 (default: all)")
	f.StringArrayVar(&o.Stages, "stage", nil,
		"show only tokens, embeddings, attention, feed-forward, pooler or labels, or a stage by its `NAME` in --output; may be repeated")
	f.BoolVar(&o.Whole, "whole", false, "print every matrix: for small models, or one --layer or --stage")
	f.BoolVar(&o.JSON, "json", false, "print one JSON object")
	f.StringVar(&o.Output, "output", "", "safetensors `FILE` of all stages")
	f.StringVar(&o.CSV, "csv", "", "`FOLDER` for a CSV file of each stage")
	f.StringVar(&o.HTML, "html", "", "`FILE` for a page to look at by mouse or keys, which asks for nothing else")
	f.StringArrayVar(&o.Without, "without", nil,
		"leave out `PART`: scale, position, gelu, residual1, residual2, norm or head:L.H; may be repeated")
	f.StringArrayVar(&o.Set, "set", nil, "change a weight: `'NAME[3,5]=0.25'`; may be repeated")
	f.BoolVar(&o.Backward, "backward", false, "show the gradient of the loss by each parameter instead")
	f.StringSliceVar(&o.Labels, "labels", nil, "with --backward: `NAMES` that the text has, separated by commas; it has no others")
	f.BoolVar(&o.Check, "check", false, "with --backward: compare each gradient with finite differences")
	f.StringArrayVar(&o.Entry, "entry", nil, "with --check: an element to compare, too, `'NAME[3,5]'`; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.Text = args[0]
		if f.Changed("layer") {
			o.Layer = &layer
		}
		if o.Model, err = models.Source(); err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// check refuses what no model can do.
func (o *options) check() error {
	for _, part := range o.Without {
		if _, err := parsePart(part); err != nil {
			return err
		}
	}
	for _, s := range o.Set {
		if _, err := parseWeight(s); err != nil {
			return err
		}
	}
	if o.JSON && !o.Whole {
		if o.Layer != nil {
			return cli.Usagef("--layer would change nothing: --json has every layer; with --whole it says whose matrices")
		}
		for _, stage := range o.Stages {
			if slices.Contains(blocks, stage) {
				return cli.Usagef("--stage %s would change nothing: --json has every block; a stage by its name adds the matrix", stage)
			}
		}
	}
	if o.changes() && o.Token != 0 {
		return cli.Usagef("--token would change nothing: --without and --set say what changes of all tokens")
	}
	if o.HTML == "-" && o.Output == "-" {
		return cli.Usagef("--html and --output are both -: stdout can be only one of them")
	}
	if o.changes() && (o.JSON || o.Output != "" || o.CSV != "" || o.HTML != "" || o.Whole || len(o.Stages) > 0) {
		return cli.Usagef("--without and --set print a table of what changes; they take no --json, --output, --csv, --html, --whole " +
			"or --stage")
	}
	return o.checkBackward()
}

// checkBackward refuses flags that belong to the other direction.
func (o *options) checkBackward() error {
	switch {
	case !o.Backward && (len(o.Labels) > 0 || o.Check || len(o.Entry) > 0):
		return cli.Usagef("--labels, --check and --entry belong to --backward")
	case !o.Check && len(o.Entry) > 0:
		return cli.Usagef("--entry belongs to --check")
	case o.Backward && (o.changes() || o.Whole || o.CSV != "" || o.HTML != "" || len(o.Stages) > 0 ||
		o.Layer != nil || o.Token != 0):
		return cli.Usagef("--backward takes no --without, --set, --whole, --csv, --html, --stage, --layer or --token")
	}
	for _, s := range o.Entry {
		if _, err := parseWeight(s + "=0"); err != nil {
			return cli.Usagef("--entry %q: want 'NAME[row,column]', or NAME[i] for a bias", s)
		}
	}
	return nil
}

// changes says whether the text is run twice, as the model is and as --without and --set have it.
func (o *options) changes() bool { return len(o.Without)+len(o.Set) > 0 }

// tracing is one run of the verb.
type tracing struct {
	options
	app    *cli.App
	m      *model.Model
	text   tokenizer.Encoding
	report *trace.Report
	page   *tracepage.Page           // of --html
	whole  map[string]*tensor.Tensor // stages that are printed as matrices
}

func runTrace(_ context.Context, a *cli.App, o options) (err error) {
	t := &tracing{options: o, app: a, whole: map[string]*tensor.Tensor{}}
	if t.m, err = o.Model.Open(a); err != nil {
		return err
	}
	var pairs []string
	if o.Pair != "" {
		pairs = []string{o.Pair}
	}
	t.m.Windows = tokenizer.Windows{} // one row is shown
	t.text = t.m.Encode([]string{o.Text}, pairs)[0]
	if t.text.Cut > 0 {
		a.Log.Infof("the last %d tokens are cut; --max-seq-length is %d", t.text.Cut, t.m.MaxSeqLength)
	}
	if err := t.check(); err != nil {
		return err
	}
	if err := t.admit(); err != nil {
		return err
	}
	if o.Backward {
		return t.backward()
	}
	if o.changes() {
		return t.compare()
	}
	t.report = trace.NewReport(t.m, t.text, o.Token)
	if err := t.run(); err != nil {
		return err
	}
	if o.HTML != "" {
		if err := t.writePage(); err != nil {
			return err
		}
	}
	if o.HTML == "-" || o.Output == "-" {
		return nil // that was stdout
	}
	if o.JSON {
		return t.writeJSON()
	}
	return t.writeText()
}

// check refuses what this model and this text do not have.
func (t *tracing) check() error {
	if n := len(t.text.IDs); t.Token < 0 || t.Token >= n {
		return cli.Usagef("--token %d: the text has the tokens 0 to %d", t.Token, n-1)
	}
	if n := len(t.m.Encoder.Layers); t.Layer != nil && (*t.Layer < 0 || *t.Layer >= n) {
		return cli.Usagef("--layer %d: the model has the layers 0 to %d", *t.Layer, n-1)
	}
	if n := len(t.text.IDs); t.HTML != "" && t.Layer == nil && n > tracepage.MostTokens {
		return cli.Usagef("--html shows all layers of at most %d tokens, the text has %d: choose --layer", tracepage.MostTokens, n)
	}
	stages, names := trace.Stages(t.m, len(t.text.IDs)), slices.Clone(blocks)
	for _, s := range stages {
		names = append(names, s.Name)
	}
	for _, name := range t.Stages {
		if !slices.Contains(names, name) {
			return cli.Usagef("--stage %q: no such block or stage%s", name, cli.DidYouMean(name, "", names))
		}
	}
	numbers := 0
	for _, s := range stages {
		if t.wholeStage(s.Name) {
			numbers += s.Shape[0] * s.Shape[1]
		}
	}
	if numbers > mostNumbers {
		return cli.Usagef("--whole would print %d numbers, the most is %d: choose --layer or --stage", numbers, mostNumbers)
	}
	return nil
}

// mostNumbers is what a person may want to scroll through; the tensor file takes any number.
const mostNumbers = 1 << 18

// run takes the text through the model, and each stage to whoever wants it.
func (t *tracing) run() error {
	sinks := []sink{t.report.Add, t.keep}
	if t.CSV != "" {
		tables, err := t.createTables()
		if err != nil {
			return err
		}
		sinks = append(sinks, tables.add)
	}
	if t.HTML != "" {
		t.page = tracepage.New(t.m, t.text, tracepage.Options{Model: report.Base(t.Model.Path), Text: t.Text, Pair: t.Pair, Token: t.Token,
			Layer: t.Layer})
		sinks = append(sinks, t.page.Add)
	}
	walk := func(sinks []sink) error {
		return trace.Run(t.m, t.text, func(s trace.Stage, x *tensor.Tensor) error {
			for _, sink := range sinks {
				if err := sink(s, x); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if t.Output == "" {
		return walk(sinks)
	}
	return t.writeTensors(func(add sink) error { return walk(append(sinks, add)) })
}

// writePage writes the file of --html.
func (t *tracing) writePage() error {
	out, err := t.app.CreateOutput(t.HTML)
	if err != nil {
		return err
	}
	defer out.Discard()
	if err := t.page.Write(out); err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	t.app.Log.Infof("wrote %s", t.HTML)
	return nil
}

// sink is somebody who wants the stages.
type sink = func(trace.Stage, *tensor.Tensor) error

// keep copies a stage that is to be printed.
func (t *tracing) keep(s trace.Stage, x *tensor.Tensor) error {
	if t.wholeStage(s.Name) {
		y := tensor.New(x.Rows, x.Cols)
		for i := range x.Rows {
			copy(y.Row(i), x.Row(i))
		}
		t.whole[s.Name] = y
	}
	return nil
}
