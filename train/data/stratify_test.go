package data

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomLabels draws rows with labels of very different frequencies, some of which come together.
func randomLabels(rows, labels int, random *rand.Rand) [][]int {
	y := make([][]int, rows)
	for i := range y {
		for label := range labels {
			if p := 0.5 / float64(1+label*label); random.Float64() < p || label > 0 && len(y[i]) > 0 && random.Float64() < p {
				y[i] = append(y[i], label)
			}
		}
	}
	return y
}

var testShares = []float64{0.8, 0.1, 0.1}

// The measures of the paper: stratified parts have the labels of the whole, far nearer than parts drawn by lot, and the sizes.
func TestStratifyBeatsRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	labels := randomLabels(5000, 20, random)
	part := Stratify(labels, nil, testShares, 42)
	ld := LabelsDistribution(labels, part, 3)
	least, examples := math.Inf(1), 0.0 // LD of the best of ten draws
	for range 10 {
		drawn := slices.Clone(part) // of the same sizes
		random.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
		least = min(least, LabelsDistribution(labels, drawn, 3))
	}
	for j, share := range testShares {
		n := 0
		for _, p := range part {
			if p == j {
				n++
			}
		}
		examples += math.Abs(float64(n)-share*5000) / 3 // the measure ED
	}
	t.Logf("LD %.6f, by lot at best %.6f; ED %.2f", ld, least, examples)
	if !(ld < least/5) || !(examples <= 5000*0.002) {
		t.Errorf("LD %.6f, by lot at best %.6f; ED %.2f", ld, least, examples)
	}
	// every label has its share in every part, to a row or as near as rows with several labels allow
	for label := range 20 {
		count := make([]float64, 4)
		for i, row := range labels {
			if slices.Contains(row, label) {
				count[part[i]]++
				count[3]++
			}
		}
		for j, share := range testShares {
			if !(math.Abs(count[j]-share*count[3]) <= 3) {
				t.Errorf("label %d: %v of %v rows in part %d", label, count[j], count[3], j)
			}
		}
	}
}

// The groups stay whole, every row is dealt, and the rows without labels have their shares, too.
func TestStratifyGroups(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	labels := randomLabels(4000, 10, random)
	group := make([]int, len(labels))
	for i := range group {
		group[i] = i / 2
		if i < 100 {
			group[i] = 0
		}
		if i >= 3000 {
			labels[i] = nil
		}
	}
	for i := range group { // numbers without gaps
		if i >= 100 {
			group[i] = i/2 - 49
		}
	}
	part := Stratify(labels, group, testShares, 7)
	of := map[int]int{}
	var rows, bare [3]int
	for i, p := range part {
		if first, there := of[group[i]]; there && first != p {
			t.Fatalf("group %d is in parts %d and %d", group[i], first, p)
		}
		of[group[i]] = p
		rows[p]++
		if labels[i] == nil {
			bare[p]++
		}
	}
	for j, share := range testShares {
		if n := share * 4000; !(math.Abs(float64(rows[j])-n) <= 2) || bare[j] == 0 {
			t.Errorf("part %d: %d rows, want %.0f; %d without labels", j, rows[j], n, bare[j])
		}
	}
	if part[0] != 0 {
		t.Errorf("a group of 100 rows with rare labels went to part %d, which wants 40 rows of the label", part[0])
	}
}

// The result hangs on the arguments only: the seed, and not the order of anything in memory.
func TestStratifySeed(t *testing.T) {
	labels := randomLabels(300, 6, rand.New(rand.NewPCG(5, 6)))
	a, b, c := Stratify(labels, nil, testShares, 1), Stratify(labels, nil, testShares, 1), Stratify(labels, nil, testShares, 2)
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Error("one seed deals in two ways, or two seeds in one")
	}
}

// By hand: the one row of the rare label goes to the largest part; the other label's rows fill the parts up.
func TestStratifyByHand(t *testing.T) {
	labels := [][]int{{1}, {0}, {0}, {0}, {0, 2}, {}, {}, {}, {}, {}}
	for seed := range uint64(50) {
		part := Stratify(labels, nil, []float64{0.6, 0.4}, seed)
		var joy, rows [2]int
		for i, p := range part {
			rows[p]++
			if slices.Contains(labels[i], 0) {
				joy[p]++
			}
		}
		if part[0] != 0 || part[4] != 0 || rows != [2]int{6, 4} || joy != [2]int{2, 2} {
			t.Errorf("seed %d: %v", seed, part)
		}
	}
	if got := LabelsDistribution([][]int{{0}, {0}, {}, {}}, []int{0, 1, 0, 1}, 2); got != 0 {
		t.Errorf("LD of equal parts is %v", got)
	}
	// label 0: odds 1/1 in all rows, 2/1 and 0/1 in the parts of three and one rows
	if got, want := LabelsDistribution([][]int{{0}, {0}, {}, {}}, []int{0, 0, 0, 1}, 2), 1.0; got != want {
		t.Errorf("LD is %v, want %v", got, want)
	}
}

func TestStratifyPanics(t *testing.T) {
	for _, shares := range [][]float64{{0.5, 0.4}, {1, 0}, {1.5, -0.5}, nil, {math.NaN()}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("shares %v pass", shares)
				}
			}()
			Stratify([][]int{{0}}, nil, shares, 1)
		}()
	}
}

func BenchmarkStratify(b *testing.B) {
	labels := randomLabels(100_000, 28, rand.New(rand.NewPCG(1, 2)))
	for b.Loop() {
		Stratify(labels, nil, testShares, 42)
	}
}

// The label with the fewest rows left is dealt next, and of several the first in the label list (Sechidis et al. 2011, algorithm 1).
func TestLabelQueue(t *testing.T) {
	q := &labelQueue{left: []int{2, 1, 3, 1, 0}}
	q.begin()
	var order []int
	for q.Len() > 0 {
		next := q.labels[0]
		order = append(order, next)
		for q.left[next] > 0 {
			q.take(next)
		}
	}
	if want := []int{1, 3, 0, 2}; !slices.Equal(order, want) {
		t.Errorf("labels come in the order %v, want %v", order, want)
	}
}

// Of parts that want a label as much, the one that lacks most rows gets the item; of several such, one by lot.
func TestMostWanted(t *testing.T) {
	seen := map[int]bool{}
	for seed := range uint64(40) {
		s := &stratifier{lacks: []float64{3, 5, 4, 5, 9}, random: rand.NewPCG(seed, 1)}
		if got := s.most([]float64{2, 1, 2, 0, 1}); got != 2 {
			t.Errorf("wants 2 2, lacks 3 4: part %d", got)
		}
		if got := s.most([]float64{0, 0, 3, 0, 0}); got != 2 {
			t.Errorf("one wants most: part %d", got)
		}
		seen[s.most([]float64{1, 1, 1, 1, 0})] = true
	}
	if len(seen) != 2 || !seen[1] || !seen[3] {
		t.Errorf("wants 1 1 1 1, lacks 3 5 4 5: parts %v, want 1 and 3 by lot", seen)
	}
}
