// What the tiles of BF16 and Int8 share at level avx512: 12×32 and fewer rows, one panel of B. They follow gemm_avx512_amd64.s.
//
// Registers of every tile
//
//	CX      steps left
//	R8…R11  address of A[0,p], A[3,p], A[6,p], A[9,p]; SI = row stride of A in bytes
//	DI      address of B[p,0]
//	AX      address of a row of C; BX = row stride of C in bytes
//	R12     address of a row of Base; R13 = row stride of Base in bytes
//	R14     address of what to fetch; R15 = bytes of it per step
//	DX      the TileArgs
//
//	Z0…Z23  the tile's sums: Z(2i), Z(2i+1) hold row i
//	Z24 Z25 row p of B; before and behind the steps, what belongs to columns
//	Z26 Z27 spare
//	Z28…Z31 an element of A in all 16 lanes

// ROWSm(OP) applies OP to the rows 0 … m−1 of a tile: OP(address of A[i,p], register for it and its number, sums of the row and
// their numbers).
#define ROWS1(OP)  OP((R8), Z28, 28, Z0, Z1, 0, 1)
#define ROWS2(OP)  ROWS1(OP); OP((R8)(SI*1), Z29, 29, Z2, Z3, 2, 3)
#define ROWS3(OP)  ROWS2(OP); OP((R8)(SI*2), Z30, 30, Z4, Z5, 4, 5)
#define ROWS4(OP)  ROWS3(OP); OP((R9), Z31, 31, Z6, Z7, 6, 7)
#define ROWS5(OP)  ROWS4(OP); OP((R9)(SI*1), Z28, 28, Z8, Z9, 8, 9)
#define ROWS6(OP)  ROWS5(OP); OP((R9)(SI*2), Z29, 29, Z10, Z11, 10, 11)
#define ROWS7(OP)  ROWS6(OP); OP((R10), Z30, 30, Z12, Z13, 12, 13)
#define ROWS8(OP)  ROWS7(OP); OP((R10)(SI*1), Z31, 31, Z14, Z15, 14, 15)
#define ROWS9(OP)  ROWS8(OP); OP((R10)(SI*2), Z28, 28, Z16, Z17, 16, 17)
#define ROWS10(OP) ROWS9(OP); OP((R11), Z29, 29, Z18, Z19, 18, 19)
#define ROWS11(OP) ROWS10(OP); OP((R11)(SI*1), Z30, 30, Z20, Z21, 20, 21)
#define ROWS12(OP) ROWS11(OP); OP((R11)(SI*2), Z31, 31, Z22, Z23, 22, 23)

// ARGUMENTS loads the registers that go on from panel to panel.
#define ARGUMENTS \
	MOVQ t+0(FP), DX; \
	MOVQ TileArgs_Panels(DX), CX; \
	MOVQ CX, TileArgs_left(DX); \
	MOVQ $0, TileArgs_at(DX); \
	MOVQ TileArgs_ARS(DX), SI; \
	MOVQ TileArgs_B(DX), DI; \
	MOVQ TileArgs_Next(DX), R14; \
	MOVQ TileArgs_NPS(DX), R15

// PANEL loads those that each panel has anew.
#define PANEL \
	MOVQ TileArgs_K(DX), CX; \
	MOVQ TileArgs_A(DX), R8; \
	LEAQ (SI)(SI*2), R12; \ // three rows of A
	LEAQ (R8)(R12*1), R9; \
	LEAQ (R9)(R12*1), R10; \
	LEAQ (R10)(R12*1), R11; \
	OUTPUTS

// OUTPUTS loads those of C and Base.
#define OUTPUTS \
	MOVQ TileArgs_C(DX), AX; \
	MOVQ TileArgs_Base(DX), R12; \
	MOVQ TileArgs_at(DX), BX; \
	ADDQ BX, AX; ADDQ BX, R12; \
	MOVQ TileArgs_LDC(DX), BX; \
	MOVQ TileArgs_LDBase(DX), R13; \
	SHLQ $2, BX; SHLQ $2, R13 // floats to bytes

