package metrics

import (
	"fmt"
	"math"

	"bertlabel/tensor/parallel"
)

// unknown is the truth of a cell that nobody looked at.
const unknown = int8(-1)

// rowBlock is how many rows are summed in one go. It is fixed, so that sums do not depend on the number of goroutines.
const rowBlock = 4096

// Data is a scored data set. Its slices are only read.
type Data struct {
	Labels []string  // names of the columns, [C]
	Truth  []int8    // 1, 0, or −1 for an unknown cell, row-major [rows, C]
	Scores []float32 // probabilities, row-major [rows, C]
}

// Evaluate computes all metrics of d, with a prediction being positive when its score is above the label's threshold.
// thresholds is one number for all labels or one per label. The report shares d.Labels and thresholds.
//
// Time is O(n log n) a label, memory linear. The result does not depend on the number of CPUs. Data that cannot be scored gives
// an error, which names row (from 1) and label where there is one: no rows, no labels, sizes that do not fit, a label named
// twice, a truth other than 1, 0, −1, a score that is NaN or not in [0, 1], even if its truth is unknown.
func Evaluate(d Data, thresholds []float32) (*Report, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if err := checkThresholds(thresholds, len(d.Labels)); err != nil {
		return nil, err
	}
	r := &Report{
		Undefined: Undefined{ROCAUC: []string{}, AveragePrecision: []string{}},
		PerLabel:  make(PerLabel, len(d.Labels)),
		Rows:      d.rows(), Labels: d.Labels, Threshold: thresholds,
	}
	blocks := make([]rowSums, (r.Rows+rowBlock-1)/rowBlock)
	parallel.For(1+len(d.Labels)+len(blocks), func(i int) {
		switch i--; {
		case i < 0: // the longest first
			d.rankCells(&r.Summary)
		case i < len(d.Labels):
			r.PerLabel[i] = d.evaluateLabel(i, r.Threshold.Of(i))
		default:
			i -= len(d.Labels)
			blocks[i] = d.sumRows(i*rowBlock, min((i+1)*rowBlock, r.Rows), r.Threshold)
		}
	})
	r.averageLabels()
	r.averageRows(blocks)
	return r, nil
}

// Decide returns the metrics of d that follow from what is predicted alone: precision, recall, F1 and Jaccard, micro, macro and (but for
// Jaccard) weighted, and the Hamming loss, with the numbers that Evaluate gives. All others are NaN. It takes one pass over the
// cells and sorts nothing. Thresholds and errors are those of Evaluate.
func Decide(d Data, thresholds []float32) (*Summary, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if err := checkThresholds(thresholds, len(d.Labels)); err != nil {
		return nil, err
	}
	counts := make([]Counts, len(d.Labels))
	for i, y := range d.Truth {
		if j := i % len(counts); y != unknown {
			counts[j].add(y == 1, d.Scores[i] > Thresholds(thresholds).Of(j))
		}
	}
	none := Number(math.NaN())
	r := &Report{PerLabel: make(PerLabel, len(d.Labels))}
	for j, c := range counts {
		r.PerLabel[j] = LabelReport{Precision: Number(c.Precision()), Recall: Number(c.Recall()), F1: Number(c.F1()), Support: c.Support(),
			ROCAUC: none, AveragePrecision: none, Counts: c}
	}
	for _, v := range []*Number{&r.PrecisionSamples, &r.RecallSamples, &r.F1Samples, &r.SubsetAccuracy, &r.JaccardSamples, &r.ROCAUCMicro,
		&r.AveragePrecisionMicro, &r.LabelRankingAveragePrecision, &r.CoverageError, &r.LabelRankingLoss,
		&r.LogLoss, &r.BrierScore, &r.ExpectedCalibrationError} {
		*v = none
	}
	r.averageLabels()
	return &r.Summary, nil
}

// rows returns the number of rows.
func (d Data) rows() int { return len(d.Truth) / len(d.Labels) }

// check returns an error for data that cannot be scored.
func (d Data) check() error {
	if err := d.checkTruth(); err != nil {
		return err
	}
	for i, s := range d.Scores {
		if !(s >= 0 && s <= 1) {
			row, label := i/len(d.Labels)+1, d.Labels[i%len(d.Labels)]
			return fmt.Errorf("metrics: row %d, label %q: score is %v, want a probability from 0 to 1", row, label, s)
		}
	}
	return nil
}

