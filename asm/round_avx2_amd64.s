//go:build !noasm && !purego

// Rounding to bf16 and to 8 bits at level avx2. CPU features: AVX2, FMA3.
//
// Registers: DI destination, SI and DX sources, CX numbers left, a multiple of 8. Y9…Y14 constants.

#include "textflag.h"

// CONSTANTS: Y9 the bits of |x|, Y10 bf16Flush, Y11 the number 1 and Y12 0x7FFF of the rounding, Y13 the upper halves, Y14 a quiet
// NaN's bit.
#define CONSTANT(value, x, y) \
	MOVL value, AX; VMOVD AX, x; VPBROADCASTD x, y
#define CONSTANTS \
	CONSTANT($0x7FFFFFFF, X9, Y9); \
	CONSTANT($0x23800000, X10, Y10); \
	CONSTANT($1, X11, Y11); \
	CONSTANT($0x7FFF, X12, Y12); \
	CONSTANT($0xFFFF0000, X13, Y13); \
	CONSTANT($0x00400000, X14, Y14)

// ROUND: y rounded to bf16, as the upper half of each number. t and u are lost.
#define ROUND(y, t, u) \
	VPAND Y9, y, t; \
	VCMPPS $21, Y10, t, t; \ // not less than, or unordered
	VPAND t, y, y; \ // 0 where |y| < bf16Flush
	VPSRLD $16, y, t; \
	VPAND Y11, t, t; \
	VPADDD Y12, t, t; \
	VPADDD y, t, t; \
	VCMPPS $3, y, y, u; \ // unordered: NaN
	VPOR Y14, y, y; \
	VBLENDVPS u, y, t, t; \
	VPAND Y13, t, y

// func splitAVX2(dst []uint8, x []float32)
// Round for pairs of 8 bytes.
TEXT ·splitAVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	CONSTANTS
split:
	VMOVUPS (SI), Y0
	ROUND(Y0, Y2, Y3)
	VPERMILPS $0xB1, Y0, Y0 // 1 0 3 2: the odd element first
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JG   split
	VZEROUPPER
	RET

// func pairsAVX2(dst []uint8, even, odd []float32)
TEXT ·pairsAVX2(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ even_base+24(FP), SI
	MOVQ even_len+32(FP), CX
	MOVQ odd_base+48(FP), DX
	CONSTANTS
pairs:
	VMOVUPS (SI), Y0
	VMOVUPS (DX), Y1
	ROUND(Y0, Y2, Y3)
	ROUND(Y1, Y2, Y3)
	VPSRLD $16, Y0, Y0
	VPOR   Y1, Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, DI
	SUBQ $8, CX
	JG   pairs
	VZEROUPPER
	RET

// func rangeAVX2(x []float32) (lo, hi float32)
TEXT ·rangeAVX2(SB), NOSPLIT, $0-32
	MOVQ x_base+0(FP), SI
	MOVQ x_len+8(FP), CX
	VXORPS Y0, Y0, Y0 // minima
	VXORPS Y4, Y4, Y4 // maxima
	VXORPS Y6, Y6, Y6 // 0, or NaN
	VXORPS Y7, Y7, Y7 // 0
range:
	VMOVUPS (SI), Y8
	VMINPS Y8, Y0, Y0
	VMAXPS Y8, Y4, Y4
	VFMADD231PS Y8, Y7, Y6
	ADDQ $32, SI
	SUBQ $8, CX
	JG   range
	VEXTRACTF128 $1, Y0, X1
	VEXTRACTF128 $1, Y4, X5
	VEXTRACTF128 $1, Y6, X7
	VMINPS X1, X0, X0
	VMAXPS X5, X4, X4
	VADDPS X7, X6, X6
	VPERMILPS $0x4E, X0, X1
	VPERMILPS $0x4E, X4, X5
	VPERMILPS $0x4E, X6, X7
	VMINPS X1, X0, X0
	VMAXPS X5, X4, X4
	VADDPS X7, X6, X6
	VPERMILPS $0xB1, X0, X1
	VPERMILPS $0xB1, X4, X5
	VPERMILPS $0xB1, X6, X7
	VMINPS X1, X0, X0
	VMAXPS X5, X4, X4
	VADDPS X7, X6, X6
	VADDPS X6, X4, X4
	VMOVSS X0, lo+24(FP)
	VMOVSS X4, hi+28(FP)
	VZEROUPPER
	RET

// ROUNDINT: X0 = eight numbers at SI times inv, as integers plus zero, each an int16.
#define ROUNDINT \
	VMULPS (SI), Y9, Y0; \
	VCVTPS2DQ Y0, Y0; \
	VPADDD Y10, Y0, Y0; \
	VEXTRACTI128 $1, Y0, X1; \
	VPACKSSDW X1, X0, X0

// func quantizeAVX2(dst []uint8, x []float32, inv float32, zero int32)
TEXT ·quantizeAVX2(SB), NOSPLIT, $0-56
// QUANTIZEARGUMENTS stands inside a function so that go vet compares its names and offsets with the Go declaration.
#define QUANTIZEARGUMENTS \
	MOVQ dst_base+0(FP), DI; \
	MOVQ x_base+24(FP), SI; \
	MOVQ x_len+32(FP), CX; \
	VBROADCASTSS inv+48(FP), Y9; \
	MOVL zero+52(FP), AX; \
	VMOVD AX, X10; \
	VPBROADCASTD X10, Y10
	QUANTIZEARGUMENTS
bytes:
	ROUNDINT
	VPACKUSWB X0, X0, X0 // not below 0, not above 255
	VMOVQ X0, (DI)
	ADDQ $32, SI
	ADDQ $8, DI
	SUBQ $8, CX
	JG   bytes
	VZEROUPPER
	RET

// func quantizeWideAVX2(dst []uint8, x []float32, inv float32, zero int32)
TEXT ·quantizeWideAVX2(SB), NOSPLIT, $0-56
	QUANTIZEARGUMENTS
	VPXOR X2, X2, X2
words:
	ROUNDINT
	VPACKUSWB X0, X0, X0
	VPUNPCKLBW X2, X0, X0 // back to int16
	VMOVDQU X0, (DI)
	ADDQ $32, SI
	ADDQ $16, DI
	SUBQ $8, CX
	JG   words
	VZEROUPPER
	RET
