package tensortest

import "testing"

// NoAllocs fails the test unless pass comes to a steady state in which it allocates nothing. Memory that is made once, such as a
// worker's scratch when it takes its first turn, may come late on a busy machine: so there are many tries, and one quiet series
// of passes is enough.
func NoAllocs(t testing.TB, what string, pass func()) {
	t.Helper()
	var n float64
	for range 30 {
		if n = testing.AllocsPerRun(5, pass); n == 0 {
			return
		}
	}
	t.Errorf("%s: still %g allocations a pass after 180 passes", what, n)
}
