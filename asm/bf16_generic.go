package asm

import (
	"encoding/binary"
	"math"
)

// bf16Flush is the number below which Round and Pairs give 0: the product of two numbers that are larger, and any sum of such
// products, is a multiple of 2⁻¹²⁶, so no denormal number arises.
const bf16Flush = 0x1p-56

// bf16 rounds x to the upper half of a float32, ties to even. NaN stays NaN.
func bf16(x float32) uint16 {
	u := math.Float32bits(x)
	switch {
	case x != x:
		return uint16(u>>16) | 1<<6 // a quiet one
	case abs(x) < bf16Flush:
		return 0
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// fromBF16 returns the number that b stands for.
func fromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// RoundBF16 returns x rounded as Round and Pairs do it.
func RoundBF16(x float32) float32 { return fromBF16(bf16(x)) }

func pair(even, odd float32) uint32 { return uint32(bf16(even)) | uint32(bf16(odd))<<16 }

// roundGeneric is Round with pairs of 4 bytes.
func roundGeneric(dst []uint8, x []float32) {
	for ; len(x) > 1; dst, x = dst[4:], x[2:] {
		binary.LittleEndian.PutUint32(dst, pair(x[0], x[1]))
	}
	if len(x) == 1 {
		binary.LittleEndian.PutUint32(dst, pair(x[0], 0))
	}
}

// roundSplitGeneric is Round with pairs of 8 bytes: the odd element, then the even one, each a float32.
func roundSplitGeneric(dst []uint8, x []float32) {
	for ; len(x) > 0; dst, x = dst[8:], x[min(2, len(x)):] {
		odd := float32(0)
		if len(x) > 1 {
			odd = RoundBF16(x[1])
		}
		binary.LittleEndian.PutUint32(dst, math.Float32bits(odd))
		binary.LittleEndian.PutUint32(dst[4:], math.Float32bits(RoundBF16(x[0])))
	}
}

func pairsGeneric(dst []uint8, even, odd []float32) {
	for j, x := range even {
		binary.LittleEndian.PutUint32(dst[4*j:], pair(x, odd[j]))
	}
}

// addPairs adds to four sums the products of k pairs of A and of a panel of B with four columns, in the order of BF16.
func addPairs(sums *[4]float32, k int, a, b []uint8) {
	s0, s1, s2, s3 := sums[0], sums[1], sums[2], sums[3]
	for p := range k {
		x, w := binary.LittleEndian.Uint32(a[4*p:]), b[16*p:16*p+16:16*p+16]
		even, odd := math.Float32frombits(x<<16), math.Float32frombits(x&^0xFFFF)
		s0 = addPair(s0, even, odd, binary.LittleEndian.Uint32(w))
		s1 = addPair(s1, even, odd, binary.LittleEndian.Uint32(w[4:]))
		s2 = addPair(s2, even, odd, binary.LittleEndian.Uint32(w[8:]))
		s3 = addPair(s3, even, odd, binary.LittleEndian.Uint32(w[12:]))
	}
	sums[0], sums[1], sums[2], sums[3] = s0, s1, s2, s3
}

// addPair returns sum + odd·w[1] + even·w[0], in this order, w a pair of bf16.
func addPair(sum, even, odd float32, w uint32) float32 {
	sum += float32(odd * math.Float32frombits(w&^0xFFFF))
	return sum + float32(even*math.Float32frombits(w<<16))
}

// bf16Generic is the specification of the tiles of BF16: one row of C and four columns.
func bf16Generic(t *TileArgs) {
	for panel := range t.Panels {
		var sums [4]float32
		addPairs(&sums, t.K, t.A, t.B[16*t.K*panel:])
		t.store(panel, sums)
	}
}

// store sets four columns of the first row of C.
func (t *TileArgs) store(panel int, sums [4]float32) {
	c, base, bias := t.C[4*panel:], t.Base[4*panel:], t.Bias[4*panel:]
	for j, sum := range sums {
		c[j] = (base[j] + bias[j]) + sum
	}
}
