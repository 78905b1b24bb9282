// Package parallel has the parallel loop of what is computed seldom and in large pieces: metrics, reports, a baseline. The loops of
// passes through a model are tensor.Workers, which keeps its goroutines between two of them.
package parallel

import (
	"runtime"
	"sync/atomic"
)

// For calls work(0) … work(n−1), on as many goroutines as there are CPUs to use, and returns when all have returned; the calls begin
// in order. It hands on a panic of a call, as Group does. Each call must write only to places of its own; then the result does not depend on the number of goroutines.
func For(n int, work func(i int)) {
	var next atomic.Int64
	var group Group
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	group.Wait()
}
