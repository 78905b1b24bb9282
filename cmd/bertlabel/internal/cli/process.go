package cli

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"bertlabel/asm"
	"bertlabel/asm/machine"
)

// Process is what a run sees of the process that it runs in, and what it changes there. The zero process changes nothing and has an
// empty environment: many runs of tests share theirs.
type Process struct {
	Env         func(name string) string // os.Getenv
	Kernels     func(name string) error  // makes name, unless it is empty, the kernel set
	Threads     func(n int) int          // runtime.GOMAXPROCS
	MemoryLimit func(bytes int64) int64  // debug.SetMemoryLimit
}

// ThisProcess is the process of the program.
func ThisProcess() Process {
	return Process{os.Getenv, selectKernels, runtime.GOMAXPROCS, debug.SetMemoryLimit}
}

// selectKernels makes name the kernel set of this process. Without a name it stays the best that the CPU runs.
func selectKernels(name string) error {
	if name == "" || name == asm.Best.Name && asm.BestErr == nil {
		return asm.BestErr
	}
	return asm.Select(name)
}

// Getenv returns a variable of the environment that is no flag's twin, "" where it is not set.
func (a *App) Getenv(name string) string { return a.getenv(name) }

// getenv returns a variable of the environment, "" where it is not set.
func (a *App) getenv(name string) string {
	if a.process.Env == nil {
		return ""
	}
	return a.process.Env(name)
}

// applySwitches hands the global flags that are the process's own on to it.
func (a *App) applySwitches() error {
	if a.Threads > 0 && a.process.Threads != nil {
		a.process.Threads(a.Threads)
	}
	if a.process.Kernels != nil {
		if err := a.process.Kernels(a.kernels); err != nil {
			return WithCode(ExitUsage, err)
		}
	}
	return a.limitMemory()
}

// limitMemory settles the memory budget and hands it to the garbage collector as a soft limit, unless GOMEMLIMIT has set one.
func (a *App) limitMemory() error {
	if a.memoryGiven && a.MaxMemory == 0 {
		return Usagef("--max-memory 0: want a positive size")
	}
	if !a.memoryGiven {
		a.MaxMemory = ByteSize(float64(machine.TotalMemory()) * 0.8)
	}
	if a.MaxMemory > 0 && (a.memoryGiven || a.getenv("GOMEMLIMIT") == "") && a.process.MemoryLimit != nil {
		a.process.MemoryLimit(int64(a.MaxMemory))
	}
	return nil
}

// BoundGarbage has the garbage collector keep what comes on top of an estimate to a twentieth of it, or to some MiB for a small one. Steps
// make no garbage, checkpoints and evaluations do.
func (a *App) BoundGarbage(estimate int) {
	const least = 8 << 20
	if limit := a.process.MemoryLimit; limit != nil {
		limit(min(limit(-1), int64(estimate+max(estimate/20, least))))
	}
}

// Parallel returns how many threads compute: --threads, else what the process has.
func (a *App) Parallel() int {
	if a.Threads > 0 {
		return a.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// LimitHeap has the garbage collector keep the heap to so many bytes, or to the budget where that is less; 0 is the budget. A server whose
// weights do not change would else come to twice their size. GOMEMLIMIT wins.
func (a *App) LimitHeap(bytes int64) {
	if a.process.MemoryLimit == nil || a.getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := int64(math.MaxInt64)
	if a.MaxMemory > 0 {
		limit = int64(a.MaxMemory)
	}
	if bytes > 0 {
		limit = min(limit, bytes)
	}
	a.process.MemoryLimit(limit)
}

// ForNetwork leaves Go one processor beside those that compute, and returns how many compute: with all of them in products, a
// connection would be looked at only every 10 ms (golang/go#51651). Without --threads no more compute than the container has time for.
func (a *App) ForNetwork() (threads int) {
	if quota := machine.CPUQuota(); a.Threads == 0 && quota > 0 && a.process.Threads != nil {
		a.Threads = min(a.Parallel(), int(math.Ceil(quota)))
	}
	a.Threads = a.Parallel()
	if a.process.Threads != nil {
		a.process.Threads(a.Threads + 1)
	}
	return a.Threads
}
