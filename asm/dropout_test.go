package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPhilox holds the generator to the known answers published with Random123 (file kat_vectors, philox4x32 10), the authors'
// own implementation.
func TestPhilox(t *testing.T) {
	const ones = 0xffffffff
	for _, kat := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{ones, ones, ones, ones}, [2]uint32{ones, ones}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := Philox(kat.counter, kat.key); got != kat.want {
			t.Errorf("Philox(%x, %x) = %x, want %x", kat.counter, kat.key, got, kat.want)
		}
	}
}

// TestDropout: every set has the bits of the words that Philox gives one by one, for all lengths, in place or not, and writes
// nothing else.
func TestDropout(t *testing.T) {
	for _, set := range Sets() {
		t.Run(set.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for n := range 200 {
				key, example, token := rng.Uint64(), rng.Uint64(), rng.Uint32()
				for _, drop := range []uint32{0, 1, rng.Uint32(), math.MaxUint32} {
					wide := make([]float32, n+6)
					for i := range wide {
						wide[i] = float32(rng.NormFloat64())
					}
					if n > 0 {
						wide[3+rng.IntN(n)] = float32(math.NaN())
					}
					from := rng.IntN(6)
					x, want := wide[from:from+n], make([]float32, n)
					for i, v := range x {
						counter := [4]uint32{uint32(example), uint32(example >> 32), token, uint32(i / 4)}
						if Philox(counter, [2]uint32{uint32(key), uint32(key >> 32)})[i%4] >= drop {
							want[i] = v * 1.25
						}
					}
					before, y := slices.Clone(wide), make([]float32, n+4)
					set.Dropout(y[2:n+2], x, key, example, token, drop, 1.25)
					if !equalBits(y[2:n+2], want) || !equalBits(y[:2], make([]float32, 2)) || !equalBits(y[n+2:], make([]float32, 2)) {
						t.Fatalf("n = %d, drop %#x: %v, want %v", n, drop, y, want)
					}
					if !equalBits(wide, before) {
						t.Fatalf("n = %d: the input has changed", n)
					}
					set.Dropout(x, x, key, example, token, drop, 1.25)
					if !equalBits(x, want) || !equalBits(wide[:from], before[:from]) || !equalBits(wide[from+n:], before[from+n:]) {
						t.Fatalf("n = %d, drop %#x, in place: %v, want %v", n, drop, x, want)
					}
				}
			}
		})
	}
}

func equalBits(x, y []float32) bool {
	return slices.EqualFunc(x, y, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
}

// BenchmarkDropout reports ns per element for rows as long as hidden states and as short texts' probs.
func BenchmarkDropout(b *testing.B) {
	for _, set := range Sets() {
		for _, n := range []int{20, 128, 768} {
			b.Run(fmt.Sprintf("%s/%d", set.Name, n), func(b *testing.B) {
				x := make([]float32, n)
				for b.Loop() {
					set.Dropout(x, x, 1, 2, 3, 1<<28, 1.1)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/element")
			})
		}
	}
}
