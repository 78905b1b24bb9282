package main

import (
	"fmt"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
)

// modelFlags are the flags that name a model and say how it reads text.
type modelFlags struct {
	path                          string
	config, vocab, initCheckpoint string
	hiddenAct                     string
	lowerCase                     bool
	maxSeqLength                  int
	keepTokens                    string

	cmd *cobra.Command
}

// addModelFlags declares them for a verb.
func addModelFlags(cmd *cobra.Command) *modelFlags {
	m := &modelFlags{cmd: cmd}
	f := cmd.Flags()
	f.StringVar(&m.path, "model", "", "model `FOLDER` (Google's, Hugging Face's, or train's) or checkpoint prefix")
	f.StringVar(&m.config, "bert-config-file", "", "bert_config.json `FILE` instead of the model's")
	f.StringVar(&m.vocab, "vocab-file", "", "vocab.txt `FILE` instead of the model's")
	f.StringVar(&m.initCheckpoint, "init-checkpoint", "", "checkpoint `PREFIX` instead of the model's")
	f.StringVar(&m.hiddenAct, "hidden-act", "", "activation instead of the config's: gelu (tanh form), gelu_erf, relu, tanh, linear")
	f.BoolVar(&m.lowerCase, "do-lower-case", false, "lower-case the text (default: as the model was trained)")
	f.IntVar(&m.maxSeqLength, "max-seq-length", 0, "tokens of a text with [CLS] and [SEP] (default: the model's, else 128)")
	f.StringVar(&m.keepTokens, "keep-tokens", "", "words that are one token each, such as '[NAME],[RELIGION]'")
	cli.Minor(cmd, "Model flags", "bert-config-file", "vocab-file", "init-checkpoint", "hidden-act", "do-lower-case", "keep-tokens")
	return m
}

// options returns what the flags say of the model, which need not exist.
func (m *modelFlags) options(a *cli.App) (*model.Options, error) {
	if m.path == "" && (m.config == "" || m.vocab == "" || m.initCheckpoint == "") {
		return nil, cli.Usagef("%s needs --model, or --bert-config-file, --vocab-file and --init-checkpoint", m.cmd.Name())
	}
	if m.hiddenAct != "" {
		if err := cli.OneOf("hidden-act", m.hiddenAct, "gelu", "gelu_erf", "relu", "tanh", "linear"); err != nil {
			return nil, err
		}
	}
	o := &model.Options{
		ConfigFile: m.config, VocabFile: m.vocab, InitCheckpoint: m.initCheckpoint,
		HiddenAct: m.hiddenAct, Threads: a.Threads, Log: func(s string) { a.Log.Infof("%s", s) },
	}
	if m.cmd.Flags().Changed("do-lower-case") {
		o.LowerCase = &m.lowerCase
	}
	if m.keepTokens != "" {
		o.KeepTokens = strings.Split(m.keepTokens, ",")
	}
	return o, nil
}

// readConfig reads the configuration of the model only.
func (m *modelFlags) readConfig(a *cli.App) (bert.Config, error) {
	o, err := m.options(a)
	if err != nil {
		return bert.Config{}, err
	}
	o.Log = nil // open will say it
	return model.ReadConfig(m.path, o)
}

// open opens the model. Flags that contradict it are wrong usage, all else that is wrong is the model's fault.
func (m *modelFlags) open(a *cli.App) (*model.Model, error) {
	o, err := m.options(a)
	if err != nil {
		return nil, err
	}
	opened, err := model.Open(m.path, o)
	if err != nil {
		return nil, cli.WithCode(cli.ExitModel, err)
	}
	if m.cmd.Flags().Changed("max-seq-length") {
		if limit := opened.Encoder.Config.MaxPositionEmbeddings; m.maxSeqLength < 3 || m.maxSeqLength > limit {
			return nil, cli.Usagef("--max-seq-length %d: want 3 to %d, the model's max_position_embeddings", m.maxSeqLength, limit)
		}
		opened.MaxSeqLength = m.maxSeqLength
	}
	return opened, nil
}

// openWithHead opens a model that has been trained.
func (m *modelFlags) openWithHead(a *cli.App) (*model.Model, error) {
	opened, err := m.open(a)
	if err == nil && opened.Head == nil {
		err = cli.WithCode(cli.ExitModel, fmt.Errorf("model %s has no head (output_weights, output_bias): train one with bertlabel train", m.path))
	}
	return opened, err
}
