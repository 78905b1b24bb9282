package data

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Mean and deviation are those over all orders, counted one by one.
func TestExpectedRuns(t *testing.T) {
	const n = 10
	for ones := range n + 1 {
		var sum, squares, orders float64
		for order := range uint(1 << n) {
			if bits.OnesCount(order) != ones {
				continue
			}
			changes := bits.OnesCount((order ^ order>>1) & (1<<(n-1) - 1))
			runs := float64(changes + 1)
			sum, squares, orders = sum+runs, squares+runs*runs, orders+1
		}
		mean := sum / orders
		want := math.Sqrt(max(0, squares/orders-mean*mean))
		gotMean, got := expectedRuns(n-ones, ones)
		if !(math.Abs(gotMean-mean) <= 1e-12 && math.Abs(got-want) <= 1e-6) { // the root of a rounding error of 1e-13
			t.Errorf("%d ones of %d: mean %v, deviation %v, want %v and %v", ones, n, gotMean, got, mean, want)
		}
	}
}

// A sorted file has its labels in runs, a shuffled one has not, and a rare label does not raise the alarm.
func TestFindRuns(t *testing.T) {
	var rows []string
	for i := range 1000 {
		rows = append(rows, fmt.Sprintf("text %d,%d,%d,", i, 1-i/500, i/900))
	}
	rows[0], rows[1] = "a,1,0,1", "b,1,0,1"
	load := func() []LabelRuns {
		d, err := LoadFrom(strings.NewReader("text,joy,fear,rare\n"+strings.Join(rows, "\n")), "f.csv", Options{})
		if err != nil {
			t.Fatal(err)
		}
		return FindRuns(d)
	}
	sorted := load()
	if s := sorted[0]; s.Runs != 2 || s.Expected != 501 || !s.InRuns || !sorted[1].InRuns ||
		sorted[2] != (LabelRuns{"rare", 1, 1, 0, false}) {
		t.Errorf("sorted: %+v", sorted)
	}
	// Runs that are fewer by far than chance, and yet more than half of what it gives, are no alarm: 750 of 1001.
	var halves strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&halves, "text %d,%d\n", i, [16]int{0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1}[i%16])
	}
	d, err := LoadFrom(strings.NewReader("text,joy\n"+halves.String()), "f.csv", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := FindRuns(d)[0]; r.InRuns || r.Runs != 750 || !(r.Z < fewRunsZ) {
		t.Errorf("%+v", r)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	shuffled := load()
	if slices.ContainsFunc(shuffled, func(r LabelRuns) bool { return r.InRuns || !(math.Abs(r.Z) < 5) }) {
		t.Errorf("shuffled: %+v", shuffled)
	}
}

// A label with fewer than ten rows of a class is never said to come in runs: the normal approximation does not hold.
func TestFewRunsCells(t *testing.T) {
	for ones, want := range map[int]bool{fewRunsCells - 1: false, fewRunsCells: true} {
		d := loadText(t, "text,joy\n"+strings.Repeat("a,1\n", ones)+strings.Repeat("b,0\n", 200), nil)
		if r := FindRuns(d)[0]; r.Runs != 2 || r.InRuns != want {
			t.Errorf("%d ones in a row, then 200 zeros: %+v", ones, r)
		}
	}
}
