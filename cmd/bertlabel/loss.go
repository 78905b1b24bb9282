package main

import (
	"fmt"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/layers"
	"bertlabel/train"

	"github.com/spf13/cobra"
)

// lossFlags are the flags of `train` that say what is minimised, and where the bias starts.
type lossFlags struct {
	Loss           string  `json:"loss"`
	PosWeight      string  `json:"pos_weight,omitempty"`
	PosWeightCap   float64 `json:"pos_weight_cap"`
	LabelSmoothing float64 `json:"label_smoothing"`
	BiasInit       string  `json:"bias_init"`
}

func addLossFlags(cmd *cobra.Command, l *lossFlags) {
	f := cmd.Flags()
	f.StringVar(&l.Loss, "loss", "bce", "bce (sigmoid cross-entropy), focal (gamma 2, alpha 0.25) or asymmetric (gamma 4 and 1, clip 0.05)")
	f.StringVar(&l.PosWeight, "pos-weight", "", "how often a positive counts: balanced (negatives over positives), or a JSON `FILE` of label to number")
	f.Float64Var(&l.PosWeightCap, "pos-weight-cap", 20, "most that balanced gives a label")
	f.Float64Var(&l.LabelSmoothing, "label-smoothing", 0, "epsilon: labels count as 1 − ε/2 and ε/2")
	f.StringVar(&l.BiasInit, "bias-init", "zero", "bias of a new head: zero, or log-odds of each label's frequency")
	cli.Minor(cmd, "Head flags", "loss", "pos-weight", "pos-weight-cap", "label-smoothing", "bias-init")
}

// check refuses what does not go together, before anything is read.
func (l *lossFlags) check() error {
	if err := cli.OneOf("loss", l.Loss, "bce", "focal", "asymmetric"); err != nil {
		return err
	}
	if err := cli.OneOf("bias-init", l.BiasInit, "zero", "log-odds"); err != nil {
		return err
	}
	given := 0
	for _, is := range []bool{l.Loss != "bce", l.PosWeight != "", l.LabelSmoothing != 0} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return cli.Usagef("--loss %s, --pos-weight and --label-smoothing are losses of their own: give one of them", l.Loss)
	case !(l.LabelSmoothing >= 0 && l.LabelSmoothing < 1):
		return cli.Usagef("--label-smoothing %v: want at least 0 and below 1", l.LabelSmoothing)
	case !(l.PosWeightCap >= 1 && l.PosWeightCap <= 1e6):
		return cli.Usagef("--pos-weight-cap %v: want 1 to 1e6", l.PosWeightCap)
	}
	return nil
}

// make returns the loss for training cells y, row-major [rows, labels].
func (l *lossFlags) make(a *cli.App, labels []string, y []int8) (layers.Loss, error) {
	switch {
	case l.Loss == "focal":
		return layers.Focal{Gamma: 2, Alpha: 0.25}, nil
	case l.Loss == "asymmetric":
		return layers.Asymmetric{GammaNeg: 4, GammaPos: 1, Clip: 0.05}, nil
	case l.LabelSmoothing > 0:
		return layers.LabelSmoothing{Epsilon: l.LabelSmoothing}, nil
	case l.PosWeight == "balanced":
		return layers.WeightedSigmoidCrossEntropy{PosWeight: train.BalancedWeights(y, len(labels), l.PosWeightCap)}, nil
	case l.PosWeight != "":
		weights, err := readWeights(a, l.PosWeight, labels)
		return layers.WeightedSigmoidCrossEntropy{PosWeight: weights}, err
	}
	return layers.SigmoidCrossEntropy{}, nil
}

// readWeights reads a JSON object of label → number above 0. Labels that it does not name have 1.
func readWeights(a *cli.App, path string, labels []string) ([]float64, error) {
	if err := cli.CheckInput(path); err != nil {
		return nil, err
	}
	in, err := a.OpenInput(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var byName map[string]float64
	if err := cli.ReadNumbers(in, path, &byName); err != nil {
		return nil, err
	}
	weights := make([]float64, len(labels))
	for i, name := range labels {
		weights[i] = 1
		if w, ok := byName[name]; ok {
			if !(w > 0 && w <= 1e6) {
				return nil, cli.Refused(path, 0, "", fmt.Sprintf("%v for %s", w, term.Quoted(name)), "a number above 0, at most 1e6")
			}
			weights[i] = w
			delete(byName, name)
		}
	}
	for name := range byName {
		return nil, cli.Refused(path, 0, "", "a weight for "+term.Quoted(name), "labels of the data only")
	}
	return weights, nil
}
