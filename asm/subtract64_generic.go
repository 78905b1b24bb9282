package asm

// Rows64 and Cols64 are the rows and columns of the block that Subtract64 works on.
const (
	Rows64 = 4
	Cols64 = 16
)

// subtract64Generic is Subtract64. The conversion keeps a compiler from fusing product and difference.
func subtract64Generic(k int, a []float64, lda int, b []float64, c []float64, ldc int) {
	for i := range Rows64 {
		row := c[i*ldc : i*ldc+Cols64]
		for p := range k {
			v := a[p*lda+i]
			for j, w := range b[p*Cols64 : (p+1)*Cols64] {
				row[j] -= float64(v * w)
			}
		}
	}
}
