package asm

import (
	"encoding/binary"
	"math"
)

// int8Generic is the specification of the tiles of Int8: one row of C and four columns. A holds bytes q, B quads.
func int8Generic(t *TileArgs) {
	for panel := range t.Panels {
		b := t.B[16*(t.K+t.Pairs)*panel:]
		sums := addQuads(t.Rows[0].Offset, t.ColSums[4*panel:], t.K, t.A, b)
		var scaled [4]float32
		for j, sum := range sums {
			scaled[j] = float32(float32(float32(sum)*t.Rows[0].Scale) * t.ColScales[4*panel+j])
		}
		addPairs(&scaled, t.Pairs, t.A[4*t.K:], b[16*t.K:])
		t.store(panel, scaled)
	}
}

// addQuads returns offset·columns plus the products of k quads of A and of a panel of B with four columns.
func addQuads(offset int32, columns []int32, k int, a, b []uint8) [4]int32 {
	s0, s1, s2, s3 := offset*columns[0], offset*columns[1], offset*columns[2], offset*columns[3]
	for p := range k {
		x, w := a[4*p:4*p+4:4*p+4], b[16*p:16*p+16:16*p+16]
		x0, x1, x2, x3 := int32(x[0]), int32(x[1]), int32(x[2]), int32(x[3])
		s0 += x0*int32(int8(w[0])) + x1*int32(int8(w[1])) + x2*int32(int8(w[2])) + x3*int32(int8(w[3]))
		s1 += x0*int32(int8(w[4])) + x1*int32(int8(w[5])) + x2*int32(int8(w[6])) + x3*int32(int8(w[7]))
		s2 += x0*int32(int8(w[8])) + x1*int32(int8(w[9])) + x2*int32(int8(w[10])) + x3*int32(int8(w[11]))
		s3 += x0*int32(int8(w[12])) + x1*int32(int8(w[13])) + x2*int32(int8(w[14])) + x3*int32(int8(w[15]))
	}
	return [4]int32{s0, s1, s2, s3}
}

// quantize1 returns min(max(round(x·inv) + zero, 0), 255), ties to even.
func quantize1(x, inv float32, zero int32) int32 {
	return min(max(int32(math.RoundToEven(float64(float32(x*inv))))+zero, 0), 255)
}

// quantizeGeneric is Quantize with a byte q for each element.
func quantizeGeneric(dst []uint8, x []float32, inv float32, zero int32) {
	for i, v := range x {
		dst[i] = uint8(quantize1(v, inv, zero))
	}
}

// quantizeWideGeneric is Quantize with an int16 for each element.
func quantizeWideGeneric(dst []uint8, x []float32, inv float32, zero int32) {
	for i, v := range x {
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(quantize1(v, inv, zero)))
	}
}

func rangeGeneric(x []float32) (lo, hi float32) {
	finite := float32(0)
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
		finite += v * 0
	}
	return lo, hi + finite
}