// Start: row i of the tile is zero; fetch row i of Base, which is needed at the end.
#define CLEAR(a, t, tn, c0, c1, n0, n1) \
	VPXORD c0, c0, c0; VPXORD c1, c1, c1; \
	PREFETCHT0 (R12); PREFETCHT0 64(R12); ADDQ R13, R12

// FORWARD goes to the next step: 4 bytes of each row of A, a row of B, the next bytes to fetch.
#define FORWARD \
	ADDQ $128, DI; \
	PREFETCHT1 (R14); ADDQ R15, R14; \
	ADDQ $4, R8; ADDQ $4, R9; ADDQ $4, R10; ADDQ $4, R11

// LOADB loads B[p,:] and fetches B[p+8,:].
#define LOADB \
	VMOVUPS (DI), Z24; VMOVUPS 64(DI), Z25; \
	PREFETCHT0 1024(DI); PREFETCHT0 1088(DI)

// End, row i, with Bias in Z24 Z25: C[i,:] = (Base[i,:] + Bias) + tile[i,:].
#define STORE(a, t, tn, c0, c1, n0, n1) \
	VADDPS (R12), Z24, Z26; VADDPS 64(R12), Z25, Z27; ADDQ R13, R12; \
	VADDPS c0, Z26, c0; VADDPS c1, Z27, c1; \
	VMOVUPS c0, (AX); VMOVUPS c1, 64(AX); ADDQ BX, AX

// FINISH stores the tile and goes back to panel for the next one.
#define FINISH(ROWS) \
	OUTPUTS; \
	MOVQ TileArgs_Bias(DX), CX; \
	ADDQ TileArgs_at(DX), CX; \
	VMOVUPS (CX), Z24; VMOVUPS 64(CX), Z25; \
	ROWS(STORE); \
	ADDQ $128, TileArgs_at(DX); \
	DECQ TileArgs_left(DX); \
	JNZ panel; \
	VZEROUPPER; \
	RET

// VDPBF16PS: Z[d] += Z[v]·Z[r] in pairs, the odd element first. EVEX.512.F3.0F38.W0 52 /r (Intel SDM, vol. 2); Go's assembler
// lacks it. The register numbers stand in the prefix inverted. CPU feature: AVX512_BF16.
#define DPBF16(r, v, d) \
	BYTE $0x62; \
	BYTE $(0x02 | (((d ^ 31) >> 3) & 1) << 7 | (((r ^ 31) >> 4) & 1) << 6 | (((r ^ 31) >> 3) & 1) << 5 | (((d ^ 31) >> 4) & 1) << 4); \
	BYTE $(0x06 | ((v ^ 31) & 15) << 3); \
	BYTE $(0x40 | (((v ^ 31) >> 4) & 1) << 3); \
	BYTE $0x52; \
	BYTE $(0xc0 | (d & 7) << 3 | (r & 7))

// Step p, row i, in pairs: tile[i,:] += A[i,p+1]·B[p+1,:], then A[i,p]·B[p,:], each product and sum rounded once.
#define DOTPAIR(a, t, tn, c0, c1, n0, n1) \
	VPBROADCASTD a, t; DPBF16(24, tn, n0); DPBF16(25, tn, n1)

// Half a step of CPUs that lack VDPBF16PS, row i: tile[i,:] += A[i,p]·B[p,:], B as float32.
#define FMA(a, t, tn, c0, c1, n0, n1) \
	VBROADCASTSS a, t; VFMADD231PS Z24, t, c0; VFMADD231PS Z25, t, c1

// HIGHMASK: Z26 keeps the upper half of each number.
#define HIGHMASK \
	MOVL $0xFFFF0000, R12; VPBROADCASTD R12, Z26

// SPLITPAIR is the two halves of a step: a bf16 is the upper half of a float32. A has the odd element first.
#define SPLITPAIR(ROWS) \
	VPANDD (DI), Z26, Z24; VPANDD 64(DI), Z26, Z25; \
	PREFETCHT0 1024(DI); PREFETCHT0 1088(DI); \
	ROWS(FMA); \
	ADDQ $4, R8; ADDQ $4, R9; ADDQ $4, R10; ADDQ $4, R11; \
	VPSLLD $16, (DI), Z24; VPSLLD $16, 64(DI), Z25; \
	ROWS(FMA)
