package tensor

import (
	"syscall"
	"unsafe"
)

// adviseHugePages asks for huge pages under x, which make has just returned and nobody has touched. It is advice only: where
// the system does not take it, all works the same, more slowly.
func adviseHugePages[T float32 | uint8](x []T) {
	const worthwhile = 4 << 20 // bytes: two huge pages
	var number T
	if size := len(x) * int(unsafe.Sizeof(number)); size >= worthwhile {
		syscall.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), size), syscall.MADV_HUGEPAGE)
	}
}
