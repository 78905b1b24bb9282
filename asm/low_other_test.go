//go:build noasm || purego || (!amd64 && !arm64)

package asm

func moreLowForms(map[string]BF16, map[string]Int8) {}
