package metrics

import (
	"iter"
	"math"
	"slices"
)

// A key is a score and its truth in one integer, so that a list of them sorts by score: a float32 in [0, 1] has the order of
// its bits, which are below 2³⁰, and the truth is the bit under them.
type key = uint32

// makeKey packs a score in [0, 1] and its truth. The shift drops the sign, which only −0 has: it becomes +0, its equal.
func makeKey(score float32, positive bool) key {
	k := math.Float32bits(score) << 1
	if positive {
		k |= 1
	}
	return k
}

// appendKeys appends the keys of the known cells among every stride-th cell of truth and scores.
func appendKeys(keys []key, truth []int8, scores []float32, stride int) []key {
	for i := 0; i < len(truth); i += stride {
		if y := truth[i]; y != unknown {
			keys = append(keys, makeKey(scores[i], y == 1))
		}
	}
	return keys
}

// sortKeys returns the keys in ascending order, in keys or in scratch, which it overwrites; scratch is as long as keys or
// longer. Long lists take three passes of a stable counting sort, the lowest 11 of 33 bits first (Knuth, TAOCP vol. 3, §5.2.5).
func sortKeys(keys, scratch []key) []key {
	const bits, buckets = 11, 1 << 11
	if len(keys) < buckets {
		slices.Sort(keys)
		return keys
	}
	scratch = scratch[:len(keys)]
	for shift := 0; shift < 3*bits; shift += bits {
		var next [buckets]int // where the next key of each bucket goes
		for _, k := range keys {
			next[k>>shift%buckets]++
		}
		at := 0
		for b, n := range next {
			next[b], at = at, at+n
		}
		for _, k := range keys {
			b := k >> shift % buckets
			scratch[next[b]] = k
			next[b]++
		}
		keys, scratch = scratch, keys
	}
	return keys
}

// tie is one distinct score, with how many positives and negatives have it.
type tie struct {
	score    float32
	pos, neg int
}

// ties yields the distinct scores of sorted keys from the highest down.
func ties(sorted []key) iter.Seq[tie] {
	return func(yield func(tie) bool) {
		for end := len(sorted); end > 0; {
			bits, start, pos := sorted[end-1]>>1, end, 0
			for start > 0 && sorted[start-1]>>1 == bits {
				start--
				pos += int(sorted[start] & 1)
			}
			if !yield(tie{math.Float32frombits(bits), pos, end - start - pos}) {
				return
			}
			end = start
		}
	}
}

// countsAbove returns the counts of predicting score > threshold.
func countsAbove(sorted []key, threshold float32) (c Counts) {
	for t := range ties(sorted) {
		if t.score > threshold {
			c.TP += t.pos
			c.FP += t.neg
		} else {
			c.FN += t.pos
			c.TN += t.neg
		}
	}
	return c
}

// rocAUC returns the area under the ROC curve: the share of pairs of a positive and a negative in which the positive has the
// higher score, a tie counting half (Hanley and McNeil 1982). Counted in integers, so exact up to 4·10⁹ cells. NaN without
// positives or without negatives.
func rocAUC(sorted []key) float64 {
	var pos, neg, halves uint64 // positives and negatives so far; half pairs in the right order
	for t := range ties(sorted) {
		halves += uint64(t.neg) * (2*pos + uint64(t.pos))
		pos += uint64(t.pos)
		neg += uint64(t.neg)
	}
	return float64(halves) / float64(2*pos*neg)
}

// averagePrecision returns Σ (Rₙ − Rₙ₋₁)·Pₙ over the distinct scores from the highest down, with precision Pₙ and recall Rₙ
// of predicting all scores down to the n-th. NaN without positives.
func averagePrecision(sorted []key) float64 {
	var c Counts
	sum := 0.0
	for t := range ties(sorted) {
		c.TP += t.pos
		c.FP += t.neg
		sum += float64(t.pos) * c.Precision()
	}
	return sum / float64(c.TP)
}

// rankingOfRow returns, for one row's sorted known cells (Tsoumakas et al. 2010, Mining Multi-label Data, §7.2):
//   - precision: the mean over true labels of (true labels at or above it)/(labels at or above it); 1 for a row with all or
//     none of its labels true;
//   - coverage: how many labels down the list all true ones are found; 0 without true labels;
//   - loss: the share of pairs of a true and a false label in the wrong order, ties being wrong; 0 for all or none true.
func rankingOfRow(sorted []key) (precision, coverage, loss float64) {
	var pos, neg, wrong int
	for t := range ties(sorted) {
		pos += t.pos
		neg += t.neg
		if t.pos > 0 {
			precision += float64(t.pos) * float64(pos) / float64(pos+neg)
			coverage = float64(pos + neg)
			wrong += t.pos * neg
		}
	}
	if pos == 0 || neg == 0 {
		return 1, coverage, 0
	}
	return precision / float64(pos), coverage, float64(wrong) / (float64(pos) * float64(neg))
}
