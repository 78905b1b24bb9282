package tensor

import (
	"fmt"

	"bertlabel/asm"
)

// Precision says in how many bits the operands of a product are held: docs/precision.md.
type Precision uint8

// The precisions. Sums are float32 in all of them, or exact integers.
const (
	FP32 Precision = iota // float32
	BF16                  // bfloat16, rounded to nearest even
	Int8                  // integers with 8 bits: a scale and a zero point for each row of A, a scale for each column of B
	Auto                  // BF16 where that is faster than FP32 on this CPU, else FP32: see Resolve
)

var precisionNames = [...]string{FP32: "fp32", BF16: "bf16", Int8: "int8", Auto: "auto"}

// String returns what ParsePrecision reads.
func (p Precision) String() string { return precisionNames[p] }

// ParsePrecision reads fp32, bf16, int8 or auto.
func ParsePrecision(s string) (Precision, error) {
	for p, name := range precisionNames {
		if name == s {
			return Precision(p), nil
		}
	}
	return 0, fmt.Errorf("precision %q, want fp32, bf16, int8 or auto", s)
}

// Resolve returns what Auto means on this CPU, and p itself if it is another one. It never chooses Int8, which moves decisions.
func (p Precision) Resolve() Precision {
	switch {
	case p != Auto:
		return p
	case BF16.Fast():
		return BF16
	}
	return FP32
}

// Fast reports whether this CPU multiplies faster in p than in float32. Every CPU gives the same products in p all the same.
func (p Precision) Fast() bool {
	switch p.Resolve() {
	case BF16:
		return asm.Best.BF16.Fast
	case Int8:
		return asm.Best.Int8.Fast
	}
	return true
}
