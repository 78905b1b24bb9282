package asm

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Every set gives the bits of the definition, and touches nothing beside its block.
func TestSubtract64(t *testing.T) {
	const lda, ldc = 7, 19
	rng := rand.New(rand.NewPCG(1, 64))
	fill := func(n int) []float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = rng.NormFloat64()
		}
		return s
	}
	for _, k := range []int{0, 1, 2, 3, 17, 256} {
		a, b, c := fill(max(0, (k-1)*lda+Rows64)), fill(k*Cols64), fill(Rows64*ldc)
		want := slices.Clone(c)
		for i := range Rows64 {
			for j := range Cols64 {
				for p := range k {
					want[i*ldc+j] -= float64(a[p*lda+i] * b[p*Cols64+j]) // rounded: not fused on arm64 either
				}
			}
		}
		for _, set := range Sets() {
			got := slices.Clone(c)
			set.Subtract64(k, a, lda, b, got[:3*ldc+Cols64], ldc)
			if !slices.Equal(got, want) {
				t.Errorf("%s, k = %d: not the bits of the definition", set.Name, k)
			}
		}
	}
}
