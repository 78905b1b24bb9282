package modelcmd

import (
	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/flags"

	"github.com/spf13/cobra"
)

func NewConvertCmd(a *cli.App) *cobra.Command {
	var (
		to, output string
		overwrite  bool
	)
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
	f.StringVar(&to, "to", "", "`LAYOUT`: google (bert_config.json, TensorFlow checkpoint) or hf (config.json, model.safetensors)")
	f.StringVar(&output, "output", "", "`FOLDER` for the converted model")
	f.BoolVar(&overwrite, "overwrite", false, "write into an --output folder that is not empty")
	cli.Required(cmd, "to", "output")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := cli.OneOf("to", to, "google", "hf"); err != nil {
			return err
		}
		if err := cli.CheckOutputDir(output, false, overwrite); err != nil {
			return err
		}
		source, err := models.Source()
		if err != nil {
			return err
		}
		m, err := source.Open(a)
		if err != nil {
			return err
		}
		if to == "google" {
			sayUnknownToGoogle(a, m)
			err = m.Save(output, nil)
		} else if m.Head != nil && m.Pooling != bert.Pooled {
			return cli.Usagef("--to hf: the head reads %s features; BertForSequenceClassification has a place for a head on the pooled output only", m.Pooling)
		} else {
			err = m.SaveHuggingFace(output)
		}
		if err == nil {
			a.Log.Infof("wrote %s", output)
		}
		return err
	}
	return cmd
}

// sayUnknownToGoogle lists what bertlabel reads back from the folder, but Google's scripts would read otherwise or not at all.
func sayUnknownToGoogle(a *cli.App, m *model.Model) {
	c, o := m.Encoder.Config, m.Tokenizer.Options()
	if m.Head != nil && m.Pooling != bert.Pooled {
		a.Log.Infof("the head reads %s features, which bertlabel.json says: create_model of Google's run_classifier.py has the pooled output only", m.Pooling)
	}
	if c.LayerNormEps != 0 {
		a.Log.Infof("layer_norm_eps is %g: Google's modeling.py does not read it and takes 1e-12", c.LayerNormEps)
	}
	if c.HiddenAct == "gelu_erf" {
		a.Log.Infof("hidden_act is gelu_erf, the exact form: Google's modeling.py does not know the name")
	}
	if o.StripAccents != nil || o.TokenizeChinese != nil || o.MaxWordChars != 0 {
		a.Log.Infof("bertlabel.json has choices of the tokenizer (accents, Chinese characters, longest word) that Google's tokenization.py does not have")
	}
}
