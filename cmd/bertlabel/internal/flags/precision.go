package flags

import (
	"fmt"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"

	"github.com/spf13/cobra"
)

// AddPrecision declares --precision. Verbs that run or train a model have it. Those that write one work in float32 and have not, so that
// BERTLABEL_PRECISION and the key of a config file pass them by.
func AddPrecision(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "precision", bert.FP32.String(),
		"bits of the matrix products: fp32, bf16, int8, or auto (bf16 where this CPU is fast in it, else fp32)")
}

// AddEmbeddings declares --embeddings, for verbs that run a model.
func AddEmbeddings(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "embeddings", "",
		"bits of the word embeddings in memory: fp32 (default), or int8, a quarter of the memory")
}

// ParseEmbeddings reads its value; "" is fp32. The error is wrong usage.
func ParseEmbeddings(value string) (bert.Precision, error) {
	if value == "" {
		return bert.FP32, nil
	}
	p, err := bert.ParsePrecision(value)
	if err != nil || p != bert.FP32 && p != bert.Int8 {
		return p, cli.Usagef("--embeddings %q: want fp32 or int8", value)
	}
	return p, nil
}

// ParsePrecision reads the value of a flag, with auto as it is. The error is wrong usage.
func ParsePrecision(flag, value string) (bert.Precision, error) {
	p, err := bert.ParsePrecision(value)
	if err != nil {
		return p, cli.Usagef("--%s %q: want fp32, bf16, int8 or auto", flag, value)
	}
	return p, nil
}

// SayPrecision tells in which precision a model runs, where it is not the usual one or was not named.
func SayPrecision(a *cli.App, asked bert.Precision, m *model.Model) {
	got, embeddings := m.Precision(), ""
	if p := m.Encoder.EmbeddingsPrecision(); p != bert.FP32 {
		embeddings = ", its word embeddings in " + p.String()
	}
	switch {
	case asked == bert.Auto:
		a.Log.Infof("the model runs in %s, which auto takes on this CPU%s", got, embeddings)
	case m.Encoder.Rounds():
		a.Log.Infof("the model runs in %s%s", got, embeddings)
	}
}

// admit refuses, before the weights are read, a model that the memory budget has no room for.
func (s *Source) admit(a *cli.App) error {
	config, err := s.ReadConfig(a)
	if a.MaxMemory == 0 || err != nil {
		return nil // opening the model says what is wrong with it
	}
	need, err := s.memory(a, config, s.Precision, s.Embeddings)
	if err != nil || need <= int64(a.MaxMemory) {
		return nil
	}
	hint := ""
	for _, h := range []struct {
		words                 string
		precision, embeddings bert.Precision
	}{
		{"in int8 (--precision)", bert.Int8, s.Embeddings},
		{"in int8, its word embeddings too (--precision and --embeddings)", bert.Int8, bert.Int8},
	} {
		less, _ := s.memory(a, config, h.precision, h.embeddings)
		if hint == "" && s.HasPrecision && less < need && less <= int64(a.MaxMemory) {
			hint = fmt.Sprintf("; %s it needs about %s", h.words, term.Bytes(int(less)))
		}
	}
	return cli.WithCode(cli.ExitResources,
		fmt.Errorf("model %s in %s needs about %s for its weights alone, the memory budget is %s (--max-memory)%s",
			s.Path, s.Precision.Resolve(), term.Bytes(int(need)), term.Bytes(int(a.MaxMemory)), hint))
}

// memory estimates the bytes that opening the model in these precisions takes, and an explainer of it where there will be one.
func (s *Source) memory(a *cli.App, config bert.Config, p, embeddings bert.Precision) (int64, error) {
	need, err := model.OpenMemory(config, &model.Options{Precision: p, Embeddings: embeddings, Threads: a.Parallel()})
	if err == nil && s.Gradients {
		need += model.ExplainerMemory(config)
	}
	return int64(need), err
}
