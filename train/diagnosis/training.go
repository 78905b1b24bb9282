package diagnosis

import (
	"fmt"
	"math"

	"bertlabel/layers"
	"bertlabel/train/metrics"
)

// Tuned is what a training run tunes.
type Tuned int

// What can be tuned.
const (
	Head    Tuned = iota // by gradient steps, on fixed features
	Layers               // of a pre-trained encoder, and the head
	Scratch              // an encoder that has seen no training
)

// rates are the peak learning rates between which Adam is known to work for BERTs of all sizes, with room on both sides: Devlin et
// al. (2019, appendix A.3) tune with 2e-5 to 5e-5, small BERTs take up to 3e-4 (google-research/bert, README), pre-training 1e-4 to
// 1e-3; a head moves by about the rate in each step, and its weights are of the order of 1.
var rates = [...]struct {
	low, high float64
	what      string
	usual     string
}{
	Head:    {3e-4, 1, "a head on fixed features", "1e-3 to 1e-1"},
	Layers:  {1e-6, 1e-3, "a pre-trained encoder", "2e-5 to 3e-4"},
	Scratch: {1e-5, 5e-3, "an encoder from scratch", "1e-4 to 1e-3"},
}

// LearningRate judges a peak learning rate.
func LearningRate(rate float64, tuned Tuned) []Finding {
	r := rates[tuned]
	switch {
	case rate < r.low:
		return []Finding{{LearningRateRange, fmt.Sprintf("a learning rate of %g is far too low for %s", rate, r.what),
			"It will hardly learn: usual are " + r.usual + " (`learning_rate`)"}}
	case rate > r.high:
		return []Finding{{LearningRateRange, fmt.Sprintf("a learning rate of %g is far too high for %s", rate, r.what),
			"What the weights know is lost in the first steps: usual are " + r.usual + " (`learning_rate`)"}}
	}
	return nil
}

// PriorLoss returns the least mean loss over the known cells of y, row-major [rows, labels], that a model reaches without looking
// at the text: with one logit for each label. For sigmoid cross-entropy that is the entropy of the labels' frequencies.
// shares, as y or nil, take the place of its known cells: one of 0.7 is 0.7 of a positive.
func PriorLoss(loss layers.Loss, y []int8, shares []float32, labels int) float64 {
	sum, cells := 0.0, 0.0
	for l := range labels {
		var positives, negatives float64
		for i := l; i < len(y); i += labels {
			if y[i] == layers.Unknown {
				continue
			}
			positive := float64(y[i])
			if shares != nil {
				positive = float64(shares[i])
			}
			positives, negatives = positives+positive, negatives+1-positive
		}
		best := math.Inf(1)
		for i := -600; i <= 600; i++ { // a step of 0.05 is within 3e-4 of the least entropy, relatively
			z := float64(i) / 20
			ifPositive, _ := loss.Cell(z, true, l)
			ifNegative, _ := loss.Cell(z, false, l)
			best = min(best, positives*ifPositive+negatives*ifNegative)
		}
		sum, cells = sum+best, cells+positives+negatives
	}
	return sum / max(1, cells)
}

// Losses are how a training run ended. NaN stands for what is not known.
type Losses struct {
	Train, Prior       float64 // on the training rows, in what was minimised: at the end, and by PriorLoss
	Dev, DevLowest     float64 // sigmoid cross-entropy on the dev rows: at the end, and the lowest of all evaluations
	DevPrior           float64 // PriorLoss of the dev rows
	Comparable         bool    // Train is sigmoid cross-entropy too
	AgainstOverfitting string  // what the run has against it, for the remedy
	Reading            Reading // of the training rows
}

// Findings says whether nothing was learnt, or too much.
func (l Losses) Findings() []Finding {
	const (
		known = 1e-6 // of Prior: below it each label has one class only, and texts have nothing to tell
		stuck = 0.98 // of Prior: less is noise of the last batches
		apart = 0.25 // of DevPrior, between Train and Dev, while Dev is over twice Train
		rise  = 0.1  // of DevPrior, from DevLowest to Dev
	)
	remedy := "Check that texts and labels belong together, then train longer or with another `learning_rate`"
	if l.Reading.Blind() {
		remedy = ofUnknown(&l.Reading)
	}
	switch {
	case l.Prior > known && l.Train >= stuck*l.Prior:
		return []Finding{{StuckLoss,
			fmt.Sprintf("the training loss ended at %.4f, and guessing each label as often as it occurs has %.4f: the model has learnt "+
				"nothing from the texts", l.Train, l.Prior), remedy}}
	case l.Dev-l.DevLowest > rise*l.DevPrior:
		return []Finding{{Overfitting, fmt.Sprintf("the loss on dev rose from %.4f, its lowest, to %.4f at the end: the model has begun "+
			"to learn the training rows by heart", l.DevLowest, l.Dev),
			"Take " + l.AgainstOverfitting}}
	case l.Comparable && l.Dev > 2*l.Train && l.Dev-l.Train > apart*l.DevPrior:
		return []Finding{{Overfitting, fmt.Sprintf("the loss is %.4f on the training rows and %.4f on dev: the model knows the training "+
			"rows by heart, or dev is of another kind", l.Train, l.Dev),
			"Take " + l.AgainstOverfitting + ", or more rows"}}
	}
	return nil
}

// Course is how the losses of a run went, step by step.
type Course struct {
	Dev, DevLowest float64 // log_loss of the last evaluation, and of the best; 0 before the first
	steps          []float64
}

// Add takes the loss of a step, and what dev says after it; nil where it was not asked.
func (c *Course) Add(loss float64, dev *metrics.Report) {
	c.steps = append(c.steps, loss)
	if dev != nil {
		if c.Dev = float64(dev.LogLoss); c.DevLowest == 0 || c.Dev < c.DevLowest {
			c.DevLowest = c.Dev
		}
	}
}

// Late returns the mean loss of the last third of the steps; NaN without any.
func (c *Course) Late() float64 {
	sum, last := 0.0, c.steps[2*len(c.steps)/3:]
	for _, loss := range last {
		sum += loss
	}
	return sum / float64(len(last))
}
