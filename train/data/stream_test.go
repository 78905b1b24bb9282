package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every epoch is a permutation, another one for another epoch or seed, and each position is the same however it is reached.
func TestStream(t *testing.T) {
	for _, rows := range []int{1, 2, 3, 10, 1000} {
		s := Stream{Rows: rows, Seed: 42, Shuffle: true}
		const epochs = 5
		all := make([]int, epochs*rows)
		s.Batch(all, 0)
		for e := range epochs {
			epoch := slices.Clone(all[e*rows : (e+1)*rows])
			slices.Sort(epoch)
			for i, row := range epoch {
				if row != i {
					t.Fatalf("%d rows, epoch %d is no permutation", rows, e)
				}
			}
		}
		if other := (&Stream{Rows: rows, Seed: 43, Shuffle: true}); rows >= 1000 {
			b := make([]int, rows)
			other.Batch(b, 0)
			if slices.Equal(b, all[:rows]) || slices.Equal(all[:rows], all[rows:2*rows]) {
				t.Error("two seeds or two epochs have one order")
			}
		}
		rng := rand.New(rand.NewPCG(1, uint64(rows)))
		for range 100 {
			at := rng.IntN(len(all))
			batch := make([]int, 1+rng.IntN(len(all)-at))
			fresh := Stream{Rows: rows, Seed: 42, Shuffle: true}
			fresh.Batch(batch, int64(at))
			if !slices.Equal(batch, all[at:at+len(batch)]) || s.Row(int64(at)) != all[at] {
				t.Fatalf("%d rows: a batch from position %d differs", rows, at)
			}
		}
	}
}

// With parts every epoch is a permutation that keeps the rows of a part together, in an order of the parts of its own; one part is as none,
// and every position is the same however it is reached. The rows of the first epochs may never change.
func TestStreamOfParts(t *testing.T) {
	parts := []int{4, 0, 1, 7, 3}
	s := Stream{Rows: 15, Seed: 9, Shuffle: true, Parts: parts}
	of := func(row int) int {
		return map[bool]int{row < 4: 0, row == 4: 2, row > 4 && row < 12: 3, row >= 12: 4}[true]
	}
	orders := map[string]bool{}
	for epoch := range 20 {
		rows := make([]int, 15)
		s.Batch(rows, int64(15*epoch))
		var order []int
		for _, row := range rows {
			order = append(order, of(row))
		}
		order = slices.Compact(order)
		orders[fmt.Sprint(order)] = true
		sorted := slices.Sorted(slices.Values(rows))
		if len(order) != 4 || sorted[0] != 0 || sorted[14] != 14 || len(slices.Compact(sorted)) != 15 {
			t.Fatalf("epoch %d: %v", epoch, rows)
		}
		fresh := Stream{Rows: 15, Seed: 9, Shuffle: true, Parts: parts}
		if fresh.Row(int64(15*epoch+7)) != rows[7] {
			t.Errorf("epoch %d: another row from the middle", epoch)
		}
	}
	if len(orders) < 10 { // of 24
		t.Errorf("%d orders of the parts in 20 epochs", len(orders))
	}
	one, plain := Stream{Rows: 15, Seed: 9, Shuffle: true, Parts: []int{15}}, Stream{Rows: 15, Seed: 9, Shuffle: true}
	for i := range int64(45) {
		if one.Row(i) != plain.Row(i) {
			t.Fatalf("position %d: one part has another order than none", i)
		}
	}
}

func TestStreamInFileOrder(t *testing.T) {
	s := Stream{Rows: 3}
	batch := make([]int, 5)
	s.Batch(batch, 4)
	if !slices.Equal(batch, []int{1, 2, 0, 1, 2}) {
		t.Errorf("%v", batch)
	}
}

// The order is part of what makes a run repeatable: it may never change. These rows come from the formulas of PCG-DXSM and
// algorithm P in Python's integers.
func TestStreamStays(t *testing.T) {
	s := Stream{Rows: 10, Seed: 42, Shuffle: true}
	got := make([]int, 20)
	s.Batch(got, 0)
	want := []int{6, 2, 5, 3, 4, 7, 0, 1, 9, 8, 2, 3, 9, 6, 0, 8, 7, 4, 5, 1}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	s = Stream{Rows: 1 << 20, Seed: math.MaxUint64, Shuffle: true}
	if row := s.Row(1<<50 + 7); row != 872867 {
		t.Errorf("row %d, want 872867", row)
	}
}

// Each of the 24 orders of four rows comes about as often: a chi-square test over 24,000 epochs.
func TestStreamIsUniform(t *testing.T) {
	s := Stream{Rows: 4, Seed: 7, Shuffle: true}
	const epochs = 24000
	counts := map[[4]int]int{}
	for e := range int64(epochs) {
		var order [4]int
		s.Batch(order[:], 4*e)
		counts[order]++
	}
	chi := 0.0
	for _, n := range counts {
		d := float64(n) - epochs/24
		chi += d * d / (epochs / 24)
	}
	// 23 degrees of freedom: 49.7 is passed by one good shuffle in a thousand (and this seed is fixed).
	if len(counts) != 24 || !(chi <= 49.7) {
		t.Errorf("%d orders, chi-square %.1f", len(counts), chi)
	}
}

func TestStreamAllocatesOnce(t *testing.T) {
	s := Stream{Rows: 100, Seed: 1, Shuffle: true}
	batch := make([]int, 32)
	s.Batch(batch, 0)
	position := int64(0)
	allocs := testing.AllocsPerRun(50, func() {
		s.Batch(batch, position)
		position += 32
	})
	if allocs > 1 { // the generator of a new epoch
		t.Errorf("%.1f allocations a batch", allocs)
	}
}
