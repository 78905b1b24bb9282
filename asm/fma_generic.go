package asm

import "math"

// fma32 returns x·y + z rounded once, as the FMA instructions of the SIMD levels do. The product of two float32 is exact in float64, so
// their sum is rounded there, and then to float32; where that is not what one rounding gives, toOdd mends it.
func fma32(x, y, z float32) float32 {
	s := float64(x)*float64(y) + float64(z)
	if roundsTwice(s) {
		s = toOdd(float64(x), float64(y), float64(z))
	}
	return float32(s)
}

// horner returns (…(c[0]·x + c[1])·x + …) + c[n−1], each step as fma32 does it. No result may be denormal.
func horner(x float32, c []float64) float32 {
	y, p := float64(x), c[0]
	for _, z := range c[1:] {
		s := p*y + z
		if halfway(s) {
			s = toOdd(p, y, z)
		}
		p = float64(float32(s))
	}
	return float32(p)
}

// roundsTwice reports whether rounding s, a sum that may have been rounded to float64, to float32 may differ from rounding the sum at once:
// s lies halfway between two float32, or is denormal there and has fewer bits.
func roundsTwice(s float64) bool { return halfway(s) || math.Float64bits(s)<<1 < (1023-126)<<53 }

// halfway reports whether s, if normal as a float32, lies halfway between two of them.
func halfway(s float64) bool { return math.Float64bits(s)<<35 == 1<<63 }

// toOdd returns x·y + z, x·y exact, rounded to odd, which makes a second rounding to float32 harmless (Boldo and Melquiond, "Emulation of
// FMA and correctly rounded sums", 2008).
func toOdd(x, y, z float64) float64 {
	p := x * y
	s := p + z
	t := s - p
	if e := (p - (s - t)) + (z - t); e != 0 && !math.IsInf(s, 0) && !math.IsNaN(e) { // Knuth's TwoSum: s + e = p + z exactly
		if bits := math.Float64bits(s); bits&1 == 0 {
			if (e > 0) == (s > 0) {
				s = math.Float64frombits(bits + 1)
			} else {
				s = math.Float64frombits(bits - 1)
			}
		}
	}
	return s
}
