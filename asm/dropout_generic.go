package asm

import "math/bits"

// Constants of Philox: the multipliers of table 2 of the paper, and the Weyl increments of the key, the golden ratio and √3 − 1.
const (
	philoxM0, philoxM1 = 0xD2511F53, 0xCD9E8D57
	philoxW0, philoxW1 = 0x9E3779B9, 0xBB67AE85
)

// Philox is the counter-based generator Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
// §3.3): ten rounds of multiplication and exchange turn a counter into four random words. TensorFlow and cuRAND use it too.
func Philox(c [4]uint32, k [2]uint32) [4]uint32 {
	c0, c1, c2, c3 := c[0], c[1], c[2], c[3] // in registers
	k0, k1 := k[0], k[1]
	for range 10 {
		hi0, lo0 := bits.Mul32(philoxM0, c0)
		hi1, lo1 := bits.Mul32(philoxM1, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0, k1 = k0+philoxW0, k1+philoxW1
	}
	return [4]uint32{c0, c1, c2, c3}
}

func dropoutGeneric(y, x []float32, key, example uint64, token, drop uint32, scale float32) {
	dropoutFrom(0, y, x, key, example, token, drop, scale)
}

// dropoutFrom is Dropout for the elements from 4·block on.
func dropoutFrom(block uint32, y, x []float32, key, example uint64, token, drop uint32, scale float32) {
	k := [2]uint32{uint32(key), uint32(key >> 32)}
	for i := 4 * int(block); i < len(x); i += 4 {
		words := Philox([4]uint32{uint32(example), uint32(example >> 32), token, block}, k)
		block++
		for j, v := range x[i:min(i+4, len(x))] {
			y[i+j] = 0
			if words[j] >= drop {
				y[i+j] = v * scale
			}
		}
	}
}
