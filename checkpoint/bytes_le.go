//go:build (amd64 || arm64 || 386 || arm || loong64 || riscv64 || ppc64le || mips64le || mipsle || wasm) && !purego

package checkpoint

import "unsafe"

// float32Bytes returns the memory of v as bytes, which on this little-endian machine is how checkpoints store float32.
// It is the only use of unsafe in the checkpoint packages: the length comes from v itself, never from a file.
func float32Bytes(v []float32) ([]byte, bool) {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v)), true
}
