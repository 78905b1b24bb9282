//go:build !noasm && !purego

package asm

// packStripeNEON packs 4 columns of a panel of 16: dst[p·16 + j] = src[j·ld + p] for p < k and j < n ≤ 4, and zero for
// n ≤ j < 4. k is a positive multiple of 4; n may be zero or negative.
//
//go:noescape
func packStripeNEON(dst, src []float32, ld, k, n int)

func packColsNEON(dst, src []float32, ld, k, n int) {
	fours := k &^ 3
	if fours > 0 {
		for j := 0; j < 16; j += 4 {
			packStripeNEON(dst[j:], src[min(j*ld, len(src)):], ld, fours, n-j)
		}
	}
	packRest(dst, src, 16, ld, fours, k, n)
}
