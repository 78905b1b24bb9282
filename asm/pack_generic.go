package asm

func packColsGeneric(dst, src []float32, ld, k, n int) { packCols(dst, src, 4, ld, k, n) }

// packCols is PackCols for any panel width nr.
func packCols(dst, src []float32, nr, ld, k, n int) {
	for p := range k {
		row := dst[p*nr : (p+1)*nr]
		for j := range n {
			row[j] = src[j*ld+p]
		}
		clear(row[n:])
	}
}
