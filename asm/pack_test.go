package asm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkPackCols packs n rows of k elements, ld apart, from memory by alloc, and compares with the definition of PackCols.
func checkPackCols(set Kernels, ld, k, n int, alloc func(n int) []float32) error {
	var src []float32
	if n > 0 && k > 0 {
		src = alloc((n-1)*ld + k)
		for i := range src {
			if i%ld < k { // the gaps between rows stay NaN
				src[i] = float32(i + 1)
			}
		}
	}
	before := slices.Clone(src)
	dst := alloc(k * set.NR)
	set.PackCols(dst, src, ld, k, n)
	for p := range k {
		for j := range set.NR {
			var want float32
			if j < n {
				want = float32(j*ld + p + 1)
			}
			if got := dst[p*set.NR+j]; !identical(got, want) {
				return fmt.Errorf("ld=%d k=%d n=%d: B[%d,%d] = %g, want %g", ld, k, n, p, j, got, want)
			}
		}
	}
	if !slices.EqualFunc(src, before, identical) {
		return fmt.Errorf("ld=%d k=%d n=%d: the input has changed", ld, k, n)
	}
	return nil
}

// TestPackCols: every width of a panel, every remainder of k, dense rows and rows with gaps.
func TestPackCols(t *testing.T) {
	for _, set := range Sets() {
		t.Run(set.Name, func(t *testing.T) {
			var g guarded
			for n := range set.NR + 1 {
				for _, k := range append(depths()[:40], 64, 129) {
					for _, ld := range []int{max(k, 1), k + 3, 2*k + 16} {
						if err := checkPackCols(set, ld, k, n, g.alloc); err != nil {
							t.Fatal(err)
						}
						if err := g.check(); err != nil {
							t.Fatalf("ld=%d k=%d n=%d: %v", ld, k, n, err)
						}
					}
				}
			}
		})
	}
}

// FuzzPackCols checks the index arithmetic of PackCols at any shape.
func FuzzPackCols(f *testing.F) {
	f.Add(uint8(3), uint8(17), uint16(5))
	f.Add(uint8(32), uint8(64), uint16(0))
	f.Fuzz(func(t *testing.T, n, k uint8, gap uint16) {
		for _, set := range Sets() {
			var g guarded
			if err := checkPackCols(set, max(1, int(k)+int(gap)), int(k), int(n)%(set.NR+1), g.alloc); err != nil {
				t.Fatalf("%s: %v", set.Name, err)
			}
			if err := g.check(); err != nil {
				t.Fatalf("%s: %v", set.Name, err)
			}
		}
	})
}

func BenchmarkPackCols(b *testing.B) {
	for _, set := range Sets() {
		for _, k := range []int{64, 384} {
			b.Run(fmt.Sprintf("%s/k=%d", set.Name, k), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(6, 0))
				src, dst := make([]float32, set.NR*768), make([]float32, k*set.NR)
				for i := range src {
					src[i] = rng.Float32()
				}
				b.SetBytes(int64(4 * k * set.NR))
				for b.Loop() {
					set.PackCols(dst, src, 768, k, set.NR)
				}
			})
		}
	}
}
