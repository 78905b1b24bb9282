// What the tiles of BF16 and Int8 share at level avx2: 6×16 and fewer rows, one panel of B. They follow gemm_avx2_amd64.s.
//
// Registers of every tile
//
//	CX      steps left
//	R8 R9   address of A[0,p], A[3,p]; SI = row stride of A in bytes
//	DI      address of B[p,0]
//	AX      address of a row of C; BX = row stride of C in bytes
//	R12     address of a row of Base; R13 = row stride of Base in bytes
//	R14     address of what to fetch; R15 = bytes of it per step
//	DX      the TileArgs
//
//	Y0…Y11  the tile's sums: Y(2i), Y(2i+1) hold row i
//	Y12 Y13 row p of B; before and behind the steps, what belongs to columns
//	Y14     an element of A in all 8 lanes
//	Y15     spare

// ROWSm(OP) applies OP to the rows 0 … m−1 of a tile: OP(address of A[i,p], sums of the row and their numbers).
#define ROWS1(OP) OP((R8), Y0, Y1, 0, 1)
#define ROWS2(OP) ROWS1(OP); OP((R8)(SI*1), Y2, Y3, 2, 3)
#define ROWS3(OP) ROWS2(OP); OP((R8)(SI*2), Y4, Y5, 4, 5)
#define ROWS4(OP) ROWS3(OP); OP((R9), Y6, Y7, 6, 7)
#define ROWS5(OP) ROWS4(OP); OP((R9)(SI*1), Y8, Y9, 8, 9)
#define ROWS6(OP) ROWS5(OP); OP((R9)(SI*2), Y10, Y11, 10, 11)

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
	LEAQ (SI)(SI*2), R9; \ // three rows of A
	ADDQ R8, R9; \
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
#define CLEAR(a, c0, c1, n0, n1) \
	VXORPS c0, c0, c0; VXORPS c1, c1, c1; PREFETCHT0 (R12); ADDQ R13, R12

// FORWARD goes on by so many bytes of each row of A, by a row of B, and by the next bytes to fetch.
#define FORWARD(bytes) \
	ADDQ $64, DI; \
	PREFETCHT1 (R14); ADDQ R15, R14; \
	ADDQ $bytes, R8; ADDQ $bytes, R9

// End, row i, with Bias in Y12 Y13: C[i,:] = (Base[i,:] + Bias) + tile[i,:].
#define STORE(a, c0, c1, n0, n1) \
	VADDPS (R12), Y12, Y14; VADDPS 32(R12), Y13, Y15; ADDQ R13, R12; \
	VADDPS c0, Y14, c0; VADDPS c1, Y15, c1; \
	VMOVUPS c0, (AX); VMOVUPS c1, 32(AX); ADDQ BX, AX

// FINISH stores the tile and goes back to panel for the next one.
#define FINISH(ROWS) \
	OUTPUTS; \
	MOVQ TileArgs_Bias(DX), CX; \
	ADDQ TileArgs_at(DX), CX; \
	VMOVUPS (CX), Y12; VMOVUPS 32(CX), Y13; \
	ROWS(STORE); \
	ADDQ $64, TileArgs_at(DX); \
	DECQ TileArgs_left(DX); \
	JNZ panel; \
	VZEROUPPER; \
	RET

// Half a step, row i: tile[i,:] += A[i,p]·B[p,:], B as float32.
#define FMA(a, c0, c1, n0, n1) \
	VBROADCASTSS a, Y14; VFMADD231PS Y12, Y14, c0; VFMADD231PS Y13, Y14, c1

// SPLITPAIR is the two halves of a step: a bf16 is the upper half of a float32. A has the odd element first, and is left between
// its halves.
#define SPLITPAIR(ROWS) \
	VMOVUPS (DI), Y12; VMOVUPS 32(DI), Y13; PREFETCHT0 1024(DI); \
	VPAND ·bf16High(SB), Y12, Y12; VPAND ·bf16High(SB), Y13, Y13; \
	ROWS(FMA); \
	ADDQ $4, R8; ADDQ $4, R9; \
	VMOVUPS (DI), Y12; VMOVUPS 32(DI), Y13; \
	VPSLLD $16, Y12, Y12; VPSLLD $16, Y13, Y13; \
	ROWS(FMA)
