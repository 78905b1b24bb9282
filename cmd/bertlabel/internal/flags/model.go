package flags

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Model holds the flags that name a model and say how it reads text.
type Model struct {
	Path                          string
	Config, Vocab, InitCheckpoint string
	HiddenAct                     string
	LowerCase                     bool
	MaxSeqLength                  int
	AutoLength                    bool // --max-seq-length auto, for a verb that knows it
	KeepTokens                    string
	Precision, Embeddings         string // "" for a verb without them
	IgnoreVariables               []string
	Offline                       bool
	Windows                       Windows // for a verb with AddWindows

	cmd *cobra.Command
}

// AddModel declares them for a verb.
func AddModel(cmd *cobra.Command) *Model {
	m := &Model{cmd: cmd}
	f := cmd.Flags()
	f.StringVar(&m.Path, "model", "", "model `FOLDER` or checkpoint prefix; google:NAME or hf:ORG/NAME (bertlabel pull)")
	f.StringVar(&m.Config, "bert-config-file", "", "bert_config.json `FILE` instead of the model's")
	f.StringVar(&m.Vocab, "vocab-file", "", "vocab.txt `FILE` instead of the model's")
	f.StringVar(&m.InitCheckpoint, "init-checkpoint", "", "checkpoint `PREFIX` instead of the model's")
	f.StringVar(&m.HiddenAct, "hidden-act", "", "activation instead of the config's: gelu (tanh form), gelu_erf, relu, tanh, linear")
	f.BoolVar(&m.LowerCase, "do-lower-case", false, "lower-case the text (default: as the model was trained)")
	f.IntVar(&m.MaxSeqLength, "max-seq-length", 0, "tokens of a text with [CLS] and [SEP] (default: the model's, else 128)")
	f.StringVar(&m.KeepTokens, "keep-tokens", "", "words that are one token each, such as '[NAME],[RELIGION]'")
	f.StringSliceVar(&m.IgnoreVariables, "ignore-variables", nil,
		"`PATTERNS` of variables of the checkpoint that the model has no place for, separated by commas; * stands for anything")
	AddOffline(cmd, &m.Offline)
	cli.Minor(cmd, "Model flags", "bert-config-file", "vocab-file", "init-checkpoint", "hidden-act", "do-lower-case", "keep-tokens",
		"ignore-variables")
	return m
}

// AddAutoLength makes --max-seq-length take the word auto, too.
func AddAutoLength(cmd *cobra.Command, m *Model) {
	f := cmd.Flags().Lookup("max-seq-length")
	f.Value = &autoLength{f.Value, m}
	f.DefValue, f.Usage = "", "tokens of a text with [CLS] and [SEP]; auto (default): 99 of 100 texts are whole"
}

// autoLength is a number, or the word auto.
type autoLength struct {
	pflag.Value
	m *Model
}

// String implements pflag.Value.
func (l *autoLength) String() string {
	if l.Value == nil || l.m.AutoLength || l.m.MaxSeqLength == 0 {
		return "auto"
	}
	return l.Value.String()
}

// Set implements pflag.Value.
func (l *autoLength) Set(s string) error {
	if l.m.AutoLength = s == "auto"; l.m.AutoLength {
		return nil
	}
	return l.Value.Set(s)
}

// AddRunModel declares the flags of AddModel, --precision and --embeddings, for a verb that runs a model.
func AddRunModel(cmd *cobra.Command) *Model {
	m := AddModel(cmd)
	AddPrecision(cmd, &m.Precision)
	AddEmbeddings(cmd, &m.Embeddings)
	cli.Minor(cmd, "Model flags", "precision", "embeddings")
	return m
}

