package main

import "runtime/metrics"

// mappedMemory returns the bytes that the Go runtime holds, which leaves out the pages of the program itself.
func mappedMemory() int {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
