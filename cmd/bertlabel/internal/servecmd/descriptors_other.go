//go:build !unix

package servecmd

import "math"

// descriptors returns how many files and connections the process may have open: as many as it likes.
func descriptors() int { return math.MaxInt32 }
