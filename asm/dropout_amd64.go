//go:build !noasm && !purego

package asm

// dropoutAVX512 is Dropout.
//
//go:noescape
func dropoutAVX512(y, x []float32, key, example uint64, token, drop uint32, scale float32)

// dropout16AVX2 is Dropout for slices whose length is a multiple of 16.
//
//go:noescape
func dropout16AVX2(y, x []float32, key, example uint64, token, drop uint32, scale float32)

// dropoutAVX2 leaves the last elements to the generic form: words are integers and each product is rounded alone, so the bits
// are the same.
func dropoutAVX2(y, x []float32, key, example uint64, token, drop uint32, scale float32) {
	n := len(x) &^ 15
	dropout16AVX2(y[:n], x[:n], key, example, token, drop, scale)
	dropoutFrom(uint32(n/4), y, x, key, example, token, drop, scale)
}
