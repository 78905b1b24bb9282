package asm

// Sums have one order in all sets: that of four vectors of 16 lanes, the most that a set has. Number i of n goes to the partial sum
// lane(i, n), and the partial sums are joined by a tree: vectors 0 and 1, 2 and 3, both pairs, then the upper half of the lanes onto
// the lower half, until one is left.

// sumLanes is the number of partial sums.
const sumLanes = 64

// lane returns which partial sum number i of n belongs to: blocks of 64 numbers fill all of them, what is left fills the first 16.
func lane(i, n int) int {
	if i < n&^(sumLanes-1) {
		return i % sumLanes
	}
	return i % (sumLanes / 4)
}

// joinLanes returns the sum of float32 partial sums. It destroys them.
func joinLanes(s *[sumLanes]float32) float32 {
	for j := range 16 {
		s[j] = (s[j] + s[16+j]) + (s[32+j] + s[48+j])
	}
	for half := 8; half > 0; half /= 2 {
		for j := range half {
			s[j] += s[half+j]
		}
	}
	return s[0]
}

// joinLanes64 is joinLanes for float64, of which a register holds half as many: the halves of each vector are joined first.
func joinLanes64(s *[sumLanes]float64) float64 {
	for j := range 8 {
		s[j] = ((s[j] + s[8+j]) + (s[16+j] + s[24+j])) + ((s[32+j] + s[40+j]) + (s[48+j] + s[56+j]))
	}
	for half := 4; half > 0; half /= 2 {
		for j := range half {
			s[j] += s[half+j]
		}
	}
	return s[0]
}
