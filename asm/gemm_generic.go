package asm

// gemm1x4Generic is the specification of every tile, but for the rounding of products:
//
//	C[1×4] = (Base[1×4] + Bias[4]) + A[1×k]·B[k×4], where
//	A[p] = a[p·acs],  B[p,j] = b[p·4 + j],  C[j] = c[j],  Base[j] = base[j],  Bias[j] = bias[j].
//
// Each of the four sums starts at zero and takes its products in the order of p; only then is it added to what C starts from. The
// conversions float32(x·y) round each product, so that no compiler fuses it with the sum.
func gemm1x4Generic(k int, a []float32, _, acs int, b []float32, _ int, c []float32, _ int, base []float32, _ int,
	bias, _ []float32, _ int) {
	var s0, s1, s2, s3 float32
	for p := range k {
		ap, bp := a[p*acs], b[p*4:p*4+4:p*4+4]
		s0 += float32(ap * bp[0])
		s1 += float32(ap * bp[1])
		s2 += float32(ap * bp[2])
		s3 += float32(ap * bp[3])
	}
	c, base, bias = c[:4:4], base[:4:4], bias[:4:4]
	c[0] = (base[0] + bias[0]) + s0
	c[1] = (base[1] + bias[1]) + s1
	c[2] = (base[2] + bias[2]) + s2
	c[3] = (base[3] + bias[3]) + s3
}

// gemm4x4Generic is four rows of gemm1x4Generic: A[i,p] = a[i·ars + p·acs], C[i,j] = c[i·ldc + j], Base likewise. Sixteen sums at once
// would not fit the registers that Go uses, and are slower (BenchmarkGEMMTile/generic).
func gemm4x4Generic(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int, base []float32, ldbase int,
	bias, _ []float32, _ int) {
	for i := range 4 {
		gemm1x4Generic(k, a[min(i*ars, len(a)):], ars, acs, b, bps, c[i*ldc:], ldc, base[i*ldbase:], ldbase, bias, nil, 0) // k = 0 has no A
	}
}

// fused1x4Generic is gemm1x4Generic with multiply-adds that are rounded once, as the tiles of all other sets have them.
func fused1x4Generic(k int, a []float32, _, acs int, b []float32, _ int, c []float32, _ int, base []float32, _ int,
	bias, _ []float32, _ int) {
	var s0, s1, s2, s3 float32
	for p := range k {
		ap, bp := float64(a[p*acs]), b[p*4:p*4+4:p*4+4]
		b0, b1, b2, b3 := float64(bp[0]), float64(bp[1]), float64(bp[2]), float64(bp[3])
		t0, t1, t2, t3 := ap*b0+float64(s0), ap*b1+float64(s1), ap*b2+float64(s2), ap*b3+float64(s3)
		if roundsTwice(t0) || roundsTwice(t1) || roundsTwice(t2) || roundsTwice(t3) { // as in fma32
			t0, t1 = toOdd(ap, b0, float64(s0)), toOdd(ap, b1, float64(s1))
			t2, t3 = toOdd(ap, b2, float64(s2)), toOdd(ap, b3, float64(s3))
		}
		s0, s1, s2, s3 = float32(t0), float32(t1), float32(t2), float32(t3)
	}
	c, base, bias = c[:4:4], base[:4:4], bias[:4:4]
	c[0] = (base[0] + bias[0]) + s0
	c[1] = (base[1] + bias[1]) + s1
	c[2] = (base[2] + bias[2]) + s2
	c[3] = (base[3] + bias[3]) + s3
}

// fused4x4Generic is four rows of fused1x4Generic.
func fused4x4Generic(k int, a []float32, ars, acs int, b []float32, bps int, c []float32, ldc int, base []float32, ldbase int,
	bias, _ []float32, _ int) {
	for i := range 4 {
		fused1x4Generic(k, a[min(i*ars, len(a)):], ars, acs, b, bps, c[i*ldc:], ldc, base[i*ldbase:], ldbase, bias, nil, 0)
	}
}
