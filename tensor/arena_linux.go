package tensor

import (
	"syscall"
	"unsafe"
)

// adviseHugePages asks for huge pages behind x, which make has just returned and nobody has touched. It is advice only: where
// the system does not take it, all works the same, more slowly.
func adviseHugePages(x []float32) {
	const worthwhile = 4 << 20 / 4 // floats: two huge pages
	if len(x) >= worthwhile {
		syscall.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x)), syscall.MADV_HUGEPAGE)
	}
}
