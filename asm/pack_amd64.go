//go:build !noasm && !purego

package asm

// packStripeAVX512 packs 16 columns of a panel of 32: dst[p·32 + j] = src[j·ld + p] for p < k and j < n ≤ 16, and zero for
// n ≤ j < 16. k is a positive multiple of 4; n may be zero or negative.
//
//go:noescape
func packStripeAVX512(dst, src []float32, ld, k, n int)

// packStripeAVX2 packs 8 columns of a panel of 16 in the same way.
//
//go:noescape
func packStripeAVX2(dst, src []float32, ld, k, n int)

func packColsAVX512(dst, src []float32, ld, k, n int) {
	fours := k &^ 3
	if fours > 0 {
		for j := 0; j < 32; j += 16 {
			packStripeAVX512(dst[j:], src[min(j*ld, len(src)):], ld, fours, n-j)
		}
	}
	packRest(dst, src, 32, ld, fours, k, n)
}

func packColsAVX2(dst, src []float32, ld, k, n int) {
	fours := k &^ 3
	if fours > 0 {
		for j := 0; j < 16; j += 8 {
			packStripeAVX2(dst[j:], src[min(j*ld, len(src)):], ld, fours, n-j)
		}
	}
	packRest(dst, src, 16, ld, fours, k, n)
}
