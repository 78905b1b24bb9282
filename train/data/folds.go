package data

import (
	"fmt"
	"slices"
)

// Folds deals the rows of a labelled data set into k ≥ 2 stratified folds of about one size ([Stratify]); rows of one text ([Groups]) are
// in one fold. fold[i] is that of row i, from 0 to k − 1, a function of the arguments. A set of fewer different texts than k is refused,
// with a *RowError.
func Folds(d *Dataset, k int, seed uint64) (fold []int, err error) {
	group, texts := Groups(d)
	if texts < k {
		return nil, &RowError{File: d.File, Found: fmt.Sprintf("%d different texts", texts),
			Expected: fmt.Sprintf("at least %d, one for each fold", k), Hint: "lower `folds`"}
	}
	return Stratify(d.Positives(), group, slices.Repeat([]float64{1 / float64(k)}, k), seed), nil
}

// SplitFold returns the rows of the other folds, and those of fold k, both in order.
func SplitFold(fold []int, k int) (rest, held []int) {
	for row, f := range fold {
		if f == k {
			held = append(held, row)
		} else {
			rest = append(rest, row)
		}
	}
	return rest, held
}
