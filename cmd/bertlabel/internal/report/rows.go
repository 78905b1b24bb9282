package report

import (
	"cmp"
	"math"
	"slices"

	"bertlabel/tensor/parallel"
)

const (
	shownWrong    = 20 // rows most wrong
	shownSuspects = 15 // cells of each kind that are likely mislabelled
	suspectsOfRow = 2  // of them, of one row
)

// rowLoss returns the cross-entropy of a row, summed over its known cells. Probabilities are clipped as metrics has it for log_loss.
func (s *Scored) rowLoss(row int) (loss float64) {
	c := len(s.Labels)
	for i := row * c; i < (row+1)*c; i++ {
		p := min(max(float64(s.Scores[i]), 1e-15), 1-1e-15)
		switch s.Truth[i] {
		case 1:
			loss -= math.Log(p)
		case 0:
			loss -= math.Log(1 - p)
		}
	}
	return loss
}

// ranked is a row with the loss it is ranked by.
type ranked struct {
	row  int
	loss float64
}

// MostWrong returns the numbers of at most n rows with the highest loss, highest first: those that the page explains where
// Explanations has them.
func (s *Scored) MostWrong(n int) []int {
	var rows []int
	for _, r := range s.mostWrong(n) {
		rows = append(rows, r.row)
	}
	return rows
}

func (s *Scored) mostWrong(n int) []ranked {
	rows := make([]ranked, s.rows())
	parallel.For(len(rows), func(i int) { rows[i] = ranked{i, s.rowLoss(i)} })
	slices.SortFunc(rows, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.loss, a.loss), cmp.Compare(a.row, b.row)) })
	return rows[:min(n, len(rows))]
}

// suspect is a cell whose given label the model contradicts with confidence.
type suspect struct {
	row, label int
	p          float64 // probability of the label
}

// suspects finds cells that are likely mislabelled, as confident learning does (Northcutt et al. 2021, arXiv:1911.00068, §3.1): the
// model's probability for the other class is at least its mean over the rows that were given that class, and if that holds for both
// classes, the more probable one counts. missing are labels that were not given, surplus those that were; the surest stand first, the
// surest suspectsOfRow of each row only.
func (a *analysis) suspects() (missing, surplus []suspect) {
	c := len(a.Labels)
	least := func(x, y suspect) int { return cmp.Compare(x.p, y.p) }
	most := func(x, y suspect) int { return cmp.Compare(y.p, x.p) }
	var ofRow classes[[]suspect]
	for row := range a.rows() {
		ofRow[0], ofRow[1] = ofRow[0][:0], ofRow[1][:0]
		for label := range c {
			p, mean := float64(a.Scores[row*c+label]), &a.labels[label].mean
			likely1 := p >= mean[1] && (p > 0.5 || !(p <= mean[0]))
			likely0 := p <= mean[0] && (p < 0.5 || !(p >= mean[1]))
			if y := a.Truth[row*c+label]; y == 0 && likely1 || y == 1 && likely0 {
				ofRow[y] = append(ofRow[y], suspect{row, label, p})
			}
		}
		slices.SortStableFunc(ofRow[0], most)
		slices.SortStableFunc(ofRow[1], least)
		missing = append(missing, ofRow[0][:min(suspectsOfRow, len(ofRow[0]))]...)
		surplus = append(surplus, ofRow[1][:min(suspectsOfRow, len(ofRow[1]))]...)
	}
	slices.SortStableFunc(missing, most)
	slices.SortStableFunc(surplus, least)
	return missing, surplus
}

// mostPairs is how many labels are looked at in pairs, those with the most rows: time and memory grow with the square.
const mostPairs = 500

// pairs counts, for pairs of labels, the rows in which they meet.
type pairs struct {
	labels             []int // the numbers of those that are counted, in label order
	together, confused matrix
}

// matrix is a square table of shares by positions in pairs.labels; NaN in the row of a label that no row has.
type matrix [][]float64

func newMatrix(n int) matrix {
	m := make(matrix, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

// countPairs counts over the rows of s. together[i][j] is the share of the rows with label i that have label j, too: 1 on the
// diagonal. confused[i][j] is the share of the rows with label i for which j is predicted though it is not given; on the diagonal
// stands the recall of i. Unknown cells count as not given and not predicted.
func (s *Scored) countPairs() pairs {
	p := pairs{labels: s.frequent(mostPairs)}
	p.together, p.confused = newMatrix(len(p.labels)), newMatrix(len(p.labels))
	support := make([]float64, len(p.labels))
	var given, wrong []int
	for row := range s.rows() {
		given, wrong = given[:0], wrong[:0]
		for i, label := range p.labels {
			if y := s.Truth[row*len(s.Labels)+label]; y == 1 {
				given = append(given, i)
			} else if y == 0 && s.predicted(row, label) {
				wrong = append(wrong, i)
			}
		}
		for _, i := range given {
			support[i]++
			for _, j := range given {
				p.together[i][j]++
			}
			for _, j := range wrong {
				p.confused[i][j]++
			}
			if s.predicted(row, p.labels[i]) {
				p.confused[i][i]++
			}
		}
	}
	for i := range p.labels {
		for j := range p.labels {
			p.together[i][j] /= support[i]
			p.confused[i][j] /= support[i]
		}
	}
	return p
}

func (s *Scored) predicted(row, label int) bool {
	return s.Scores[row*len(s.Labels)+label] > s.Metrics.Threshold.Of(label)
}

// confusion is a pair of labels of which the model predicts the second where the first is given and the second is not.
type confusion struct {
	given, predicted int
	share            float64 // of the rows with the first label
}

// confusions returns the n pairs with the highest share among labels that at least least rows have.
func (a *analysis) confusions(n, least int) (all []confusion) {
	for i, row := range a.pairs.confused {
		for j, share := range row {
			if given := a.pairs.labels[i]; i != j && share > 0 && a.Metrics.PerLabel[given].Support >= least {
				all = append(all, confusion{given, a.pairs.labels[j], share})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b confusion) int { return cmp.Compare(b.share, a.share) })
	return all[:min(n, len(all))]
}
