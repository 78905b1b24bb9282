package diagnosis

import (
	"fmt"
	"math"
	"slices"

	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// Scores gathers what the probabilities of many texts tell, in memory that does not grow with them.
type Scores struct {
	labels   []string
	predicts func(label int, probability float32) bool // nil: nobody asks for Unlabelled

	rows, texts int    // texts: rows whose text is not that of the row before
	last        string // text of the last row
	ones        int    // rows whose probabilities add up to 1
	least, most []float32
	predicted   []int
	sum         []float64

	// Reading says what the model could read of the texts, which is ruled out before anything else is blamed. The zero value: all of it.
	Reading Reading
}

// NewScores returns the statistics of no text. predicts tells whether a label, by its place, is predicted at a probability
// (model.Predicts); it may be nil where Unlabelled will not be asked for.
func NewScores(labels []string, predicts func(label int, probability float32) bool) *Scores {
	s := &Scores{labels: labels, predicts: predicts, predicted: make([]int, len(labels)), sum: make([]float64, len(labels))}
	s.least, s.most = slices.Repeat([]float32{1}, len(labels)), make([]float32, len(labels))
	return s
}

// oneWithin is how near to 1 probabilities have to add up. A softmax is at rounding; independent sigmoids come so near in one of
// some twenty rows.
const oneWithin = 0.02

// Add takes in the probabilities [labels] of a text.
func (s *Scores) Add(text string, probabilities []float32) {
	if s.rows == 0 || text != s.last {
		s.texts++
	}
	s.rows++
	s.last = text
	total := 0.0
	for l, p := range probabilities {
		total += float64(p)
		s.sum[l] += float64(p)
		s.least[l], s.most[l] = min(s.least[l], p), max(s.most[l], p)
		if s.predicts != nil && s.predicts(l, p) {
			s.predicted[l]++
		}
	}
	if math.Abs(total-1) <= oneWithin {
		s.ones++
	}
}

// fewTexts are too few to tell anything about what all of them have in common.
const fewTexts = 10

// Findings says what the scores look like whatever the truth is: constants, and sums of 1.
func (s *Scores) Findings() (found []Finding) {
	const (
		fewRows = 20   // fewer tell nothing about sums
		nearly  = 0.95 // of the rows
	)
	blame := func(remedy string) string {
		if s.Reading.Blind() {
			return ofUnknown(&s.Reading)
		}
		return remedy
	}
	var constant []string
	for l, label := range s.labels {
		if s.texts >= fewTexts && s.constant(l) {
			constant = append(constant, label)
		}
	}
	switch {
	case len(constant) == len(s.labels) && len(constant) > 0:
		found = append(found, Finding{ConstantPredictions,
			fmt.Sprintf("all %d rows have the same scores: the model does not look at the text", s.rows),
			blame("Train again with a lower `learning_rate`, and check the weights with bertlabel inspect --stats")})
	case len(constant) > 0:
		found = append(found, Finding{ConstantPredictions, fmt.Sprintf("every row has the same score for %s", listed(constant)),
			blame("Give these labels training rows, both with and without them, or leave them out")})
	}
	if len(s.labels) > 1 && s.rows >= fewRows && float64(s.ones) >= nearly*float64(s.rows) {
		found = append(found, Finding{SoftmaxSums,
			fmt.Sprintf("the probabilities of %d of %d rows add up to 1, as if each row had exactly one label", s.ones, s.rows),
			"If it has, take the most probable one (predict `top_k` 1) and no thresholds; if rows may have several or none, the head " +
				"was trained by a softmax or on such data: train it on rows with all their labels"})
	}
	return found
}

// constant reports whether label l has the same score on all rows: within 0.02 as a logit, a fiftieth of a unit, where a
// trained head spreads over several.
func (s *Scores) constant(l int) bool {
	const within = 0.02
	return s.least[l] == s.most[l] || logit(s.most[l])-logit(s.least[l]) <= within
}

func logit(p float32) float64 { return math.Log(float64(p)) - math.Log1p(-float64(p)) }

// Unlabelled says which labels are never or always predicted, as far as that can be told without the truth: one is missing when
// its probabilities add up to ten rows, and one is idle when it stands at each of fifty rows.
func (s *Scores) Unlabelled() []Finding {
	const expected, enough = 10, 50
	var never, always []string
	for l, label := range s.labels {
		switch {
		case s.predicted[l] == 0 && s.sum[l] >= expected:
			never = append(never, label)
		case s.predicted[l] == s.rows && s.rows >= enough:
			always = append(always, label)
		}
	}
	return neverOrAlways(never, always, len(s.labels),
		fmt.Sprintf("of %d rows, though their probabilities make up %d or more", s.rows, expected))
}

// Labels says which labels an evaluation with truth never or always predicts at their thresholds: never while five rows or more have
// the label, or any row when nothing is predicted at all; always while more than one row in twenty has it not.
func Labels(r *metrics.Report) []Finding {
	const support, idle = 5, 0.05
	var never, always []string
	nothing := !slices.ContainsFunc(r.PerLabel, func(l metrics.LabelReport) bool { return l.TP+l.FP > 0 })
	for _, l := range r.PerLabel {
		switch {
		case l.TP+l.FP == 0 && (l.FN >= support || nothing && l.FN > 0):
			never = append(never, l.Name)
		case l.TN+l.FN == 0 && float64(l.FP) > idle*float64(l.Known()):
			always = append(always, l.Name)
		}
	}
	return neverOrAlways(never, always, len(r.PerLabel), fmt.Sprintf("of %d rows, some of which have them", r.Rows))
}

// Baseline says when a linear model of the words ranks the rows better than the model does, by the mean over the labels of the
// average precision, on which no threshold has a part. tuned says that layers of the encoder were trained: where they were not, that is what
// turns it round most often; where they were, it is the text that was cut.
func Baseline(model, linear *metrics.Report, tuned bool) []Finding {
	m, l := model.AveragePrecisionMacro, linear.AveragePrecisionMacro
	if !(l > m) {
		return nil
	}
	advice := "Train the encoder too (`tune` last:2)"
	if tuned {
		advice = "Let it read more of each text where texts are cut (`max_seq_length`), give it more rows"
	}
	return []Finding{{BehindBaseline,
		fmt.Sprintf("A linear model of the words is ahead of this one: average_precision_macro %.4f, here %.4f", l, m),
		advice + ", or take the linear model: it costs next to nothing"}}
}

func neverOrAlways(never, always []string, labels int, of string) (found []Finding) {
	if len(never) > 0 {
		found = append(found, Finding{NeverPredicted,
			fmt.Sprintf("%d of %d labels are predicted for none %s: %s", len(never), labels, of, listed(never)),
			"Their probabilities stay below the threshold: choose thresholds on held-out rows (bertlabel tune `dev` F), or give " +
				"them more training rows"})
	}
	if len(always) > 0 {
		found = append(found, Finding{AlwaysPredicted,
			fmt.Sprintf("%d of %d labels are predicted for every row: %s", len(always), labels, listed(always)),
			"Choose thresholds on held-out rows (bertlabel tune `dev` F), or look at how these labels were given"})
	}
	return found
}

// Predictions looks at the probabilities of all rows of a data set, row-major [rows, labels], and at what their evaluation says. reading
// is what the model could read of the texts.
func Predictions(set *data.Dataset, r *metrics.Report, probabilities []float32, reading Reading) []Finding {
	labels := len(r.Labels)
	scores := NewScores(r.Labels, nil) // the report knows what is predicted
	scores.Reading = reading
	for i, text := range set.Texts {
		scores.Add(text+set.Pair(i), probabilities[i*labels:(i+1)*labels])
	}
	return append(scores.Findings(), Labels(r)...)
}
