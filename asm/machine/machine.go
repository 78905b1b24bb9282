// Package machine says how much memory there is, and how much of it the process holds.
package machine

import (
	"runtime/debug"
	"runtime/metrics"
)

// Held returns the bytes of RAM that the process holds, after garbage has been given back. It runs the garbage collector, for some
// milliseconds and more with a large heap.
func Held() int {
	debug.FreeOSMemory()
	return Resident()
}

// mapped returns the bytes that the Go runtime holds, which leaves out the pages of the program itself.
func mapped() int {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
