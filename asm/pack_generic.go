package asm

func packColsGeneric(dst, src []float32, ld, k, n int) { packRest(dst, src, 4, ld, 0, k, n) }

// packRest is PackCols for a panel of width nr, from row p of the panel on: dst[p·nr + j] = src[j·ld + p].
func packRest(dst, src []float32, nr, ld, p, k, n int) {
	for ; p < k; p++ {
		row := dst[p*nr : (p+1)*nr]
		for j := range n {
			row[j] = src[j*ld+p]
		}
		clear(row[n:])
	}
}
