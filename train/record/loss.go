package record

import (
	"fmt"

	"bertlabel/layers"
)

// defaultCap is the cap that a record has where nothing is balanced.
const defaultCap = 20

// DescribeLoss returns the record of what is minimised: loss, nil for the sigmoid cross-entropy; source, where the weights of a
// layers.WeightedSigmoidCrossEntropy come from, "" for the numbers themselves; the cap of a balanced loss, 0 for none; and whether a new
// head starts from log-odds.
func DescribeLoss(loss layers.Loss, source string, balance float64, logOddsBias bool) LossSettings {
	r := LossSettings{Loss: "bce", PosWeightCap: defaultCap, BiasInit: "zero"}
	if logOddsBias {
		r.BiasInit = "log-odds"
	}
	if balance > 0 {
		r.PosWeight, r.PosWeightCap = "balanced", balance
	}
	switch l := loss.(type) {
	case nil, layers.SigmoidCrossEntropy:
	case layers.LabelSmoothing:
		r.LabelSmoothing = l.Epsilon
	case layers.WeightedSigmoidCrossEntropy:
		if r.PosWeight = source; r.PosWeight == "" {
			r.PosWeight = fmt.Sprint(l.PosWeight)
		}
	default:
		switch r.Loss = fmt.Sprintf("%T%+v", l, l); l {
		case layers.Loss(layers.DefaultFocal()):
			r.Loss = "focal"
		case layers.Loss(layers.DefaultAsymmetric()):
			r.Loss = "asymmetric"
		}
	}
	return r
}
