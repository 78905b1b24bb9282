package traincmd

import (
	"context"
	"slices"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit"

	"github.com/spf13/cobra"
)

// tuneOptions say what is done to which finished model.
type tuneOptions struct {
	Model   flags.Source
	Rows    *flags.Data
	Dev     string
	Output  string // folder; "": that of the model
	Over    bool   // what is in Output
	Options fit.Options
}

// NewTune returns the verb tune.
func NewTune(a *cli.App) *cobra.Command { return newTuneCmd(a, runTune) }

func newTuneCmd(a *cli.App, run cli.Runner[tuneOptions]) *cobra.Command {
	var o tuneOptions
	var tuning flags.Tuning
	var seed uint64
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Choose the thresholds of a finished model on held-out texts, and calibrate it",
		Example: "  bertlabel tune --model model --dev dev.csv\n" +
			"  bertlabel tune --model model --dev dev.csv --threshold-objective precision@0.9 --calibrate\n" +
			"  bertlabel tune --model model --dev dev.csv --precision int8 --output model-int8",
		Long: `What train --tune-thresholds and --calibrate do at the end of a run, for a model that is there already: trained here, or made elsewhere
and converted. The thresholds, and with --calibrate the rescaled head, are written into the model's folder, or with --output into
another. The encoder stays as it is. With --precision they are chosen for the probabilities that the model has in that precision.`,
	}
	models := flags.AddRunModel(cmd)
	flags.AddWindows(cmd, &models.Windows)
	o.Rows = flags.AddData(cmd, data.StopAtBadRow)
	f := cmd.Flags()
	f.StringVar(&o.Dev, "dev", "", "`FILE` of labelled texts that the model was not trained on")
	f.StringVar(&o.Output, "output", "", "`FOLDER` for the tuned model (default: the model's own)")
	f.BoolVar(&o.Over, "overwrite", false, "write into an --output folder that is not empty")
	flags.AddTuning(cmd, &tuning)
	f.Uint64Var(&seed, "seed", 42, "deals the rows into folds for --calibrate")
	cli.Minor(cmd, "Data flags", "seed")
	cli.Required(cmd, "model", "dev")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if tuning.Thresholds == "" {
			tuning.Thresholds = fit.Guarded.String()
		}
		if o.Options.Tuning, err = tuning.Tuning(); err != nil {
			return cli.WithCode(cli.ExitUsage, err)
		}
		switch {
		case cli.OnCommandLine(cmd, "overwrite") && o.Output == "":
			return cli.Usagef("--overwrite is for an --output folder: without one the model's own is written")
		case cli.OnCommandLine(cmd, "seed") && tuning.Calibrate == "":
			return cli.Usagef("--seed deals rows into folds for --calibrate: give that too")
		}
		if o.Model, err = models.Source(); err != nil {
			return err
		}
		config := train.DefaultHeadConfig()
		config.Seed = seed
		o.Options.Config, o.Options.OnLong = &config, o.Rows.OnLong
		return run(cmd.Context(), a, o)
	}
	return cmd
}

func runTune(ctx context.Context, a *cli.App, o tuneOptions) error {
	if o.Output != "" {
		if err := cli.CheckOutputDir(o.Output, false, o.Over); err != nil {
			return err
		}
	}
	files, err := o.Rows.Read(a)
	if err != nil {
		return err
	}
	m, err := o.Model.OpenWithHead(a)
	if err != nil {
		return err
	}
	if o.Output == "" {
		if o.Output, err = ownFolder(m, &o.Model); err != nil {
			return err
		}
	}
	flags.Found(a, flags.DiagnoseModel(m)...)
	if files.Options.Labels, err = o.Rows.NameOutputs(m); err != nil {
		return err
	}
	rows, err := files.Load(o.Dev)
	if err != nil {
		return err
	}
	before, sampled := flags.Span(m.Thresholds), len(m.Samples) > 0
	o.Options.Observer = (&listener{a: a, config: o.Options.Config}).observer()
	result, err := fit.Retune(ctx, m, rows, o.Options)
	a.Log.Done()
	if err != nil {
		return err
	}
	if err := o.save(ctx, a, m, sampled); err != nil {
		return err
	}
	a.Log.Infof("thresholds were %s, are %s; wrote %s", before, flags.Span(m.Thresholds), o.Output)
	return cli.WriteJSON(a, result.Dev, result.Dev.WriteTable)
}

// ownFolder returns the folder of a model that can be written into.
func ownFolder(m *model.Model, s *flags.Source) (string, error) {
	if s.Path == "" || m.Folder() != s.Path || s.ConfigFile != "" || s.VocabFile != "" || s.InitCheckpoint != "" {
		return "", cli.Usagef("the model does not come from one folder that could be written into: give --output")
	}
	return m.Folder(), nil
}

// save writes the model with the thresholds and the head that m has now, and with samples anew if it had some. A model in a low
// precision has lost its weights: they are read anew.
func (o *tuneOptions) save(ctx context.Context, a *cli.App, m *model.Model, sampled bool) error {
	if m.Encoder.Rounds() {
		whole := o.Model
		whole.Precision, whole.Embeddings, whole.Silent = bert.FP32, bert.FP32, true
		w, err := whole.Open(a)
		if err != nil {
			return err
		}
		w.Head, w.Labels, w.Thresholds, w.Calibration = m.Head, m.Labels, slices.Clone(m.Thresholds), m.Calibration
		w.SetTraining(m.Training())
		m = w
	}
	if sampled {
		if err := m.MakeSamples(ctx); err != nil {
			return err
		}
	}
	switch own := o.Output == o.Model.Path; {
	case own && o.Options.Tuning.Calibrate == fit.AsNeeded:
		return m.SaveSettings(o.Output)
	case m.HuggingFace():
		return m.SaveHuggingFace(o.Output)
	}
	return m.Save(o.Output, nil)
}
