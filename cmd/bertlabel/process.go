package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"bertlabel/asm"
	"bertlabel/asm/machine"
)

// process is what a run sees of the process that it runs in, and what it changes there. The zero process changes nothing and has an
// empty environment: many runs of tests share theirs.
type process struct {
	env         func(name string) string // os.Getenv
	kernels     func(name string) error  // makes name, unless it is empty, the kernel set
	threads     func(n int) int          // runtime.GOMAXPROCS
	memoryLimit func(bytes int64) int64  // debug.SetMemoryLimit
}

// thisProcess is the process of the program.
func thisProcess() process {
	return process{os.Getenv, selectKernels, runtime.GOMAXPROCS, debug.SetMemoryLimit}
}

// selectKernels makes name the kernel set of this process. Without a name it stays the best that the CPU runs.
func selectKernels(name string) error {
	if name == "" || name == asm.Best.Name && asm.BestErr == nil {
		return asm.BestErr
	}
	return asm.Select(name)
}

// getenv returns a variable of the environment, "" where it is not set.
func (a *app) getenv(name string) string {
	if a.process.env == nil {
		return ""
	}
	return a.process.env(name)
}

// applySwitches hands the global flags that are the process's own on to it.
func (a *app) applySwitches(explicitMemory bool) error {
	if a.threads > 0 && a.process.threads != nil {
		a.process.threads(a.threads)
	}
	if a.process.kernels != nil {
		if err := a.process.kernels(a.kernels); err != nil {
			return withCode(exitUsage, err)
		}
	}
	return a.limitMemory(explicitMemory)
}

// limitMemory settles the memory budget and hands it to the garbage collector as a soft limit, unless GOMEMLIMIT has set one.
func (a *app) limitMemory(explicit bool) error {
	if explicit && a.maxMemory == 0 {
		return usagef("--max-memory 0: want a positive size")
	}
	if !explicit {
		a.maxMemory = byteSize(float64(machine.TotalMemory()) * 0.8)
	}
	if a.maxMemory > 0 && (explicit || a.getenv("GOMEMLIMIT") == "") && a.process.memoryLimit != nil {
		a.process.memoryLimit(int64(a.maxMemory))
	}
	return nil
}

// boundGarbage has the garbage collector keep what comes on top of an estimate to a tenth of it, or to some MiB for a small one. Steps
// make no garbage, checkpoints and evaluations do.
func (a *app) boundGarbage(estimate int) {
	const least = 16 << 20
	if limit := a.process.memoryLimit; limit != nil {
		limit(min(limit(-1), int64(estimate+max(estimate/10, least))))
	}
}

// parallel returns how many threads compute: --threads, else what the process has.
func (a *app) parallel() int {
	if a.threads > 0 {
		return a.threads
	}
	return runtime.GOMAXPROCS(0)
}
