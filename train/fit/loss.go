package fit

import (
	"fmt"

	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/record"
)

// maxPosWeight is the largest weight of a positive.
const maxPosWeight = 1e6

// ParseLoss reads bce, focal or asymmetric; bce gives nil, the default. The error is an *OptionError.
func ParseLoss(s string) (layers.Loss, error) {
	switch s {
	case lossNames[0]:
		return nil, nil
	case lossNames[1]:
		return layers.DefaultFocal(), nil
	case lossNames[2]:
		return layers.DefaultAsymmetric(), nil
	}
	return nil, wants("loss", s, "bce, focal, asymmetric")
}

var lossNames = [...]string{"bce", "focal", "asymmetric"}

// loss returns what is minimised on training cells y, row-major [rows, labels].
func (o *Options) loss(y []int8, labels int) layers.Loss {
	switch {
	case o.Loss != nil:
		return o.Loss
	case o.Balance > 0 && labels > 0:
		return layers.WeightedSigmoidCrossEntropy{PosWeight: train.BalancedWeights(y, labels, o.Balance)}
	}
	return layers.SigmoidCrossEntropy{}
}

// defaultCap is the cap that a record has where nothing is balanced.
const defaultCap = 20

// describeLoss returns the record of the loss.
func (o *Options) describeLoss() record.LossSettings {
	r := record.LossSettings{Loss: lossNames[0], PosWeightCap: defaultCap, BiasInit: "zero"}
	if o.LogOddsBias {
		r.BiasInit = "log-odds"
	}
	if o.Balance > 0 {
		r.PosWeight, r.PosWeightCap = "balanced", o.Balance
	}
	switch l := o.Loss.(type) {
	case nil, layers.SigmoidCrossEntropy:
	case layers.LabelSmoothing:
		r.LabelSmoothing = l.Epsilon
	case layers.WeightedSigmoidCrossEntropy:
		if r.PosWeight = o.LossSource; r.PosWeight == "" {
			r.PosWeight = fmt.Sprint(l.PosWeight)
		}
	default:
		switch r.Loss = fmt.Sprintf("%T%+v", l, l); l {
		case layers.Loss(layers.DefaultFocal()):
			r.Loss = lossNames[1]
		case layers.Loss(layers.DefaultAsymmetric()):
			r.Loss = lossNames[2]
		}
	}
	return r
}
