//go:build (amd64 || arm64) && !noasm && !purego

//lint:file-ignore U1000 the assembly reads the table by name

package asm

import "math"

// coef is the table of the constants of elem_generic.go for the assembly, each in all lanes of a 256-bit vector. The assembler
// knows the place of a field as coef_field (go_asm.h).
type coef struct {
	one, two, half, minusHalf, sign, abs, inf, minusInf    lanes
	log2e, ln2Hi, ln2Lo, minusLn2, expMin, expMax          lanes
	exp2, exp3, exp4, exp5, exp6                           lanes
	tanhPoly, tanh3, tanh5, tanh7, tanh9, tanh11, tanhOne  lanes
	sigmoidMin, sigmoidMax, sigmoidShift, sigmoidOne       lanes
	gelu1, gelu3, gelu9, geluFlat, minusGeluFlat, density  lanes
	mills, millsMax                                        lanes
	mills1, mills2, mills3, mills4, mills5, mills6, mills7 lanes
	mills8                                                 lanes
}

type lanes [8]float32

func all(c float32) lanes { return lanes{c, c, c, c, c, c, c, c} }

var coefs = coef{
	one: all(1), two: all(2), half: all(0.5), minusHalf: all(-0.5),
	sign: all(float32(math.Copysign(0, -1))), abs: all(math.Float32frombits(1<<31 - 1)), inf: all(float32(math.Inf(1))),
	minusInf: all(float32(math.Inf(-1))),
	log2e:    all(log2e), ln2Hi: all(ln2Hi), ln2Lo: all(ln2Lo), minusLn2: all(-ln2), expMin: all(expMin), expMax: all(expMax),
	exp2: all(exp2), exp3: all(exp3), exp4: all(exp4), exp5: all(exp5), exp6: all(exp6),
	tanhPoly: all(tanhPoly), tanhOne: all(tanhOne),
	tanh3: all(tanh3), tanh5: all(tanh5), tanh7: all(tanh7), tanh9: all(tanh9), tanh11: all(tanh11),
	sigmoidMin: all(sigmoidMin), sigmoidMax: all(sigmoidMax), sigmoidShift: all(sigmoidShift), sigmoidOne: all(sigmoidOne),
	gelu1: all(gelu1), gelu3: all(gelu3), gelu9: all(gelu9), geluFlat: all(geluFlat), minusGeluFlat: all(-geluFlat), density: all(density),
	mills: all(mills), millsMax: all(millsMax), mills1: all(mills1), mills2: all(mills2), mills3: all(mills3), mills4: all(mills4),
	mills5: all(mills5), mills6: all(mills6), mills7: all(mills7), mills8: all(mills8),
}
