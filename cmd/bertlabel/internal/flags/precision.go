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

// ParsePrecision reads the value of a flag, with auto as it is. The error is wrong usage.
func ParsePrecision(flag, value string) (bert.Precision, error) {
	p, err := bert.ParsePrecision(value)
	if err != nil {
		return p, cli.Usagef("--%s %q: want fp32, bf16, int8 or auto", flag, value)
	}
	return p, nil
}

// SayPrecision tells in which precision a model runs, where it is not the usual one or was not named.
func SayPrecision(a *cli.App, asked, got bert.Precision) {
	switch {
	case asked == bert.Auto:
		a.Log.Infof("the model runs in %s, which auto takes on this CPU", got)
	case got != bert.FP32:
		a.Log.Infof("the model runs in %s", got)
	}
}

// admit refuses, before the weights are read, a model that the memory budget has no room for.
func (s *Source) admit(a *cli.App) error {
	config, err := s.ReadConfig(a)
	if a.MaxMemory == 0 || err != nil {
		return nil // opening the model says what is wrong with it
	}
	need, err := s.memory(a, config, s.Precision)
	if err != nil || need <= int64(a.MaxMemory) {
		return nil
	}
	hint := ""
	if less, _ := s.memory(a, config, bert.Int8); s.HasPrecision && less < need && less <= int64(a.MaxMemory) {
		hint = fmt.Sprintf("; in int8 (--precision) it needs about %s", term.Bytes(int(less)))
	}
	return cli.WithCode(cli.ExitResources,
		fmt.Errorf("model %s in %s needs about %s for its weights alone, the memory budget is %s (--max-memory)%s",
			s.Path, s.Precision.Resolve(), term.Bytes(int(need)), term.Bytes(int(a.MaxMemory)), hint))
}

// memory estimates the bytes that opening the model in precision p takes, and an explainer of it where there will be one.
func (s *Source) memory(a *cli.App, config bert.Config, p bert.Precision) (int64, error) {
	need, err := model.OpenMemory(config, p, a.Parallel())
	if err == nil && s.Gradients {
		need += model.ExplainerMemory(config)
	}
	return int64(need), err
}
