package modelcmd

import (
	"context"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"

	"github.com/spf13/cobra"
)

// convertOptions say what is written.
type convertOptions struct {
	From      flags.Source
	To        string // google or hf
	Folder    string // for the converted model
	Overwrite bool   // what is in the folder
}

// NewConvert returns the verb convert.
func NewConvert(a *cli.App) *cobra.Command { return newConvertCmd(a, runConvert) }

func newConvertCmd(a *cli.App, run cli.Runner[convertOptions]) *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert",
		Short: "Write a model in Google's or in Hugging Face's layout, exactly",
		Example: "  bertlabel convert --model bert-base-uncased --output uncased_L-12_H-768_A-12 --to google\n" +
			"  bertlabel convert --model model --output model-hf --to hf",
		Long: `Reads a model of either layout and writes it in the one that is asked for, with head, labels and tokenizer files. The weights
keep their bits, there and back. Google's gelu becomes gelu_new, the same function, and gelu_erf becomes gelu.`,
	}
	models := flags.AddModel(cmd)
	f := cmd.Flags()
	f.StringVar(&o.To, "to", "", "`LAYOUT`: google (bert_config.json, TensorFlow checkpoint) or hf (config.json, model.safetensors)")
	f.StringVar(&o.Folder, "output", "", "`FOLDER` for the converted model")
	f.BoolVar(&o.Overwrite, "overwrite", false, "write into an --output folder that is not empty")
	cli.Required(cmd, "to", "output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := cli.OneOf("to", o.To, "google", "hf"); err != nil {
			return err
		}
		if o.From, err = models.Source(); err != nil {
			return err
		}
		return run(cmd.Context(), a, o)
	}
	return cmd
}

func runConvert(ctx context.Context, a *cli.App, o convertOptions) error {
	if err := cli.CheckOutputDir(o.Folder, false, o.Overwrite); err != nil {
		return err
	}
	m, err := o.From.Open(a)
	if err == nil && len(m.Samples) > 0 && o.From.Overrides() { // they are of the model as it was
		err = m.MakeSamples(ctx)
	}
	if err != nil {
		return err
	}
	switch {
	case o.To == "google":
		sayUnknownToGoogle(a, m)
		err = m.Save(o.Folder, nil)
	case m.Head != nil && m.Pooling != bert.Pooled:
		return cli.Usagef("--to hf: the head reads %s features; BertForSequenceClassification has a place for a head on the "+
			"pooled output only",
			m.Pooling)
	default:
		err = m.SaveHuggingFace(o.Folder)
	}
	if err != nil {
		return err
	}
	if m.Head != nil && m.WindowPooling == model.NoisyOr {
		a.Log.Infof("the head reads each window of a text and joins them by noisy-or, which with its calibration bertlabel.json says: " +
			"other programs read one row")
	}
	a.Log.Infof("wrote %s", o.Folder)
	return nil
}

// sayUnknownToGoogle lists what bertlabel reads back from the folder, but Google's scripts would read otherwise or not at all.
func sayUnknownToGoogle(a *cli.App, m *model.Model) {
	c, o := m.Encoder.Config, m.Tokenizer.Options()
	if m.Head != nil && m.Pooling != bert.Pooled {
		a.Log.Infof("the head reads %s features, which bertlabel.json says: "+
			"create_model of Google's run_classifier.py has the pooled output only", m.Pooling)
	}
	if c.LayerNormEps != 0 {
		a.Log.Infof("layer_norm_eps is %g: Google's modeling.py does not read it and takes 1e-12", c.LayerNormEps)
	}
	if c.HiddenAct == "gelu_erf" {
		a.Log.Infof("hidden_act is gelu_erf, the exact form: Google's modeling.py does not know the name")
	}
	if o.StripAccents != nil || o.TokenizeChinese != nil || o.MaxWordChars != 0 {
		a.Log.Infof("bertlabel.json has choices of the tokenizer (accents, Chinese characters, longest word) " +
			"that Google's tokenization.py does not have")
	}
}
