package metrics

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls work(0) … work(n−1), on as many goroutines as there are CPUs to use. Each call must write only to places of
// its own; then the result does not depend on the number of goroutines.
func parallel(n int, work func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	group.Wait()
}
