//go:build !noasm && !purego

#include "textflag.h"

// Dropout: y[i] = x[i]·scale if word i is at least drop, else 0, words from Philox-4x32-10 (dropout_generic.go). Needs AVX-512 F
// and BW, or AVX2.
//
// A vector holds one word of several blocks, each in the low half of a 64-bit lane: VPMULUDQ multiplies the low halves to 64
// bits, and what gathers in the high halves does no harm. One round, for the counter c0…c3 and the round's key k0, k1:
//
//	P0 = m0·c0    P1 = m1·c2
//	c0 = hi(P1) ^ c1 ^ k0    c1 = lo(P1)    c2 = hi(P0) ^ c3 ^ k1    c3 = lo(P0)
//
// Afterwards the four words of a block, which are those of four elements in a row, are brought side by side. The lanes hold the
// blocks in such an order that this leaves the elements in theirs.
//
//	DI y, SI x, CX elements left, AX number of the first block
//	vector 0…5  c0, c2, and in turn c1, c3 and P1, P0
//	6, 7        m0, m1                 8, 9, 10  the counter's constant words c0, c1, c2
//	11          block numbers          12, 13    drop, scale
//	14, 15      scratch
//	SP          k0 and k1 of the ten rounds

// KEYS stores the keys of all rounds: DX and BX are the first.
#define KEY(i) \
	MOVL DX, (8*i)(SP); \
	MOVL BX, (8*i+4)(SP); \
	ADDL $0x9E3779B9, DX; \
	ADDL $0xBB67AE85, BX
#define KEYS \
	KEY(0); KEY(1); KEY(2); KEY(3); KEY(4); KEY(5); KEY(6); KEY(7); KEY(8); KEY(9)

// TEN does ten rounds; from one to the next c1 and P1, c3 and P0 change places.
#define TEN(ROUND, c0, c1, c2, c3, p0, p1) \
	ROUND(0, c0, c1, c2, c3, p0, p1); ROUND(8, c0, p1, c2, p0, c3, c1); \
	ROUND(16, c0, c1, c2, c3, p0, p1); ROUND(24, c0, p1, c2, p0, c3, c1); \
	ROUND(32, c0, c1, c2, c3, p0, p1); ROUND(40, c0, p1, c2, p0, c3, c1); \
	ROUND(48, c0, c1, c2, c3, p0, p1); ROUND(56, c0, p1, c2, p0, c3, c1); \
	ROUND(64, c0, c1, c2, c3, p0, p1); ROUND(72, c0, p1, c2, p0, c3, c1)

// A round, with the key at key(SP): P0, P1; c0 = hi(P1) ^ c1 ^ k0; c2 = hi(P0) ^ c3 ^ k1. 0x96 is the table of a ^ b ^ c.
#define ROUND512(key, c0, c1, c2, c3, p0, p1) \
	VPMULUDQ Z6, c0, p0; VPMULUDQ Z7, c2, p1; \
	VPSRLQ $32, p1, c0; VPTERNLOGD.BCST $0x96, key(SP), c1, c0; \
	VPSRLQ $32, p0, c2; VPTERNLOGD.BCST $0x96, (key+4)(SP), c3, c2

// func dropoutAVX512(y, x []float32, key, example uint64, token, drop uint32, scale float32)
//
// 8 blocks a turn, 32 elements. K1 is the mask of odd 32-bit lanes, K2 and K3 of the elements that are there, K4 and K5 of those
// that stay.
TEXT ·dropoutAVX512(SB), NOSPLIT, $80-76
	MOVQ y_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	MOVQ key+48(FP), DX
	MOVQ DX, BX
	SHRQ $32, BX
	KEYS
	MOVL $0xD2511F53, DX
	VPBROADCASTD DX, Z6
	MOVL $0xCD9E8D57, DX
	VPBROADCASTD DX, Z7
	VPBROADCASTQ example+56(FP), Z8
	VPSRLQ $32, Z8, Z9
	VBROADCASTSS token+64(FP), Z10
	VPMOVZXBQ dropoutBlocks512<>(SB), Z11
	VBROADCASTSS drop+68(FP), Z12
	VBROADCASTSS scale+72(FP), Z13
	MOVQ $8, DX
	VPBROADCASTQ DX, Z16
	MOVL $0xAAAA, DX
	KMOVW DX, K1
	MOVL $-1, DX

turn:
	CMPQ CX, $0
	JLE done
	CMPQ CX, $32
	JGE whole
	MOVL $1, DX                                         // 2ⁿ − 1 for the last n elements
	SHLL CX, DX
	DECL DX

