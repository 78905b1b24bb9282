// Package refit makes one head of two: the one that was tuned together with an encoder, and an exact one on more features of the same
// encoder, found afterwards (package solver). Both are linear in features of one pass, so any mixture of their logits is one linear head,
// and prediction pays nothing. It also says which features are worth reading. It has pure functions on heads, poolings and features; package
// fit calls them.
package refit

import (
	"math/rand/v2"

	"bertlabel/bert"
	"bertlabel/layers"
	"bertlabel/train"
	"bertlabel/train/metrics"
)

// Shares are the shares of the tuned head that Choose tries, in this order: the first is that head as it is.
func Shares() []float64 { return []float64{1, 0.75, 0.5, 0.25, 0} }

// Task is two heads for the same labels, and the rows that choose between them.
type Task struct {
	Labels       []string
	Tuned        *layers.Classifier // on TunedPooling
	TunedPooling bert.Pooling
	Exact        *layers.Classifier // on Pooling, which has all vectors of TunedPooling
	Pooling      bert.Pooling
	Dev          train.Features // of Pooling

	// Calibrate deals the rows of Dev into parts; nil for none. An exact head whose logits are too sure of themselves, as those of
	// solver.Discriminant are, would drown the tuned one in a mixture: it is calibrated on Dev (metrics.Platt) first, in place.
	Calibrate *rand.Rand
}

// Choice is what Dev likes best.
type Choice struct {
	Head             *layers.Classifier // on features of Pooling; Task.Tuned itself for a share of 1
	Pooling          bert.Pooling
	Dev              train.Features  // of Pooling
	Share            float64         // of the tuned head
	Tuned, Exact     *metrics.Report // what Dev says of the heads alone, at 0.5
	AveragePrecision []float64       // macro-averaged, on Dev, for each of Shares; NaN where no label has positives
}

// Choose returns the mixture of Shares with the highest macro-averaged average precision on Dev, of equal ones that with the larger share
// of the tuned head. The tuned head alone is among them, as it is on its own features, so the result is never below it. Errors are those
// of metrics.Evaluate and Calibrate, or say that Pooling lacks a vector of TunedPooling.
func Choose(t Task) (*Choice, error) {
	at, err := columns(t.Pooling, t.TunedPooling, t.Dev.X.Cols)
	if err != nil {
		return nil, err
	}
	narrow, err := bert.SelectFeatures(t.Dev.X, t.Pooling, t.TunedPooling)
	if err != nil {
		return nil, err
	}
	if t.Calibrate != nil {
		logits, _ := t.Exact.Score(t.Dev.X)
		c, err := metrics.Calibrate(t.Labels, t.Dev.Y, logits.Data, metrics.Platt, t.Calibrate)
		if err != nil {
			return nil, err
		}
		t.Exact.Rescale(c.Slope, c.Intercept)
	}
	var best *Choice
	var judged *metrics.Report // of best
	var tuned, exact *metrics.Report
	var tried []float64
	for _, share := range Shares() {
		c := &Choice{Head: t.Tuned, Pooling: t.TunedPooling, Dev: train.Features{X: narrow, Y: t.Dev.Y}, Share: share}
		if share < 1 {
			c.Head, c.Pooling, c.Dev = Fold(t.Tuned, t.Exact, at, share), t.Pooling, t.Dev
		}
		_, probabilities := c.Head.Score(c.Dev.X)
		r, err := metrics.Evaluate(metrics.Data{Labels: t.Labels, Truth: t.Dev.Y, Scores: probabilities.Data}, []float32{0.5})
		if err != nil {
			return nil, err
		}
		if tried = append(tried, float64(r.AveragePrecisionMacro)); share == 1 {
			tuned = r
		}
		exact = r // the last one has nothing of the tuned head
		if best == nil || r.AveragePrecisionMacro > judged.AveragePrecisionMacro {
			best, judged = c, r
		}
	}
	best.Tuned, best.Exact, best.AveragePrecision = tuned, exact, tried
	return best, nil
}

// Fold returns the head whose logits are share·tuned + (1 − share)·exact, on the features of exact. at has for each column of tuned's
// features where it stands among those; sums are of float64, each weight is rounded once.
func Fold(tuned, exact *layers.Classifier, at []int, share float64) *layers.Classifier {
	labels, wide, narrow := exact.Labels(), exact.Weights.Shape[1], tuned.Weights.Shape[1]
	head := layers.ZeroClassifier(labels, wide)
	row := make([]float64, wide)
	for l := range labels {
		for j, w := range exact.Weights.Value[l*wide : (l+1)*wide] {
			row[j] = (1 - share) * float64(w)
		}
		for i, w := range tuned.Weights.Value[l*narrow : (l+1)*narrow] {
			row[at[i]] += share * float64(w)
		}
		for j, w := range row {
			head.Weights.Value[l*wide+j] = float32(w)
		}
		head.Bias.Value[l] = float32(share*float64(tuned.Bias.Value[l]) + (1-share)*float64(exact.Bias.Value[l]))
	}
	return head
}