// Source returns what the flags say of the model, which need not exist.
func (m *Model) Source() (Source, error) {
	if m.Path == "" && (m.Config == "" || m.Vocab == "" || m.InitCheckpoint == "") {
		return Source{}, cli.Usagef("%s needs --model, or --bert-config-file, --vocab-file and --init-checkpoint", m.cmd.Name())
	}
	if m.HiddenAct != "" {
		if err := cli.OneOf("hidden-act", m.HiddenAct, "gelu", "gelu_erf", "relu", "tanh", "linear"); err != nil {
			return Source{}, err
		}
	}
	s := Source{Path: m.Path, ConfigFile: m.Config, VocabFile: m.Vocab, InitCheckpoint: m.InitCheckpoint, HiddenAct: m.HiddenAct,
		IgnoreVariables: m.IgnoreVariables, Offline: m.Offline, Windows: m.Windows,
		strictPatterns: cli.OnCommandLine(m.cmd, "ignore-variables")}
	if err := CheckRef(m.Path); err != nil {
		return Source{}, err
	}
	if s.HasPrecision = m.Precision != ""; s.HasPrecision {
		var err error
		if s.Precision, err = ParsePrecision("precision", m.Precision); err != nil {
			return Source{}, err
		}
		if s.Embeddings, err = ParseEmbeddings(m.Embeddings); err != nil {
			return Source{}, err
		}
	}
	if m.cmd.Flags().Changed("do-lower-case") {
		s.LowerCase = &m.LowerCase
	}
	if m.cmd.Flags().Changed("max-seq-length") && !m.AutoLength {
		s.MaxSeqLength = &m.MaxSeqLength
	}
	if m.KeepTokens != "" {
		s.KeepTokens = strings.Split(m.KeepTokens, ",")
	}
	return s, nil
}

// Source says where a model is, and how it reads text: the fields of model.Options of the same names.
type Source struct {
	Path                                             string // a folder, a checkpoint, or a hub.Ref; "": the three files say it all
	ConfigFile, VocabFile, InitCheckpoint, HiddenAct string
	LowerCase                                        *bool
	KeepTokens, IgnoreVariables                      []string
	MaxSeqLength                                     *int // nil: the model's own
	Precision, Embeddings                            bert.Precision
	Windows                                          Windows

	Offline      bool // nothing is pulled
	HasPrecision bool // the verb has --precision and --embeddings
	Gradients    bool // there will be an explainer beside the model
	Silent       bool // Open says nothing, as the model is opened once more

	strictPatterns bool // the command line has the patterns of IgnoreVariables: one that matches nothing is wrong
}

// Overrides reports whether the model is read otherwise than its folder says, so that it may say other things of texts.
func (s *Source) Overrides() bool {
	return s.ConfigFile != "" || s.VocabFile != "" || s.InitCheckpoint != "" || s.HiddenAct != "" || s.LowerCase != nil ||
		len(s.KeepTokens) > 0 || s.MaxSeqLength != nil
}

func (s *Source) options(a *cli.App) *model.Options {
	return &model.Options{
		ConfigFile: s.ConfigFile, VocabFile: s.VocabFile, InitCheckpoint: s.InitCheckpoint, HiddenAct: s.HiddenAct,
		LowerCase: s.LowerCase, KeepTokens: s.KeepTokens, Threads: a.Threads, Precision: s.Precision, Embeddings: s.Embeddings,
		IgnoreVariables: s.IgnoreVariables,
	}
}

// Stamp returns model.Stamp of the model, which takes a millisecond or two.
func (s *Source) Stamp(a *cli.App) ([]byte, error) {
	path, err := Local(a, s.Path, s.Offline)
	if err != nil {
		return nil, err
	}
	stamp, err := model.Stamp(path, s.options(a))
	return stamp, cli.WithCode(cli.ExitModel, err)
}

// Settings returns what the flags say that changes the numbers of a model, by the keys of config files.
func (s *Source) Settings() map[string]string {
	settings := map[string]string{"precision": s.Precision.Resolve().String()}
	if s.HiddenAct != "" {
		settings["hidden_act"] = s.HiddenAct
	}
	if s.LowerCase != nil {
		settings["do_lower_case"] = strconv.FormatBool(*s.LowerCase)
	}
	if s.MaxSeqLength != nil {
		settings["max_seq_length"] = strconv.Itoa(*s.MaxSeqLength)
	}
	if len(s.KeepTokens) > 0 {
		settings["keep_tokens"] = strings.Join(s.KeepTokens, ",")
	}
	if len(s.IgnoreVariables) > 0 {
		settings["ignore_variables"] = strings.Join(s.IgnoreVariables, ",")
	}
	if s.Embeddings != bert.FP32 {
		settings["embeddings"] = s.Embeddings.String()
	}
	if text := (*mostWindows)(&s.Windows).String(); text != "" {
		settings["windows"] = text
	}
	if text := (*windowOverlap)(&s.Windows).String(); text != "" {
		settings["window_overlap"] = text
	}
	return settings
}