whole:
	KMOVW DX, K2
	SHRL $16, DX
	KMOVW DX, K3
	MOVL $-1, DX
	VMOVDQA64 Z8, Z0
	VMOVDQA64 Z9, Z1
	VMOVDQA64 Z10, Z2
	VMOVDQA64 Z11, Z3
	TEN(ROUND512, Z0, Z1, Z2, Z3, Z4, Z5)
	VPSHUFD $0xA0, Z1, K1, Z0                           // c0 c1 of each block
	VPSHUFD $0xA0, Z3, K1, Z2                           // c2 c3
	VPUNPCKLQDQ Z2, Z0, Z14                             // words of elements 0…15
	VPUNPCKHQDQ Z2, Z0, Z15                             // and of 16…31
	VPCMPUD $5, Z12, Z14, K2, K4                        // word ≥ drop
	VPCMPUD $5, Z12, Z15, K3, K5
	VMULPS.Z (SI), Z13, K4, Z14                         // x·scale, else 0
	VMULPS.Z 64(SI), Z13, K5, Z15
	VMOVUPS Z14, K2, (DI)
	VMOVUPS Z15, K3, 64(DI)
	VPADDQ Z16, Z11, Z11
	ADDQ $128, SI
	ADDQ $128, DI
	SUBQ $32, CX
	JMP turn

done:
	VZEROUPPER
	RET

// unpackLow takes the even 64-bit lanes, unpackHigh the odd ones: these hold blocks 0…3 and 4…7.
DATA dropoutBlocks512<>+0(SB)/8, $0x0703060205010400
GLOBL dropoutBlocks512<>(SB), RODATA|NOPTR, $8

// The same for YMM registers.
#define ROUND256(key, c0, c1, c2, c3, p0, p1) \
	VPMULUDQ Y6, c0, p0; VPMULUDQ Y7, c2, p1; \
	VPBROADCASTD key(SP), Y14; VPXOR c1, Y14, Y14; \
	VPSRLQ $32, p1, c0; VPXOR Y14, c0, c0; \
	VPBROADCASTD (key+4)(SP), Y15; VPXOR c3, Y15, Y15; \
	VPSRLQ $32, p0, c2; VPXOR Y15, c2, c2

// func dropout16AVX2(y, x []float32, key, example uint64, token, drop uint32, scale float32)
//
// 4 blocks a turn, 16 elements.
TEXT ·dropout16AVX2(SB), NOSPLIT, $80-76
	MOVQ y_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	MOVQ key+48(FP), DX
	MOVQ DX, BX
	SHRQ $32, BX
	KEYS
	MOVL $0xD2511F53, DX
	VMOVD DX, X6
	VPBROADCASTD X6, Y6
	MOVL $0xCD9E8D57, DX
	VMOVD DX, X7
	VPBROADCASTD X7, Y7
	VPBROADCASTQ example+56(FP), Y8
	VPSRLQ $32, Y8, Y9
	VBROADCASTSS token+64(FP), Y10
	VPMOVZXBQ dropoutBlocks256<>(SB), Y11
	VBROADCASTSS drop+68(FP), Y12
	VBROADCASTSS scale+72(FP), Y13

turn:
	SUBQ $16, CX
	JLT done
	VMOVDQA Y8, Y0
	VMOVDQA Y9, Y1
	VMOVDQA Y10, Y2
	VMOVDQA Y11, Y3
	TEN(ROUND256, Y0, Y1, Y2, Y3, Y4, Y5)
	VPSHUFD $0xA0, Y1, Y1
	VPBLENDD $0xAA, Y1, Y0, Y0                          // c0 c1 of each block
	VPSHUFD $0xA0, Y3, Y3
	VPBLENDD $0xAA, Y3, Y2, Y2                          // c2 c3
	VPUNPCKLQDQ Y2, Y0, Y14                             // words of elements 0…7
	VPUNPCKHQDQ Y2, Y0, Y15                             // and of 8…15
	VPMAXUD Y12, Y14, Y0                                // the larger of word and drop is the word: word ≥ drop
	VPMAXUD Y12, Y15, Y1
	VPCMPEQD Y0, Y14, Y14
	VPCMPEQD Y1, Y15, Y15
	VMULPS (SI), Y13, Y0                                // x·scale
	VMULPS 32(SI), Y13, Y1
	VANDPS Y14, Y0, Y0                                  // or 0
	VANDPS Y15, Y1, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VPMOVZXBQ dropoutFour<>(SB), Y0
	VPADDQ Y0, Y11, Y11
	ADDQ $64, SI
	ADDQ $64, DI
	JMP turn

done:
	VZEROUPPER
	RET

DATA dropoutBlocks256<>+0(SB)/4, $0x03010200
GLOBL dropoutBlocks256<>(SB), RODATA|NOPTR, $4

DATA dropoutFour<>+0(SB)/4, $0x04040404
GLOBL dropoutFour<>(SB), RODATA|NOPTR, $4
