package asm

// gemm4x4Generic is the specification of every tile: C[4×4] += A[4×k]·B[k×4], where
//
//	A[i,p] = a[i·ars + p·acs],  B[p,j] = b[p·4 + j],  C[i,j] = c[i·ldc + j].
//
// Each of the 16 sums starts at zero and takes its products in the order of p; only then is it added to C. The conversions
// float32(x·y) round each product, so that no compiler fuses it with the sum.
func gemm4x4Generic(k int, a []float32, ars, acs int, b []float32, _ int, c []float32, ldc int) {
	var (
		s00, s01, s02, s03 float32
		s10, s11, s12, s13 float32
		s20, s21, s22, s23 float32
		s30, s31, s32, s33 float32
	)
	for p := range k {
		b := b[p*4 : p*4+4 : p*4+4]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]

		a0 := a[p*acs]
		s00 += float32(a0 * b0)
		s01 += float32(a0 * b1)
		s02 += float32(a0 * b2)
		s03 += float32(a0 * b3)

		a1 := a[ars+p*acs]
		s10 += float32(a1 * b0)
		s11 += float32(a1 * b1)
		s12 += float32(a1 * b2)
		s13 += float32(a1 * b3)

		a2 := a[2*ars+p*acs]
		s20 += float32(a2 * b0)
		s21 += float32(a2 * b1)
		s22 += float32(a2 * b2)
		s23 += float32(a2 * b3)

		a3 := a[3*ars+p*acs]
		s30 += float32(a3 * b0)
		s31 += float32(a3 * b1)
		s32 += float32(a3 * b2)
		s33 += float32(a3 * b3)
	}
	addRow(c, s00, s01, s02, s03)
	addRow(c[ldc:], s10, s11, s12, s13)
	addRow(c[2*ldc:], s20, s21, s22, s23)
	addRow(c[3*ldc:], s30, s31, s32, s33)
}

// gemm1x4Generic is one row of gemm4x4Generic: C[1×4] += A[1×k]·B[k×4].
func gemm1x4Generic(k int, a []float32, _, acs int, b []float32, _ int, c []float32, _ int) {
	var s0, s1, s2, s3 float32
	for p := range k {
		ap, b := a[p*acs], b[p*4:p*4+4:p*4+4]
		s0 += float32(ap * b[0])
		s1 += float32(ap * b[1])
		s2 += float32(ap * b[2])
		s3 += float32(ap * b[3])
	}
	addRow(c, s0, s1, s2, s3)
}

// addRow adds one row of a finished tile to C.
func addRow(c []float32, s0, s1, s2, s3 float32) {
	_ = c[3]
	c[0] += s0
	c[1] += s1
	c[2] += s2
	c[3] += s3
}
