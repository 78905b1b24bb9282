package diagnosis

import (
	"bertlabel/bert/tokenizer"
	"fmt"
	"math"
	"slices"
	"strings"

	"bertlabel/train/data"
)

// Cut judges how many texts of a file were cut to so many tokens by a model that takes up to limit in a row; left: their
// beginnings were cut.
func Cut(file string, cut, texts int, lengths tokenizer.Lengths, limit int, left bool) []Finding {
	const most = 0.1
	share := float64(cut) / float64(max(1, texts))
	if share <= most {
		return nil
	}
	remedy := fmt.Sprintf("Raise `max_seq_length` (the model takes up to %d)", limit)
	switch {
	case lengths.Windows.Several():
		remedy = "Raise `windows`; all reads every text to its end"
	case lengths.MaxSeqLength >= limit:
		remedy = "The model takes no more in a row: `windows` all reads the texts to their end, in rows that overlap"
	}
	side := "behind"
	if left {
		side = "before"
	}
	return []Finding{{CutTexts, fmt.Sprintf("%s: %d of %d texts (%.1f %%) were longer than %v and were cut: what stands %s "+
		"is not seen", file, cut, texts, 100*share, lengths, side), remedy}}
}

// Splits judges whether two files for the same labels could be parts of one: labels that are much more frequent in one, and
// lengths that differ. What chance explains one time in a million is no finding.
func Splits(train, dev *data.Dataset) (found []Finding) {
	const remedy = "What is chosen on dev will not hold elsewhere: shuffle all rows and split them anew, or say why they differ"
	var labels []string
	for l := range train.Labels.Len() {
		a, n := positives(train, l)
		b, m := positives(dev, l)
		if unlike(a, n, b, m) {
			labels = append(labels, train.Labels.Name(l))
		}
	}
	if len(labels) > 0 {
		found = append(found, Finding{SplitsApart,
			fmt.Sprintf("%d of %d labels are far more frequent in one of %s and %s than in the other: %s",
				len(labels), train.Labels.Len(), train.File, dev.File, listed(labels)), remedy})
	}
	a, b := lengths(train), lengths(dev)
	if d := distance(a, b); d > max(farLengths, chance*math.Sqrt(1/float64(len(a))+1/float64(len(b)))) {
		found = append(found, Finding{SplitsApart, fmt.Sprintf("the texts of %s and %s differ in length: the median is %d and %d words",
			train.File, dev.File, a[len(a)/2], b[len(b)/2]), remedy})
	}
	return found
}

// positives returns how often a label is given, of the rows where it is known.
func positives(d *data.Dataset, label int) (positive, known float64) {
	for i := label; i < len(d.Y); i += d.Labels.Len() {
		switch d.Y[i] {
		case 1:
			positive++
			known++
		case 0:
			known++
		}
	}
	return positive, known
}

// unlike reports whether a of n and b of m are frequencies of which one is over half as large again, and five standard errors away.
func unlike(a, n, b, m float64) bool {
	const ratio, errors = 1.5, 5
	if n == 0 || m == 0 {
		return false
	}
	p, q, both := a/n, b/m, (a+b)/(n+m)
	return max(p, q) > ratio*min(p, q) && math.Abs(p-q) > errors*math.Sqrt(both*(1-both)*(1/n+1/m))
}

// Bounds for the distance of two distributions of lengths: the share of texts that must be longer or shorter, and what chance
// explains one time in a million, times √(1/n + 1/m) (Kolmogorov and Smirnov: √(ln(2/α)/2)).
const (
	farLengths = 0.2
	chance     = 2.69
)

// lengths returns the words of each text, in order.
func lengths(d *data.Dataset) []int {
	words := make([]int, d.Rows())
	for i := range words {
		words[i] = len(strings.Fields(d.Texts[i])) + len(strings.Fields(d.Pair(i)))
	}
	slices.Sort(words)
	return words
}

// distance returns the largest difference of the distribution functions of two ordered samples (Kolmogorov, Smirnov).
func distance(a, b []int) (d float64) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		x := min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}
