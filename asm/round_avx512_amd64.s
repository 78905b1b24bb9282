//go:build !noasm && !purego

// Rounding to bf16 and to 8 bits at level avx512. CPU features: AVX512F, BW, DQ and, for the functions named BF16, AVX512_BF16.
//
// Registers: DI destination, SI and DX sources, CX numbers left. Z16…Z22 constants.

#include "textflag.h"

DATA ·bf16Order+0(SB)/8, $0x0011000100100000 // words 0 16 1 17 …: two halves of a register interleaved
DATA ·bf16Order+8(SB)/8, $0x0013000300120002
DATA ·bf16Order+16(SB)/8, $0x0015000500140004
DATA ·bf16Order+24(SB)/8, $0x0017000700160006
DATA ·bf16Order+32(SB)/8, $0x0019000900180008
DATA ·bf16Order+40(SB)/8, $0x001B000B001A000A
DATA ·bf16Order+48(SB)/8, $0x001D000D001C000C
DATA ·bf16Order+56(SB)/8, $0x001F000F001E000E
GLOBL ·bf16Order(SB), RODATA|NOPTR, $64

// VCVTNE2PS2BF16: Z[d] = 16 bf16 of Z[r], then 16 of Z[v]. EVEX.512.F2.0F38.W0 72 /r (Intel SDM, vol. 2).
#define CVT2(r, v, d) \
	BYTE $0x62; \
	BYTE $(0x02 | (((d ^ 31) >> 3) & 1) << 7 | (((r ^ 31) >> 4) & 1) << 6 | (((r ^ 31) >> 3) & 1) << 5 | (((d ^ 31) >> 4) & 1) << 4); \
	BYTE $(0x07 | ((v ^ 31) & 15) << 3); \
	BYTE $(0x40 | (((v ^ 31) >> 4) & 1) << 3); \
	BYTE $0x72; \
	BYTE $(0xc0 | (d & 7) << 3 | (r & 7))

// CONSTANTS: Z16 the bits of |x|, Z17 bf16Flush, Z18 the number 1 and Z19 0x7FFF of the rounding, Z20 the upper halves, Z21 a quiet
// NaN's bit.
#define CONSTANTS \
	MOVL $0x7FFFFFFF, AX; VPBROADCASTD AX, Z16; \
	MOVL $0x23800000, AX; VPBROADCASTD AX, Z17; \
	MOVL $1, AX; VPBROADCASTD AX, Z18; \
	MOVL $0x7FFF, AX; VPBROADCASTD AX, Z19; \
	MOVL $0xFFFF0000, AX; VPBROADCASTD AX, Z20; \
	MOVL $0x00400000, AX; VPBROADCASTD AX, Z21

// FLUSH: z = 0 where |z| < bf16Flush; NaN stays. t and k are lost.
#define FLUSH(z, t, k) \
	VPANDD Z16, z, t; \
	VCMPPS $21, Z17, t, k; \ // not less than, or unordered
	VMOVAPS.Z z, k, z

// ROUND: z rounded to bf16, as the upper half of each number. t, K1 and K2 are lost.
#define ROUND(z, t) \
	FLUSH(z, t, K1); \
	VCMPPS $3, z, z, K2; \ // unordered: NaN
	VPSRLD $16, z, t; \
	VPANDD Z18, t, t; \
	VPADDD Z19, t, t; \
	VPADDD z, t, t; \
	VPORD  Z21, z, K2, t; \
	VPANDD Z20, t, z

