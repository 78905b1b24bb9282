package asm

import (
	"encoding/binary"
	"math"
)

// int8Generic is the specification of the tiles of Int8: one row of C and four columns. A holds bytes q, B quads.
func int8Generic(t *TileArgs) {
	for j := range 4 {
		sum := t.Rows[0].Offset * t.ColSums[j]
		for p := range 4 * t.K {
			sum += int32(t.A[p]) * int32(int8(t.B[p/4*16+4*j+p%4]))
		}
		y := float32(float32(float32(sum)*t.Rows[0].Scale) * t.ColScales[j])
		y = addPairs(y, t.Pairs, t.A[4*t.K:], t.B[16*t.K:], 4, j)
		t.C[j] = (t.Base[j] + t.Bias[j]) + y
	}
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

// quantizeShiftedGeneric is Quantize with a byte q − 128 for each element.
func quantizeShiftedGeneric(dst []uint8, x []float32, inv float32, zero int32) {
	for i, v := range x {
		dst[i] = uint8(quantize1(v, inv, zero) - 128)
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
