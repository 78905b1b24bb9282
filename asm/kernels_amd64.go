//go:build !noasm && !purego

package asm

import "github.com/klauspost/cpuid/v2"

// archSets returns the sets that this CPU and its operating system can run, best first. cpuid reports AVX2 and AVX-512 only
// where the system saves the YMM and ZMM registers.
func archSets() (sets []Kernels) {
	cpu := cpuid.CPU
	if cpu.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL) {
		sets = append(sets, avx512())
	}
	if cpu.Supports(cpuid.AVX2, cpuid.FMA3) {
		sets = append(sets, avx2())
	}
	return sets
}

// avx512 needs F, BW, DQ and VL: Skylake-SP (2017), Zen 4 (2022) and later.
func avx512() Kernels {
	s := avx2() // what AVX-512 does not speed up stays as it is in AVX2
	s.Name = "avx512"
	return s
}

// avx2 needs AVX2 and FMA3: Haswell (2013), Zen (2017) and later.
func avx2() Kernels {
	s := generic // what AVX2 does not speed up stays portable
	s.Name = "avx2"
	return s
}
