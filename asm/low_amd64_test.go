//go:build !noasm && !purego

package asm

import "github.com/klauspost/cpuid/v2"

func moreLowForms(bf map[string]BF16, i8 map[string]Int8) {
	if _, ok := bf["avx512"]; ok {
		bf["avx512 by FMA"] = bf16AVX512(false)
		native, vnni := cpuid.CPU.Supports(cpuid.AVX512BF16), cpuid.CPU.Supports(cpuid.AVX512VNNI)
		if native {
			bf["avx512 by VDPBF16PS"] = bf16AVX512(true)
		}
		if vnni {
			i8["avx512 outliers by FMA"] = int8AVX512(false)
		}
		if native && vnni {
			i8["avx512 outliers by VDPBF16PS"] = int8AVX512(true)
		}
	}
	if _, ok := bf["avx2"]; ok {
		i8["avx2 by VPMADDWD"] = int8AVX2(false)
	}
}
