//go:build noasm || purego || (!amd64 && !arm64)

package asm

// archSets returns no set: this build, or this architecture, has no assembly.
func archSets() []Kernels { return nil }
