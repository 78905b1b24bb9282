//go:build !(amd64 || arm64 || 386 || arm || loong64 || riscv64 || ppc64le || mips64le || mipsle || wasm) || purego

package checkpoint

// float32Bytes says that the memory of v cannot be taken as little-endian bytes: the caller converts.
func float32Bytes([]float32) ([]byte, bool) { return nil, false }