// func roundAVX512BF16(dst []uint8, x []float32)
// The last pair is filled up with zero.
TEXT ·roundAVX512BF16(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	CONSTANTS
	SUBQ $32, CX
	JL   rest
	PCALIGN $32
loop:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	FLUSH(Z0, Z2, K1)
	FLUSH(Z1, Z3, K2)
	CVT2(0, 1, 4)
	VMOVUPS Z4, (DI)
	ADDQ $128, SI
	ADDQ $64, DI
	SUBQ $32, CX
	JGE  loop
rest:
	ADDQ $32, CX // 0 … 31 numbers
	JZ   done
	MOVQ $1, AX
	SHLQ CX, AX
	DECQ AX
	KMOVW AX, K1
	SHRQ $16, AX
	KMOVW AX, K2
	INCQ CX
	SHRQ $1, CX // pairs
	MOVQ $1, AX
	SHLQ CX, AX
	DECQ AX
	KMOVW AX, K3
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	FLUSH(Z0, Z2, K1)
	FLUSH(Z1, Z3, K2)
	CVT2(0, 1, 4)
	VMOVDQU32 Z4, K3, (DI)
done:
	VZEROUPPER
	RET

// func pairsAVX512BF16(dst []uint8, even, odd []float32)
// len(even) is a multiple of 16.
TEXT ·pairsAVX512BF16(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ even_base+24(FP), SI
	MOVQ even_len+32(FP), CX
	MOVQ odd_base+48(FP), DX
	CONSTANTS
	VMOVDQU64 ·bf16Order(SB), Z22
pairs:
	VMOVUPS (SI), Z0
	VMOVUPS (DX), Z1
	FLUSH(Z0, Z2, K1)
	FLUSH(Z1, Z3, K2)
	CVT2(0, 1, 4)
	VPERMW Z4, Z22, Z4
	VMOVUPS Z4, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JG   pairs
	VZEROUPPER
	RET

// func pairsAVX512(dst []uint8, even, odd []float32)
// len(even) is a multiple of 16.
TEXT ·pairsAVX512(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ even_base+24(FP), SI
	MOVQ even_len+32(FP), CX
	MOVQ odd_base+48(FP), DX
	CONSTANTS
pairs:
	VMOVUPS (SI), Z0
	VMOVUPS (DX), Z1
	ROUND(Z0, Z2)
	ROUND(Z1, Z3)
	VPSRLD $16, Z0, Z0
	VPORD  Z1, Z0, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JG   pairs
	VZEROUPPER
	RET

// func splitAVX512(dst []uint8, x []float32)
// Round for pairs of 8 bytes. The last pair is filled up with zero.
TEXT ·splitAVX512(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	CONSTANTS
	SUBQ $16, CX
	JL   rest
	PCALIGN $32
split:
	VMOVUPS (SI), Z0
	ROUND(Z0, Z2)
	VPERMILPS $0xB1, Z0, Z0 // 1 0 3 2: the odd element first
	VMOVUPS Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JGE  split
rest:
	ADDQ $16, CX // 0 … 15 numbers
	JZ   done
	MOVQ $1, AX
	SHLQ CX, AX
	DECQ AX
	KMOVW AX, K3
	INCQ CX
	ANDQ $~1, CX // with the zero
	MOVQ $1, AX
	SHLQ CX, AX
	DECQ AX
	KMOVW AX, K4
	VMOVUPS.Z (SI), K3, Z0
	ROUND(Z0, Z2)
	VPERMILPS $0xB1, Z0, Z0
	VMOVUPS Z0, K4, (DI)
done:
	VZEROUPPER
	RET

// func rangeAVX512(x []float32) (lo, hi float32)
// len(x) is a multiple of 16.
TEXT ·rangeAVX512(SB), NOSPLIT, $0-32
	MOVQ x_base+0(FP), SI
	MOVQ x_len+8(FP), CX
	VPXORD Z0, Z0, Z0 // minima
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4 // maxima
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	VPXORD Z12, Z12, Z12 // 0, or NaN
	VPXORD Z13, Z13, Z13
	VPXORD Z14, Z14, Z14
	VPXORD Z15, Z15, Z15
	VPXORD Z16, Z16, Z16 // 0
	SUBQ $64, CX
	JL   few
four:
	VMOVUPS (SI), Z8
	VMOVUPS 64(SI), Z9
	VMOVUPS 128(SI), Z10
	VMOVUPS 192(SI), Z11
	VMINPS Z8, Z0, Z0
	VMINPS Z9, Z1, Z1
	VMINPS Z10, Z2, Z2
	VMINPS Z11, Z3, Z3
	VMAXPS Z8, Z4, Z4
	VMAXPS Z9, Z5, Z5
	VMAXPS Z10, Z6, Z6
	VMAXPS Z11, Z7, Z7
	VFMADD231PS Z8, Z16, Z12
	VFMADD231PS Z9, Z16, Z13
	VFMADD231PS Z10, Z16, Z14
	VFMADD231PS Z11, Z16, Z15
	ADDQ $256, SI
	SUBQ $64, CX
	JGE  four
few:
	ADDQ $64, CX
	JZ   fold
one:
	VMOVUPS (SI), Z8
	VMINPS Z8, Z0, Z0
	VMAXPS Z8, Z4, Z4
	VFMADD231PS Z8, Z16, Z12
	ADDQ $64, SI
	SUBQ $16, CX
	JG   one
fold:
	VMINPS Z1, Z0, Z0
	VMINPS Z3, Z2, Z2
	VMINPS Z2, Z0, Z0
	VMAXPS Z5, Z4, Z4
	VMAXPS Z7, Z6, Z6
	VMAXPS Z6, Z4, Z4
	VADDPS Z13, Z12, Z12
	VADDPS Z15, Z14, Z14
	VADDPS Z14, Z12, Z12
	VEXTRACTF64X4 $1, Z0, Y1
	VEXTRACTF64X4 $1, Z4, Y5
	VEXTRACTF64X4 $1, Z12, Y13
	VMINPS Y1, Y0, Y0
	VMAXPS Y5, Y4, Y4
	VADDPS Y13, Y12, Y12
	VEXTRACTF128 $1, Y0, X1
	VEXTRACTF128 $1, Y4, X5
	VEXTRACTF128 $1, Y12, X13
	VMINPS X1, X0, X0
	VMAXPS X5, X4, X4
	VADDPS X13, X12, X12
	VPERMILPS $0x4E, X0, X1
	VPERMILPS $0x4E, X4, X5
	VPERMILPS $0x4E, X12, X13
	VMINPS X1, X0, X0
	VMAXPS X5, X4, X4
	VADDPS X13, X12, X12
	VPERMILPS $0xB1, X0, X1
	VPERMILPS $0xB1, X4, X5
	VPERMILPS $0xB1, X12, X13
	VMINPS X1, X0, X0
	VMAXPS X5, X4, X4
	VADDPS X13, X12, X12
	VADDPS X12, X4, X4
	VMOVSS X0, lo+24(FP)
	VMOVSS X4, hi+28(FP)
	VZEROUPPER
	RET

DATA ·quantizeOrder+0(SB)/8, $0x0000000400000000 // dwords 0 4 8 12 1 5 …: what packing leaves in lanes, in order
DATA ·quantizeOrder+8(SB)/8, $0x0000000C00000008
DATA ·quantizeOrder+16(SB)/8, $0x0000000500000001
DATA ·quantizeOrder+24(SB)/8, $0x0000000D00000009
DATA ·quantizeOrder+32(SB)/8, $0x0000000600000002
DATA ·quantizeOrder+40(SB)/8, $0x0000000E0000000A
DATA ·quantizeOrder+48(SB)/8, $0x0000000700000003
DATA ·quantizeOrder+56(SB)/8, $0x0000000F0000000B
GLOBL ·quantizeOrder(SB), RODATA|NOPTR, $64

// func quantizeAVX512(dst []uint8, x []float32, inv float32, zero int32)
// len(x) is a multiple of 16. Rounded numbers are at most 255 in magnitude, so int16 holds them with zero added; packing to bytes
// cuts at 0 and 255.
TEXT ·quantizeAVX512(SB), NOSPLIT, $0-56
	MOVQ dst_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	VBROADCASTSS inv+48(FP), Z16
	MOVL zero+52(FP), AX
	VPBROADCASTW AX, Z17
	VMOVDQU32 ·quantizeOrder(SB), Z18
	SUBQ $64, CX
	JL   few
	PCALIGN $32
four:
	VMULPS (SI), Z16, Z0
	VMULPS 64(SI), Z16, Z1
	VMULPS 128(SI), Z16, Z2
	VMULPS 192(SI), Z16, Z3
	VCVTPS2DQ Z0, Z0
	VCVTPS2DQ Z1, Z1
	VCVTPS2DQ Z2, Z2
	VCVTPS2DQ Z3, Z3
	VPACKSSDW Z1, Z0, Z0 // each lane: four of the first, four of the second
	VPACKSSDW Z3, Z2, Z2
	VPADDSW Z17, Z0, Z0
	VPADDSW Z17, Z2, Z2
	VPACKUSWB Z2, Z0, Z0
	VPERMD Z0, Z18, Z0
	VMOVDQU32 Z0, (DI)
	ADDQ $256, SI
	ADDQ $64, DI
	SUBQ $64, CX
	JGE  four
few:
	ADDQ $64, CX
	JZ   done
one:
	VMULPS (SI), Z16, Z0
	VCVTPS2DQ Z0, Z0
	VPMOVSDW Z0, Y0
	VPADDSW Y17, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKUSWB X1, X0, X0
	VMOVDQU X0, (DI)
	ADDQ $64, SI
	ADDQ $16, DI
	SUBQ $16, CX
	JG   one
done:
	VZEROUPPER
	RET
