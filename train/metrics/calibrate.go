package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"bertlabel/tensor/parallel"
)

// Method is the form of a calibration. The zero Method is Temperature.
type Method int

// The methods. Both keep the order of a label's scores, so neither changes its ROC-AUC or average precision.
const (
	Temperature Method = iota // σ(z/T): one number T for each label (Guo et al. 2017, arXiv:1706.04599, §4.2)
	Platt                     // σ(slope·z + intercept): two (Platt 1999)
)

// methods are the names of the methods.
var methods = [...]string{Temperature: "temperature", Platt: "platt"}

// ParseMethod reads "temperature" or "platt".
func ParseMethod(s string) (Method, error) {
	if i := slices.Index(methods[:], s); i >= 0 {
		return Method(i), nil
	}
	return 0, fmt.Errorf("method %q, want %s", s, strings.Join(methods[:], " or "))
}

// String returns the name that ParseMethod reads.
func (m Method) String() string { return methods[m] }

// Calibration maps logits z to probabilities that mean what they say: p = σ(Slope·z + Intercept), with one pair a label.
type Calibration struct {
	Slope     []float64 // > 0; the temperature is 1/Slope
	Intercept []float64 // 0 for Temperature
	Prior     float64   // the strength of the pull towards the line of all labels; +Inf: all have that line
	// Of p = σ(z), and of calibrated probabilities, each made without its own row.
	Before, After Quality
}

// Quality says how well probabilities fit the truth, over all known cells. NaN without any.
type Quality struct {
	LogLoss                  Number `json:"log_loss"`
	BrierScore               Number `json:"brier_score"`
	ExpectedCalibrationError Number `json:"expected_calibration_error"`
}

// calibrationPriors are the strengths that Calibrate tries, the strongest first.
var calibrationPriors = [...]float64{math.Inf(1), 100, 10, 1}

// Calibrate fits a calibration to logits and truth, both row-major [rows, len(labels)], truth 1, 0, or −1 for an unknown cell.
//
// Each label's line minimises its cross-entropy plus prior/2 · ((slope − slope₀)² + (intercept − intercept₀)²), where slope₀
// and intercept₀ are the line of all labels together, itself pulled in this way towards no change. The cross-entropy grows
// with the rows that tell something, above all the positives; so a label with few of them stays near the line of all. prior is
// the one with the lowest log loss on rows left out, of five folds dealt at random; on equal values the strongest. Where the
// fitted slope is not positive, which would turn the order of the scores round, the line pulled towards stays.
//
// The same data and the same state of rng give the same result. Errors are those of Evaluate, and name the row (from 1) and
// label of a logit that is NaN or infinite.
func Calibrate(labels []string, truth []int8, logits []float32, method Method, rng *rand.Rand) (*Calibration, error) {
	d := Data{labels, truth, logits} // whose scores are logits
	if err := d.checkTruth(); err != nil {
		return nil, err
	}
	for i, z := range logits {
		if z-z != 0 {
			return nil, fmt.Errorf("metrics: row %d, label %q: logit is %v, want a number", i/len(labels)+1, labels[i%len(labels)], z)
		}
	}
	best, after := 0, d.tryLines(method, rng)
	for i := range after {
		if after[i].logLoss() < after[best].logLoss() {
			best = i
		}
	}
	before := d.measure(func(int) line { return unchanged })
	c := &Calibration{Prior: calibrationPriors[best], Before: before.quality(), After: after[best].quality()}
	for _, lines := range d.fitLines(method)[best] {
		c.Slope, c.Intercept = append(c.Slope, lines.slope), append(c.Intercept, lines.intercept)
	}
	return c, nil
}

// Probabilities sets dst to the calibrated probabilities of logits, both row-major [rows, C]. They may be the same slice.
func (c *Calibration) Probabilities(dst, logits []float32) {
	cols := len(c.Slope)
	for i, z := range logits {
		dst[i] = float32(line{c.Slope[i%cols], c.Intercept[i%cols]}.probability(z))
	}
}

// line maps a logit to another.
type line struct{ slope, intercept float64 }

// unchanged is the line of a logit that needs no calibration.
var unchanged = line{1, 0}

// probability returns σ(slope·z + intercept).
func (l line) probability(z float32) float64 {
	return 1 / (1 + math.Exp(-(l.slope*float64(z) + l.intercept))) // e^∞ gives 0
}

// quality returns what calibration has gathered.
func (c *calibration) quality() Quality {
	return Quality{Number(c.logLoss()), Number(c.brier()), Number(c.expectedError())}
}

// measure gathers the probabilities that each label's line gives.
func (d Data) measure(lineOf func(label int) line) (c calibration) {
	for j := range d.Labels {
		l := lineOf(j)
		for i := j; i < len(d.Truth); i += len(d.Labels) {
			if d.Truth[i] != unknown {
				c.add(float32(l.probability(d.Scores[i])), d.Truth[i] == 1)
			}
		}
	}
	return c
}

// tryLines measures, for each prior, probabilities that were made without their own row.
func (d Data) tryLines(method Method, rng *rand.Rand) (tried [len(calibrationPriors)]calibration) {
	fold := deal(d.rows(), rng)
	for k := range folds {
		rest, held := d.split(fold, k)
		for i, lines := range rest.fitLines(method) {
			part := held.measure(func(label int) line { return lines[label] })
			tried[i].merge(&part)
		}
	}
	return tried
}

// fitLines fits the line of each label, for each prior.
func (d Data) fitLines(method Method) (lines [len(calibrationPriors)][]line) {
	for i := range lines {
		lines[i] = make([]line, len(d.Labels))
	}
	global := fitLine(knownCells(d.Truth, d.Scores, 1), unchanged, 1, method)
	parallel.For(len(d.Labels), func(j int) {
		var cells []cell
		if len(d.Truth) > 0 {
			cells = knownCells(d.Truth[j:], d.Scores[j:], len(d.Labels))
		}
		for i, prior := range calibrationPriors {
			lines[i][j] = fitLine(cells, global, prior, method)
		}
	})
	return lines
}

// cell is the logit and the truth, 0 or 1, of a known cell.
type cell struct{ z, y float64 }

// knownCells returns the known ones of every stride-th cell.
func knownCells(truth []int8, logits []float32, stride int) (cells []cell) {
	for i := 0; i < len(truth); i += stride {
		if truth[i] != unknown {
			cells = append(cells, cell{float64(logits[i]), float64(truth[i])})
		}
	}
	return cells
}
