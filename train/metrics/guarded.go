package metrics

import (
	"math"
	"math/rand/v2"
)

// folds is how many parts TuneGuarded deals the rows into.
const folds = 5

// priors are the strengths of the pull towards the global threshold that TuneGuarded tries, the strongest first.
var priors = [...]float64{math.Inf(1), 100, 50, 20, 10, 5, 2, 0}

// Guarded is the result of TuneGuarded.
type Guarded struct {
	Thresholds []float32 // one per label
	Global     float32   // what they are pulled towards
	Prior      float64   // positives at which a label's threshold is half way; +Inf: all are Global
	// Means, over the labels with positives, of the aim on rows that the thresholds were not chosen on: with a threshold of its
	// own for each label, with one for all, and with Prior. The last is the best of a few tries, and a little flattered by that.
	OwnValue, GlobalValue, Value float64
}

// TuneGuarded chooses a threshold for each label that also holds on other data. The best threshold of a label with five
// positives fits those five; so each is pulled towards the one that is best for all labels together, the more the fewer
// positives n it has:
//
//	threshold = global + n/(n + prior) · (own − global)
//
// Own and prior are cross-fitted. The rows are dealt at random into five folds; thresholds are chosen on four and tried on the
// fifth, in turn. prior is the one with the best mean aim on the rows left out, on equal values the strongest. own is the mean
// of what the folds with positives chose, which jumps less than the best on all rows. A label without positives gets global.
//
// The same data and the same state of rng give the same result. Errors are those of
// Evaluate.
func TuneGuarded(d Data, aim Aim, rng *rand.Rand) (*Guarded, error) {
	global, err := TuneGlobal(d, aim)
	if err != nil {
		return nil, err
	}
	own, tried := d.crossFit(aim, rng)
	g := &Guarded{Global: global.Threshold, Thresholds: make([]float32, len(d.Labels)), Value: -1}
	for i, prior := range priors {
		if value := meanValue(aim, tried[i]); value > g.Value {
			g.Prior, g.Value = prior, value
		}
	}
	g.GlobalValue, g.OwnValue = meanValue(aim, tried[0]), meanValue(aim, tried[len(priors)-1])
	for j := range g.Thresholds {
		g.Thresholds[j] = own[j].pull(global.Threshold, g.Prior)
	}
	return g, nil
}

// ownThreshold is what a label's positives say.
type ownThreshold struct {
	threshold float64
	positives int // 0: they say nothing
}

// pull moves the label's own threshold towards the global one.
func (o ownThreshold) pull(global float32, prior float64) float32 {
	if o.positives == 0 {
		return global
	}
	weight := float64(o.positives) / (float64(o.positives) + prior)
	return float32(float64(global) + weight*(o.threshold-float64(global)))
}

// crossFit returns the mean of each label's thresholds over the folds, and for each prior and label the counts on rows that
// the threshold was not chosen on.
func (d Data) crossFit(aim Aim, rng *rand.Rand) (own []ownThreshold, tried [len(priors)][]Counts) {
	own = make([]ownThreshold, len(d.Labels))
	for i := range tried {
		tried[i] = make([]Counts, len(d.Labels))
	}
	chosen := make([]int, len(d.Labels)) // folds on which the label had positives
	fold := deal(d.rows(), rng)
	for k := range folds {
		rest, held := d.split(fold, k)
		if len(rest.Truth) == 0 || len(held.Truth) == 0 {
			continue // fewer rows than folds
		}
		global := aim.best(sortedCells(rest.Truth, rest.Scores, 1)).Threshold
		parallel(len(d.Labels), func(j int) {
			best, sorted := aim.best(rest.sortedLabel(j)), held.sortedLabel(j)
			if best.Support() > 0 {
				chosen[j]++
				own[j].threshold += (float64(best.Threshold) - own[j].threshold) / float64(chosen[j]) // running mean
				own[j].positives = best.Support() + countsAbove(sorted, 1).FN
			}
			here := ownThreshold{float64(best.Threshold), best.Support()}
			for i, prior := range priors {
				tried[i][j] = tried[i][j].plus(countsAbove(sorted, here.pull(global, prior)))
			}
		})
	}
	return own, tried
}

// deal gives each row a fold at random, each fold as many rows as the others or one more.
func deal(rows int, rng *rand.Rand) (fold []int) {
	fold = make([]int, rows)
	for i, row := range rng.Perm(rows) {
		fold[row] = i % folds
	}
	return fold
}

// split returns copies of the rows outside fold k, and of those in it.
func (d Data) split(fold []int, k int) (rest, held Data) {
	cols := len(d.Labels)
	rest.Labels, held.Labels = d.Labels, d.Labels
	for i, f := range fold {
		part := &rest
		if f == k {
			part = &held
		}
		part.Truth = append(part.Truth, d.Truth[i*cols:(i+1)*cols]...)
		part.Scores = append(part.Scores, d.Scores[i*cols:(i+1)*cols]...)
	}
	return rest, held
}

// meanValue is the mean of the aim over the labels with positives, 0 without any.
func meanValue(aim Aim, counts []Counts) float64 {
	sum, n := 0.0, 0
	for _, c := range counts {
		if c.Support() > 0 {
			sum += aim.value(c)
			n++
		}
	}
	return sum / float64(max(1, n))
}
