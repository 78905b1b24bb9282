package solver

import (
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
)

// MeanLoss returns the mean loss of a head over the known cells of rows, as layers.MeanSoftLoss, which takes Shares where they are there;
// of windows it is that of their texts. Parts are read once, with their labels; where Y is not nil and Shares is, their shares do not
// count. workers have not been started; nil is one goroutine. The error is one of the parts.
func MeanLoss(head *layers.Classifier, loss layers.Loss, rows train.Features, workers *tensor.Workers) (float64, error) {
	if rows.First != nil {
		logits, _ := rows.Score(head)
		return layers.MeanSoftLoss(loss, nil, logits, rows.Y, rows.Shares, 0), nil
	}
	labels := head.Labels()
	workers.Start()
	defer workers.Stop()
	var logits tensor.Tensor
	sum, known := 0.0, 0
	add := func(x *tensor.Tensor, y []int8, shares []float32) {
		logits.Resize(x.Rows, labels)
		workers.Do(labels, loop(func(_, l int) { head.ForwardLabels(&logits, x, l, l+1) }))
		sum += layers.MeanSoftLoss(loss, nil, &logits, y, shares, 1)
		known += layers.KnownCells(y)
	}
	if rows.X != nil {
		add(rows.X, rows.Y, rows.Shares)
		return sum / float64(max(1, known)), nil
	}
	for part := range rows.Parts.Len() {
		y, shares, err := rows.Parts.Cells(part)
		if err != nil {
			return 0, err
		}
		if rows.Y != nil && rows.Shares == nil {
			shares = nil
		}
		err = newStream(rows.Parts, part, part+1).read(func(first int, x *tensor.Tensor) {
			from, to, of := first*labels, (first+x.Rows)*labels, shares
			if of != nil {
				of = of[from:to]
			}
			add(x, y[from:to], of)
		})
		if err != nil {
			return 0, err
		}
	}
	return sum / float64(max(1, known)), nil
}