// ReadConfig reads the configuration of the model only.
func (s *Source) ReadConfig(a *cli.App) (bert.Config, error) {
	path, err := Local(a, s.Path, s.Offline)
	if err != nil {
		return bert.Config{}, err
	}
	return model.ReadConfig(path, s.options(a))
}

// Open opens the model, and logs what it finds. Flags that contradict it are wrong usage, weights beyond the memory budget are refused
// before they are read, all else that is wrong is the model's fault.
func (s *Source) Open(a *cli.App) (*model.Model, error) { return s.open(a, model.Open) }

// OpenShared is Open for a server: what is opened uses the encoder of one of have where it is the same, else asks admit
// (model.Options.Admit), and is read on so many threads.
func (s *Source) OpenShared(a *cli.App, threads int, admit func(bytes int) error, have ...*model.Model) (*model.Model, error) {
	return s.open(a, func(path string, o *model.Options) (*model.Model, error) {
		o.Threads, o.Admit = threads, admit
		return model.OpenShared(path, o, have...)
	})
}

func (s *Source) open(a *cli.App, open func(path string, o *model.Options) (*model.Model, error)) (*model.Model, error) {
	path, err := Local(a, s.Path, s.Offline)
	if err != nil {
		return nil, err
	}
	if err := s.admit(a); err != nil {
		return nil, err
	}
	o := s.options(a)
	var unused error
	if s.strictPatterns {
		o.Unused = func(pattern string) error {
			unused = cli.Usagef("--ignore-variables %s would change nothing: no variable of the checkpoint is called so", pattern)
			return unused
		}
	}
	if !s.Silent {
		o.Log = func(message string) { a.Log.Infof("%s", message) }
		o.Warn = func(message string) { a.Log.Warnf("%s", message) }
	}
	m, err := open(path, o)
	if misfit := new(model.MisfitError); errors.As(err, &misfit) && misfit.Unexpected > 0 {
		err = fmt.Errorf("%w\nunexpected variables are left out by --ignore-variables PATTERNS, such as '*/slot'", err)
	}
	if err != nil {
		return nil, cmp.Or(unused, cli.WithCode(cli.ExitModel, err))
	}
	if s.MaxSeqLength != nil {
		if n, limit := *s.MaxSeqLength, m.Encoder.Config.MaxPositionEmbeddings; n < 3 || n > limit {
			return nil, cli.Usagef("--max-seq-length %d: want 3 to %d, the model's max_position_embeddings", n, limit)
		}
		m.MaxSeqLength = *s.MaxSeqLength
	}
	lengths := m.Lengths()
	if err := s.Windows.Apply(&lengths); err != nil {
		return nil, err
	}
	m.Windows = lengths.Windows
	if !s.Silent {
		SayPrecision(a, s.Precision, m)
	}
	return m, nil
}

// OpenWithHead opens a model that has been trained.
func (s *Source) OpenWithHead(a *cli.App) (*model.Model, error) {
	m, err := s.Open(a)
	if err == nil && m.Head == nil {
		err = cli.WithCode(cli.ExitModel,
			fmt.Errorf("model %s has no head (output_weights, output_bias): train one with bertlabel train", s.Path))
	}
	return m, err
}

// CheckPooling says what the model lacks for a pooling: a pooler is the model's fault, a layer wrong usage.
func CheckPooling(m *model.Model, pooling bert.Pooling) error {
	_, err := m.Encoder.PoolingWidth(pooling)
	switch {
	case err == nil:
		return nil
	case m.Encoder.Pooler == nil:
		return cli.WithCode(cli.ExitModel, fmt.Errorf("%w; try --pooling mean", err))
	}
	return cli.WithCode(cli.ExitUsage, err)
}
