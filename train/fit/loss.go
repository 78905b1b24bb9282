package fit

import (
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/record"
)

// maxPosWeight is the largest weight of a positive.
const maxPosWeight = 1e6

// ParseLoss reads bce, focal or asymmetric; bce gives nil, the default. The error is an *OptionError.
func ParseLoss(s string) (layers.Loss, error) {
	switch s {
	case "bce":
		return nil, nil
	case "focal":
		return layers.DefaultFocal(), nil
	case "asymmetric":
		return layers.DefaultAsymmetric(), nil
	}
	return nil, wants("loss", s, "bce, focal, asymmetric")
}

// loss returns what is minimised on training cells y, row-major [rows, labels], and their shares, nil for none.
func (o *Options) loss(y []int8, shares []float32, labels int) layers.Loss {
	switch {
	case o.Loss != nil:
		return o.Loss
	case o.Balance > 0 && labels > 0:
		return layers.WeightedSigmoidCrossEntropy{PosWeight: train.BalancedWeights(y, shares, labels, o.Balance)}
	}
	return layers.SigmoidCrossEntropy{}
}

// describeLoss returns the record of the loss.
func (o *Options) describeLoss() record.LossSettings {
	return record.DescribeLoss(o.Loss, o.LossSource, o.Balance, o.LogOddsBias)
}