// checkTruth returns an error unless sizes, names and truth are sound.
func (d Data) checkTruth() error {
	cols := len(d.Labels)
	switch {
	case cols == 0:
		return fmt.Errorf("metrics: no labels")
	case len(d.Truth) == 0:
		return fmt.Errorf("metrics: no rows")
	case len(d.Truth) != len(d.Scores) || len(d.Truth)%cols != 0:
		return fmt.Errorf("metrics: %d truths and %d scores, want rows × %d labels of each", len(d.Truth), len(d.Scores), cols)
	}
	seen := make(map[string]bool, cols)
	for _, name := range d.Labels {
		if seen[name] {
			return fmt.Errorf("metrics: label %q comes twice", name)
		}
		seen[name] = true
	}
	for i, y := range d.Truth {
		if y != 0 && y != 1 && y != unknown {
			return fmt.Errorf("metrics: row %d, label %q: truth is %d, want 1, 0, or -1 for unknown", i/cols+1, d.Labels[i%cols], y)
		}
	}
	return nil
}

// checkThresholds returns an error unless there is one finite threshold, or one for each of n labels.
func checkThresholds(thresholds []float32, n int) error {
	if len(thresholds) != 1 && len(thresholds) != n {
		return fmt.Errorf("metrics: %d thresholds, want 1, or one for each of %d labels", len(thresholds), n)
	}
	for i, t := range thresholds {
		if t-t != 0 { // NaN or infinite
			return fmt.Errorf("metrics: threshold %d is %v, want a number", i+1, t)
		}
	}
	return nil
}

// sortedLabel returns the sorted keys of one label's known cells.
func (d Data) sortedLabel(label int) []key {
	return sortedCells(d.Truth[label:], d.Scores[label:], len(d.Labels))
}

// sortedCells returns the sorted keys of every stride-th cell, as far as it is known.
func sortedCells(truth []int8, scores []float32, stride int) []key {
	keys := appendKeys(make([]key, 0, (len(truth)+stride-1)/stride), truth, scores, stride)
	return sortKeys(keys, make([]key, len(keys)))
}

// evaluateLabel computes the metrics of one label.
func (d Data) evaluateLabel(label int, threshold float32) LabelReport {
	sorted := d.sortedLabel(label)
	counts, best := countsAbove(sorted, threshold), F(1).best(sorted)
	return LabelReport{
		Name:             d.Labels[label],
		Precision:        Number(counts.Precision()),
		Recall:           Number(counts.Recall()),
		F1:               Number(counts.F1()),
		Support:          counts.Support(),
		ROCAUC:           Number(rocAUC(sorted)),
		AveragePrecision: Number(averagePrecision(sorted)),
		Threshold:        threshold,
		BestF1Threshold:  best.Threshold,
		BestF1:           Number(best.F1()),
		Counts:           counts,
	}
}

// rankCells sets what orders all known cells as one problem.
func (d Data) rankCells(s *Summary) {
	sorted := sortedCells(d.Truth, d.Scores, 1)
	s.ROCAUCMicro = Number(rocAUC(sorted))
	s.AveragePrecisionMicro = Number(averagePrecision(sorted))
}

// rowSums are sums over rows with at least one known cell, and over their cells.
type rowSums struct {
	rows, exact                             int // exact: with every known cell right
	precision, recall, f1, jaccard          float64
	rankingPrecision, coverage, rankingLoss float64
	calibration                             calibration
}

// sumRows sums the rows from first up to end.
func (d Data) sumRows(first, end int, thresholds Thresholds) (sum rowSums) {
	cols := len(d.Labels)
	keys, scratch := make([]key, 0, cols), make([]key, cols)
	for i := first; i < end; i++ {
		truth, scores := d.Truth[i*cols:(i+1)*cols], d.Scores[i*cols:(i+1)*cols]
		var counts Counts
		for j, y := range truth {
			if y != unknown {
				counts.add(y == 1, scores[j] > thresholds.Of(j))
				sum.calibration.add(scores[j], y == 1)
			}
		}
		if counts.Known() > 0 {
			sum.addRow(counts, sortKeys(appendKeys(keys, truth, scores, 1), scratch))
		}
	}
	return sum
}

