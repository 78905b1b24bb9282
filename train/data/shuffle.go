package data

import (
	"math/bits"
	"math/rand/v2"
)

// Orders and lots are drawn by code of our own, so that no other version of math/rand/v2 can change them: a run that is resumed
// meets its rows again, and a split that is made again is the same.

// stratifyStream is the stream of random numbers of Stratify; those of epochs have the numbers of the epochs.
const stratifyStream = 1 << 42

// shuffle sets order to a permutation of 0, 1, … by Fisher and Yates' shuffle (Knuth, The Art of Computer Programming, 3.4.2,
// algorithm P).
func shuffle(order []int, random *rand.PCG) {
	for i := range order {
		order[i] = i
	}
	for i := len(order) - 1; i > 0; i-- {
		j := below(i+1, random)
		order[i], order[j] = order[j], order[i]
	}
}

// below returns a number below n: the upper half of n times 64 random bits (Lemire 2019, arXiv:1805.10941, section 4, without the
// rejection: n/2⁶⁴ is too small to matter).
func below(n int, random *rand.PCG) int {
	high, _ := bits.Mul64(random.Uint64(), uint64(n))
	return int(high)
}
