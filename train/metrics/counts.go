package metrics

// Counts is a confusion matrix: how many known cells are predicted positive or negative, rightly or wrongly.
type Counts struct {
	TN int `json:"tn"`
	FP int `json:"fp"`
	FN int `json:"fn"`
	TP int `json:"tp"`
}

// add counts one cell.
func (c *Counts) add(positive, predicted bool) {
	switch {
	case positive && predicted:
		c.TP++
	case positive:
		c.FN++
	case predicted:
		c.FP++
	default:
		c.TN++
	}
}

// plus returns the counts of both together.
func (c Counts) plus(d Counts) Counts {
	return Counts{TN: c.TN + d.TN, FP: c.FP + d.FP, FN: c.FN + d.FN, TP: c.TP + d.TP}
}

// Known returns the number of cells counted.
func (c Counts) Known() int { return c.TN + c.FP + c.FN + c.TP }

// Support returns the number of cells whose truth is positive.
func (c Counts) Support() int { return c.TP + c.FN }

// Precision returns TP/(TP+FP): how much of what was predicted is right. 0 without predictions.
func (c Counts) Precision() float64 { return ratio(c.TP, c.TP+c.FP) }

// Recall returns TP/(TP+FN): how much of what is true was found. 0 without positives.
func (c Counts) Recall() float64 { return ratio(c.TP, c.TP+c.FN) }

// F1 returns 2TP/(2TP+FP+FN), the harmonic mean of precision and recall. 0 when all three counts are.
func (c Counts) F1() float64 { return ratio(2*c.TP, 2*c.TP+c.FP+c.FN) }

// FBeta returns (1+β²)TP/((1+β²)TP+β²FN+FP), which weighs recall β times as much as precision (van Rijsbergen 1979, ch. 7).
func (c Counts) FBeta(beta float64) float64 {
	b := beta * beta
	tp := (1 + b) * float64(c.TP)
	if tp == 0 {
		return 0
	}
	return tp / (tp + b*float64(c.FN) + float64(c.FP))
}

// Jaccard returns TP/(TP+FP+FN), the overlap of predicted and true. 0 when all three counts are.
func (c Counts) Jaccard() float64 { return ratio(c.TP, c.TP+c.FP+c.FN) }

// ratio returns a/b, and 0 for 0/0: scikit-learn's zero_division=0.
func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