// addRow takes in one row: its counts and its sorted keys.
func (s *rowSums) addRow(counts Counts, sorted []key) {
	s.rows++
	if counts.FP+counts.FN == 0 {
		s.exact++
	}
	s.precision += counts.Precision()
	s.recall += counts.Recall()
	s.f1 += counts.F1()
	s.jaccard += counts.Jaccard()
	precision, coverage, loss := rankingOfRow(sorted)
	s.rankingPrecision += precision
	s.coverage += coverage
	s.rankingLoss += loss
}

// merge takes in the sums of t.
func (s *rowSums) merge(t *rowSums) {
	s.rows += t.rows
	s.exact += t.exact
	s.precision += t.precision
	s.recall += t.recall
	s.f1 += t.f1
	s.jaccard += t.jaccard
	s.rankingPrecision += t.rankingPrecision
	s.coverage += t.coverage
	s.rankingLoss += t.rankingLoss
	s.calibration.merge(&t.calibration)
}

// averageRows sets what is a mean over rows or over cells.
func (r *Report) averageRows(blocks []rowSums) {
	var s rowSums
	for i := range blocks {
		s.merge(&blocks[i])
	}
	mean := func(sum float64) Number { return Number(sum / float64(s.rows)) }
	r.PrecisionSamples, r.RecallSamples, r.F1Samples = mean(s.precision), mean(s.recall), mean(s.f1)
	r.JaccardSamples = mean(s.jaccard)
	r.SubsetAccuracy = mean(float64(s.exact))
	r.LabelRankingAveragePrecision = mean(s.rankingPrecision)
	r.CoverageError = mean(s.coverage)
	r.LabelRankingLoss = mean(s.rankingLoss)

	r.LogLoss = Number(s.calibration.logLoss())
	r.BrierScore = Number(s.calibration.brier())
	r.ExpectedCalibrationError = Number(s.calibration.expectedError())
}

// averageLabels sets what adds up labels (micro), or is a mean over them (macro, weighted), and the list of undefined ones.
func (r *Report) averageLabels() {
	var total Counts
	for _, l := range r.PerLabel {
		total = total.plus(l.Counts)
		if !l.ROCAUC.Defined() {
			r.Undefined.ROCAUC = append(r.Undefined.ROCAUC, l.Name)
		}
		if !l.AveragePrecision.Defined() {
			r.Undefined.AveragePrecision = append(r.Undefined.AveragePrecision, l.Name)
		}
	}
	r.PrecisionMicro, r.RecallMicro, r.F1Micro = Number(total.Precision()), Number(total.Recall()), Number(total.F1())
	r.JaccardMicro = Number(total.Jaccard())
	r.HammingLoss = Number(float64(total.FP+total.FN) / float64(total.Known()))

	known := func(l *LabelReport, v Number) Number { // a label of which nothing is known counts nowhere, unless there are no others
		if l.Known() == 0 && total.Known() > 0 {
			return Number(math.NaN())
		}
		return v
	}
	r.PrecisionMacro, r.PrecisionWeighted = r.PerLabel.mean(func(l *LabelReport) Number { return known(l, l.Precision) })
	r.RecallMacro, r.RecallWeighted = r.PerLabel.mean(func(l *LabelReport) Number { return known(l, l.Recall) })
	r.F1Macro, r.F1Weighted = r.PerLabel.mean(func(l *LabelReport) Number { return known(l, l.F1) })
	r.JaccardMacro, _ = r.PerLabel.mean(func(l *LabelReport) Number { return known(l, Number(l.Jaccard())) })
	r.AveragePrecisionMacro, _ = r.PerLabel.mean(func(l *LabelReport) Number { return l.AveragePrecision })
	r.ROCAUCMacro, r.ROCAUCWeighted = r.PerLabel.mean(func(l *LabelReport) Number { return l.ROCAUC })
}

// mean returns the mean of a value over the labels where it exists, plain and weighted by support. It is NaN where the value
// exists for no label; the weighted mean is 0 where no label has support.
func (p PerLabel) mean(value func(*LabelReport) Number) (macro, weighted Number) {
	var sum, weightedSum float64
	var n, support int
	for i := range p {
		if v := value(&p[i]); v.Defined() {
			sum += float64(v)
			weightedSum += float64(v) * float64(p[i].Support)
			n++
			support += p[i].Support
		}
	}
	if n == 0 {
		return Number(math.NaN()), Number(math.NaN())
	}
	return Number(sum / float64(n)), Number(weightedSum / float64(max(1, support)))
}
