// Package tracecmd has the verb that shows what happens inside a model: trace.
package tracecmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/bert/trace"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/tensor"

	"github.com/spf13/cobra"
)

// traceOptions say which text is followed, and what is shown of it.
type traceOptions struct {
	Model      flags.Source
	Text, Pair string
	Token      int    // whose way is shown
	Layer      int    // that is shown; −1: all
	Stage      string // what is shown: tokens, embeddings, layers or output; "": all
	Whole      bool   // every matrix
	JSON       bool
	Output     string             // .safetensors file for every tensor; "" for none
	CSV        string             // folder for a file a stage; "" for none
	Change     []trace.Alteration // at most one
	Backward   *backwardOptions   // instead of the forward pass; nil: none
}

var stages = []string{"tokens", "embeddings", "layers", "output"}

// NewTrace returns the verb trace.
func NewTrace(a *cli.App) *cobra.Command { return newTraceCmd(a, runTrace) }

func newTraceCmd(a *cli.App, run cli.Runner[traceOptions]) *cobra.Command {
	o := traceOptions{}
	var without, set string
	cmd := &cobra.Command{
		Use:   "trace TEXT",
		Short: "Show every stage of a text's way through a model",
		Example: "  bertlabel trace --model model \"The food was good.\"\n" +
			"  bertlabel trace --model model --token 3 --layer 0 \"The food was good.\"\n" +
			"  bertlabel trace --model model --without head:1.0 \"The food was good.\"\n" +
			"  bertlabel trace --model model --backward --labels food,praise --check \"The food was good.\"",
		Long: `Runs one text and shows its stages in the order of the computation, each with its formula, its shape and where the code
is. Stages have the names of their scopes in Google's modeling.py. --output F.safetensors writes all of them, of the size 4·L·S·(16·H + 2·A·S)
bytes about, one by one. --without and --set change one thing and show which stages that changes: they run in float64, slowly.
--backward shows how the loss of the text with --labels changes with each parameter, and what one step of training would do.`,
		Args: cobra.MaximumNArgs(1),
	}
	models := flags.AddRunModel(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Pair, "pair", "", "second text of a pair")
	f.IntVar(&o.Token, "token", 0, "the token whose way is shown, from 0, which is [CLS]")
	f.IntVar(&o.Layer, "layer", -1, "show this layer only, from 0 (default: all)")
	f.StringVar(&o.Stage, "stage", "", "show only: tokens, embeddings, layers, output")
	f.BoolVar(&o.Whole, "whole", false, "print every matrix, for small models")
	f.BoolVar(&o.JSON, "json", false, "write one JSON object")
	f.StringVar(&o.Output, "output", "", "`FILE`.safetensors to write all stages to")
	f.StringVar(&o.CSV, "csv", "", "`FOLDER` to write a CSV file of each stage to")
	f.StringVar(&without, "without", "", "leave out `PART`: "+strings.Join(trace.Parts(), ", ")+", head:L.H")
	f.StringVar(&set, "set", "", "change one element, `'NAME[3,5]=0.25'`")
	back := addBackward(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if len(args) != 1 {
			return cli.Usagef("trace needs one text, in quotes")
		}
		o.Text = args[0]
		if o.Change, err = alterations(without, set); err != nil {
			return err
		}
		if o.Backward, err = back.options(f.Changed("labels")); err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return err
		}
		if o.Model, err = models.Source(); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

// alterations reads --without and --set, of which one may be given.
func alterations(without, set string) ([]trace.Alteration, error) {
	parse, flag, value := trace.ParseWithout, "--without", without
	switch {
	case without != "" && set != "":
		return nil, cli.Usagef("--without and --set: one thing is changed at a time")
	case without == "" && set == "":
		return nil, nil
	case set != "":
		parse, flag, value = trace.ParseSetting, "--set", set
	}
	change, err := parse(value)
	if err != nil {
		return nil, cli.Usagef("%s: %v", flag, err)
	}
	return []trace.Alteration{change}, nil
}

func (o *traceOptions) check() error {
	if o.Stage != "" {
		if err := cli.OneOf("stage", o.Stage, stages...); err != nil {
			return err
		}
	}
	switch {
	case o.JSON && o.Whole:
		return cli.Usagef("--json and --whole: one form at a time")
	case len(o.Change) > 0 && (o.Whole || o.Output != "" || o.CSV != ""):
		return cli.Usagef("--without and --set show what changes: without --whole, --output and --csv")
	case o.Backward != nil && (len(o.Change) > 0 || o.Whole || o.CSV != "" || o.Stage != "" || o.Layer >= 0 || o.Token > 0):
		return cli.Usagef("--backward goes with --labels, --check, --entry, --json and --output only")
	case o.Output != "" && !strings.HasSuffix(o.Output, ".safetensors"):
		return cli.Usagef("--output %s: want a name that ends in .safetensors", o.Output)
	case o.Token < 0:
		return cli.Usagef("--token %d: want 0, which is [CLS], or more", o.Token)
	case o.Layer < -1:
		return cli.Usagef("--layer %d: want 0 or more", o.Layer)
	}
	return nil
}

// tracing is one run of the verb.
type tracing struct {
	traceOptions
	app  *cli.App
	m    *model.Model
	text tokenizer.Encoding
	out  *bufio.Writer
}

func runTrace(_ context.Context, a *cli.App, o traceOptions) (err error) {
	t := &tracing{traceOptions: o, app: a, out: bufio.NewWriter(a.Stdout)}
	open := o.Model.Open
	if o.Backward != nil {
		open = o.Model.OpenWithHead
	}
	if t.m, err = open(a); err != nil {
		return err
	}
	t.text = t.m.Encode([]string{o.Text}, []string{o.Pair})[0]
	if t.text.Cut > 0 {
		a.Log.Warnf("%d tokens were cut: the text has more than %d", t.text.Cut, t.m.MaxSeqLength)
	}
	if n := len(t.text.IDs); o.Token >= n {
		return cli.Usagef("--token %d: the text has the tokens 0 to %d", o.Token, n-1)
	}
	if n := len(t.m.Encoder.Layers); o.Layer >= n {
		return cli.Usagef("--layer %d: the model has the layers 0 to %d", o.Layer, n-1)
	}
	if o.Output != "" && o.Backward == nil {
		if err := t.writeTensors(); err != nil {
			return err
		}
	}
	if o.CSV != "" {
		if err := t.writeCSV(); err != nil {
			return err
		}
	}
	switch {
	case o.Backward != nil:
		err = t.backward()
	case len(o.Change) > 0:
		err = t.alter()
	case o.Whole:
		err = t.whole()
	default:
		err = t.summarize()
	}
	return errors.Join(err, t.out.Flush())
}

// summarize prints the summary.
func (t *tracing) summarize() error {
	s, err := trace.Summarize(t.m, t.text, t.Token, nil)
	if err != nil {
		return cli.WithCode(cli.ExitModel, err)
	}
	if t.Layer >= 0 {
		s.Layers = s.Layers[t.Layer : t.Layer+1]
	}
	if t.JSON {
		return cli.WriteIndented(t.out, s)
	}
	writeSummary(t.out, s, t.Stage)
	return nil
}

// alter prints which stages an alteration changes.
func (t *tracing) alter() error {
	changed, labels, err := trace.Alter(t.m, t.text, t.Change[0])
	if err != nil {
		return cli.Usagef("%v", err)
	}
	if t.JSON {
		return cli.WriteIndented(t.out, struct {
			Stages []trace.Altered      `json:"stages"`
			Labels []trace.AlteredLabel `json:"labels"`
		}{changed, labels})
	}
	writeAltered(t.out, changed, labels)
	return nil
}

// maxWhole is the largest number of values that --whole prints.
const maxWhole = 100_000

// whole prints every matrix.
func (t *tracing) whole() error {
	values := 0
	if err := t.walk(func(_ string, x *tensor.Tensor) error {
		values += x.Rows * x.Cols
		return nil
	}); err != nil {
		return err
	}
	if values > maxWhole {
		return cli.Usagef("--whole would print %d values, at most %d: choose --layer, or write them with --csv or --output", values, maxWhole)
	}
	return t.walk(func(name string, x *tensor.Tensor) error {
		writeMatrix(t.out, name, x)
		return nil
	})
}

// walk is trace.Walk over the stages that --layer and --stage leave.
func (t *tracing) walk(visit func(name string, x *tensor.Tensor) error) error {
	return trace.Walk(t.m, t.text, func(name string, x *tensor.Tensor) error {
		if !t.shows(name) {
			return nil
		}
		return visit(name, x)
	})
}

func (t *tracing) shows(name string) bool {
	of, layer := "output", -1
	switch {
	case name == trace.InputIDs || name == trace.SegmentIDs:
		of = "tokens"
	case strings.HasPrefix(name, "bert/embeddings/") || name == "embedding_output":
		of = "embeddings"
	default:
		if n, _ := fmt.Sscanf(strings.TrimPrefix(name, "bert/encoder/"), "layer_%d", &layer); n == 1 {
			of = "layers"
		}
	}
	return (t.Stage == "" || of == t.Stage) && (t.Layer < 0 || layer == t.Layer)
}
