package metrics

import "math/rand/v2"

// folds is how many parts the rows are dealt into where something is tried on rows that it was not fitted to.
const folds = 5

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
