//go:build !noasm && !purego

package asm

import "github.com/klauspost/cpuid/v2"

func moreLowForms(bf map[string]BF16, i8 map[string]Int8) {
	bf["neon by FMLA"] = bf16NEON(false)
	if cpuid.CPU.Supports(cpuid.BF16) {
		bf["neon by BFMLAL"] = bf16NEON(true)
	}
	if cpuid.CPU.Supports(cpuid.I8MM) {
		i8["neon by USMMLA"] = int8USMMLA()
	}
	if cpuid.CPU.Supports(cpuid.ASIMDDP) {
		i8["neon by SDOT"] = int8SDOT()
	}
}
