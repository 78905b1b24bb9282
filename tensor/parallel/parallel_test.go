package parallel

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// Every turn is made once, for any number of turns and of CPUs.
func TestFor(t *testing.T) {
	for _, cpus := range []int{1, 2, 7} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cpus))
		for _, n := range []int{0, 1, 2, 3, 1000} {
			made := make([]atomic.Int64, n)
			For(n, func(i int) { made[i].Add(1) })
			for i := range made {
				if got := made[i].Load(); got != 1 {
					t.Errorf("%d CPUs: turn %d of %d is made %d times", cpus, i, n, got)
				}
			}
		}
	}
}
