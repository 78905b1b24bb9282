package report

import (
	"math"
	"slices"
	"sync"

	"bertlabel/cmd/bertlabel/internal/chart"
	"bertlabel/tensor/parallel"
	"bertlabel/train/metrics"
)

const (
	sweepSteps      = 100 // thresholds of the sweep: 0, 0.01 … 1
	histogramBins   = 40  // of the score histogram
	reliabilityBins = 15  // as metrics has them for the expected calibration error
)

// The bins that curves are drawn from: 512 in each octave down to 2^-20, and one for all below. Neighbouring thresholds are then at
// most 0.2 % apart, which no figure shows; counting is linear where sorting would not be.
const (
	octaveBins = 512
	octaves    = 20
	fineBins   = octaves*octaveBins + 2
)

// fineBin returns the bin of a probability. Bins order as probabilities do.
func fineBin(p float32) int {
	const mantissaBits = 23 - 9 // 2^9 = octaveBins
	return max(0, int(math.Float32bits(p)>>mantissaBits)-(127-octaves)*octaveBins+1)
}

// classes is one count for cells whose truth is 0 and one for those where it is 1.
type classes[T any] [2]T

// tally is what the cells of a label, or of all, come to.
type tally struct {
	fine      classes[[fineBins]int32]
	above     classes[[sweepSteps + 1]int] // cells above each threshold of the sweep
	histogram classes[[histogramBins]int]
	cells     classes[int]
	scores    classes[sum]
	reliable  [reliabilityBins]reliabilityBin
}

// reliabilityBin is a bin ((i/15, (i+1)/15]) of probabilities.
type reliabilityBin struct {
	cells, positive int
	scores          sum
}

// sum is a sum of probabilities in units of 2^-32: like a count it does not depend on the order of its parts.
type sum uint64

func (s *sum) add(p float32) { *s += sum(math.Round(float64(p) * (1 << 32))) }

// over returns the mean of n probabilities, NaN for none.
func (s sum) over(n int) float64 { return float64(s) / (1 << 32) / float64(n) }

// sweepAt returns threshold k of the sweep.
func sweepAt(k int) float32 { return float32(k) / sweepSteps }

// sweepBelow returns how many thresholds of the sweep are below p, which a prediction at p is above.
func sweepBelow(p float32) int {
	k := int(p * sweepSteps)
	for k > 0 && !(p > sweepAt(k-1)) {
		k--
	}
	for k <= sweepSteps && p > sweepAt(k) {
		k++
	}
	return k
}

// add counts one cell. above holds differences until close.
func (t *tally) add(p float32, truth int8) {
	t.fine[truth][fineBin(p)]++
	if k := sweepBelow(p); k > 0 {
		t.above[truth][k-1]++
	}
	t.histogram[truth][min(int(p*histogramBins), histogramBins-1)]++
	t.cells[truth]++
	t.scores[truth].add(p)
	r := &t.reliable[max(0, int(math.Ceil(float64(p)*reliabilityBins))-1)]
	r.cells++
	r.positive += int(truth)
	r.scores.add(p)
}

// close sums the counts of above from the highest threshold down.
func (t *tally) close() {
	for y := range t.above {
		for k := sweepSteps; k > 0; k-- {
			t.above[y][k-1] += t.above[y][k]
		}
	}
}

// merge adds u, which is closed.
func (t *tally) merge(u *tally) {
	for y := range t.cells {
		for i, n := range u.fine[y] {
			t.fine[y][i] += n
		}
		for i, n := range u.above[y] {
			t.above[y][i] += n
		}
		for i, n := range u.histogram[y] {
			t.histogram[y][i] += n
		}
		t.cells[y] += u.cells[y]
		t.scores[y] += u.scores[y]
	}
	for i, r := range u.reliable {
		t.reliable[i].cells += r.cells
		t.reliable[i].positive += r.positive
		t.reliable[i].scores += r.scores
	}
}

// counts returns the counts at threshold k of the sweep.
func (t *tally) counts(k int) metrics.Counts {
	fp, tp := t.above[0][k], t.above[1][k]
	return metrics.Counts{TN: t.cells[0] - fp, FP: fp, FN: t.cells[1] - tp, TP: tp}
}

// tallies is what all figures of a scored data set are drawn from.
type tallies struct {
	all    tally
	labels []labelTally // [C]
}

// labelTally is what is kept of the tally of a label.
type labelTally struct {
	pr, roc chart.Curve             // empty unless asked for
	f1      [sweepSteps + 1]float64 // at each threshold of the sweep
	mean    classes[float64]        // of the scores, NaN for a class without cells
}

// newTallies goes over all cells once, label by label on all CPUs. drawn are the labels that get curves.
func newTallies(d metrics.Data, drawn []int) *tallies {
	t := &tallies{labels: make([]labelTally, len(d.Labels))}
	var all sync.Mutex
	parallel.For(len(d.Labels), func(label int) {
		own := new(tally)
		for i := label; i < len(d.Truth); i += len(d.Labels) {
			if y := d.Truth[i]; y >= 0 {
				own.add(d.Scores[i], y)
			}
		}
		own.close()
		t.labels[label] = own.keep(slices.Contains(drawn, label))
		all.Lock()
		defer all.Unlock()
		t.all.merge(own)
	})
	return t
}

// thin is how far apart points of the curve of one label are at least: there are many, and each is a faint line.
const thin = 1. / 100

func (t *tally) keep(curves bool) (l labelTally) {
	for k := range l.f1 {
		l.f1[k] = t.counts(k).F1()
	}
	for y := range l.mean {
		l.mean[y] = t.scores[y].over(t.cells[y])
	}
	if curves {
		l.pr, l.roc = t.pr().Thinned(thin), t.roc().Thinned(thin)
	}
	return l
}

// walk calls point for each threshold at which a prediction changes, from the highest down, with the counts above it.
func (t *tally) walk(point func(fp, tp int)) {
	fp, tp := 0, 0
	for i := fineBins - 1; i >= 0; i-- {
		if n, p := int(t.fine[0][i]), int(t.fine[1][i]); n+p > 0 {
			fp, tp = fp+n, tp+p
			point(fp, tp)
		}
	}
}

// pr returns precision over recall, nothing without positives.
func (t *tally) pr() (c chart.Curve) {
	if t.cells[1] == 0 {
		return nil
	}
	t.walk(func(fp, tp int) {
		c = append(c, chart.Point{X: float64(tp) / float64(t.cells[1]), Y: float64(tp) / float64(fp+tp)})
	})
	return c
}

// roc returns the true positive rate over the false positive rate, nothing without both classes.
func (t *tally) roc() (c chart.Curve) {
	if t.cells[0] == 0 || t.cells[1] == 0 {
		return nil
	}
	c = append(c, chart.Point{})
	t.walk(func(fp, tp int) {
		c = append(c, chart.Point{X: float64(fp) / float64(t.cells[0]), Y: float64(tp) / float64(t.cells[1])})
	})
	return c
}
