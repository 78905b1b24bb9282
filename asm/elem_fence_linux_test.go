package asm

import (
	"fmt"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fence returns room floats between two pages that no one may read: a kernel that reads or writes beyond its slices crashes.
func fence(t *testing.T, room int) []float32 {
	t.Helper()
	page := unix.Getpagesize()
	size := (4*room + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mem) })
	inner := mem[page : page+size]
	if err := unix.Mprotect(inner, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&inner[0])), size/4)
}

// TestElementFence calls every element-wise and row kernel on slices that end, and on slices that begin, at an unreadable
// page.
func TestElementFence(t *testing.T) {
	const room = 1024
	var low, high [4][]float32
	for i := range low {
		mem := fence(t, room)
		low[i], high[i] = mem[:room:room], mem[len(mem)-room:]
	}
	for _, set := range Sets() {
		for _, n := range rowLengths() {
			var begin, end [4][]float32
			for i := range begin {
				begin[i], end[i] = low[i][:n:n], high[i][room-n:]
			}
			t.Run(fmt.Sprintf("%s/%d", set.Name, n), func(t *testing.T) {
				callAll(set, begin)
				callAll(set, end)
			})
		}
	}
}

// callAll calls every element-wise and row kernel of the set, on four slices of one length.
func callAll(set Kernels, v [4][]float32) {
	for _, e := range elements {
		e.kernel(set)(v[0], v[1])
	}
	set.Softmax(v[0], 1)
	set.LayerNorm(v[0], v[1], v[2], v[3], 1e-12)
	set.Dot(v[0], v[1])
	set.Axpy(v[0], 1, v[1])
	set.Add(v[0], v[1])
	set.SumSquares(v[0])
}
