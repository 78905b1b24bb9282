package data

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Stratify deals rows into parts so that every part has its share of every label: the iterative stratification of Sechidis,
// Tsoumakas and Vlahavas 2011 ("On the stratification of multi-label data"), algorithm 1. The label with the fewest rows left is
// dealt first, while there is still a choice; each of its rows goes to the part that lacks most of that label, then to the part
// that lacks most rows, then by lot.
//
// labels[i] are the labels of row i, by number; a row may have none. group[i] is the number of the row's text, from 0 (see
// [Groups]): rows of one group go to one part together, large groups first. A nil group means that each row has its own. shares
// are the sizes of the parts, all above 0, with a sum of 1. part[i] is the number of the row's part; it is a function of the
// arguments. The time is that of n rows with p labels all together: p·log(labels) + n·(log n + parts).
//
// Stratify panics when shares are not as said, or when a slice is too short.
func Stratify(labels [][]int, group []int, shares []float64, seed uint64) (part []int) {
	sum := 0.0
	for _, share := range shares {
		sum += share
		if !(share > 0) {
			panic(fmt.Sprintf("data: a part with a share of %v", share))
		}
	}
	if !(math.Abs(sum-1) <= 1e-9) {
		panic(fmt.Sprintf("data: the shares of the parts have a sum of %v, want 1", sum))
	}
	if group == nil {
		group = make([]int, len(labels))
		for i := range group {
			group[i] = i
		}
	}
	s := newStratifier(labels, group, shares, seed)
	for len(s.queue.labels) > 0 {
		s.dealLabel(s.queue.labels[0])
	}
	s.dealRest()
	part = make([]int, len(labels))
	for i := range part {
		part[i] = s.items[group[i]].part
	}
	return part
}

// stratifier is one call of Stratify. D, L, c and S are the paper's.
type stratifier struct {
	items  []item      // D, by group
	of     [][]int     // [label]: the items that have it, in the order of dealing
	order  []int       // all items in the order of dealing
	lacks  []float64   // [part] c_j: rows that the part lacks
	wants  [][]float64 // [label][part] c_j^i: rows with the label that the part lacks
	queue  labelQueue  // L: the labels with rows left
	random *rand.PCG
}

// item is what is dealt in one piece: the rows of one text.
type item struct {
	rows   int
	labels []int // of each row, one after the other
	part   int   // -1 before it is dealt
}

func newStratifier(labels [][]int, group []int, shares []float64, seed uint64) *stratifier {
	s := &stratifier{random: rand.NewPCG(seed, stratifyStream)}
	for i, g := range group {
		for len(s.items) <= g {
			s.items = append(s.items, item{part: -1})
		}
		s.items[g].rows++
		s.items[g].labels = append(s.items[g].labels, labels[i]...)
	}
	s.order = make([]int, len(s.items))
	shuffle(s.order, s.random)
	slices.SortStableFunc(s.order, func(a, b int) int { return s.items[b].rows - s.items[a].rows })

	for _, share := range shares {
		s.lacks = append(s.lacks, share*float64(len(labels)))
	}
	for _, i := range s.order {
		for _, label := range s.items[i].labels {
			for len(s.of) <= label {
				s.of = append(s.of, nil)
				s.queue.left = append(s.queue.left, 0)
			}
			if of := s.of[label]; len(of) == 0 || of[len(of)-1] != i { // once for all rows of the item
				s.of[label] = append(of, i)
			}
			s.queue.left[label]++
		}
	}
	s.wants = make([][]float64, len(s.of))
	for label, n := range s.queue.left {
		for _, share := range shares {
			s.wants[label] = append(s.wants[label], share*float64(n))
		}
	}
	s.queue.begin()
	return s
}

// dealLabel deals all items that have the label and are left.
func (s *stratifier) dealLabel(label int) {
	for _, i := range s.of[label] {
		if s.items[i].part < 0 {
			s.deal(i, s.most(s.wants[label]))
		}
	}
}

// dealRest deals the items without labels.
func (s *stratifier) dealRest() {
	for _, i := range s.order {
		if s.items[i].part < 0 {
			s.deal(i, s.most(s.lacks))
		}
	}
}

// most returns the part for which wants is most; of several, one of those that lack most rows, by lot.
func (s *stratifier) most(wants []float64) int {
	var best []int
	for j := range wants {
		switch {
		case len(best) == 0 || wants[j] > wants[best[0]] || wants[j] == wants[best[0]] && s.lacks[j] > s.lacks[best[0]]:
			best = append(best[:0], j)
		case wants[j] == wants[best[0]] && s.lacks[j] == s.lacks[best[0]]:
			best = append(best, j)
		}
	}
	if len(best) == 1 {
		return best[0]
	}
	return best[below(len(best), s.random)]
}

// deal gives an item to a part.
func (s *stratifier) deal(i, part int) {
	it := &s.items[i]
	it.part = part
	s.lacks[part] -= float64(it.rows)
	for _, label := range it.labels {
		s.wants[label][part]--
		s.queue.take(label)
	}
}

// labelQueue is a heap of the labels with rows left, those with the fewest first; of several, the first in the label list.
type labelQueue struct {
	left   []int // [label]: rows left
	labels []int // the heap
	at     []int // [label]: its place in labels
}

func (q *labelQueue) begin() {
	q.at = make([]int, len(q.left))
	for label, n := range q.left {
		if n > 0 {
			q.Push(label)
		}
	}
	heap.Init(q)
}

// take takes a row of a label away.
func (q *labelQueue) take(label int) {
	if q.left[label]--; q.left[label] == 0 {
		heap.Remove(q, q.at[label])
	} else {
		heap.Fix(q, q.at[label])
	}
}

func (q *labelQueue) Len() int { return len(q.labels) }

func (q *labelQueue) Less(i, j int) bool {
	a, b := q.labels[i], q.labels[j]
	return q.left[a] < q.left[b] || q.left[a] == q.left[b] && a < b
}

func (q *labelQueue) Swap(i, j int) {
	q.labels[i], q.labels[j] = q.labels[j], q.labels[i]
	q.at[q.labels[i]], q.at[q.labels[j]] = i, j
}

func (q *labelQueue) Push(label any) {
	q.at[label.(int)] = len(q.labels)
	q.labels = append(q.labels, label.(int))
}

func (q *labelQueue) Pop() any {
	last := len(q.labels) - 1
	label := q.labels[last]
	q.labels = q.labels[:last]
	return label
}

// LabelsDistribution is the measure LD of Sechidis et al. 2011, section 4.1: how far the odds of a label in a part are from its
// odds in all rows, as a mean over labels and parts; 0 is perfect. labels and part are as in Stratify, n is the number of parts.
// A label that all rows of a part have has no odds there and is left out; so is an empty part.
func LabelsDistribution(labels [][]int, part []int, n int) float64 {
	rows := make([]float64, n+1) // by part, and of all
	var have [][]float64         // [label][part or all]
	for i, row := range labels {
		for _, j := range []int{part[i], n} {
			rows[j]++
			for _, label := range row {
				for len(have) <= label {
					have = append(have, make([]float64, n+1))
				}
				have[label][j]++
			}
		}
	}
	sum, terms := 0.0, 0
	for _, h := range have {
		for j := range n {
			if h[j] < rows[j] && h[n] < rows[n] {
				sum += math.Abs(h[j]/(rows[j]-h[j]) - h[n]/(rows[n]-h[n]))
				terms++
			}
		}
	}
	return sum / float64(max(terms, 1))
}
