// Level avx2 of the element-wise and row kernels: vectors are Y registers of 8 numbers. Everything that elem_amd64.h and
// row_amd64.h leave to the level. CPU features: AVX2, FMA3.

#define V0 Y0
#define V1 Y1
#define V2 Y2
#define V3 Y3
#define V4 Y4
#define V5 Y5
#define V6 Y6
#define V7 Y7

#define A0 Y8
#define A1 Y9
#define A2 Y10
#define A3 Y11
#define A4 Y12
#define A5 Y13
#define A6 Y14
#define A7 Y15

#define LANES 8
#define H0 X0 // the lower half of V0
#define H1 X1
#define HALF 16 // bytes of a half

#define MULK       VMULPS
#define ADDK       VADDPS
#define SUBK       VSUBPS
#define MINK       VMINPS
#define MAXK       VMAXPS
#define ANDK       VANDPS
#define ANDNK      VANDNPS
#define FMADDK213  VFMADD213PS
#define FMADDK231  VFMADD231PS
#define FNMADDK231 VFNMADD231PS

#define ROUND(x, n) VROUNDPS $0, x, n

// n is added to the exponent; as an integer NaN is −2³¹, which the shift makes 0, and p stays NaN.
#define LDEXP(n, p) \
	VCVTPS2DQ n, n; \
	VPSLLD    $23, n, n; \
	VPADDD    n, p, p

#define PICK(is, c, x, a, p) \
	VCMPPS    is, c, x, V7; \
	VBLENDVPS V7, a, p, p

// The CX = 1…7 numbers that do not fill a register are loaded through a mask, which reads nothing else and gives 0 there. They
// are stored in parts: VMASKMOVPS to memory is microcoded on AMD (uops.info: 42 operations on Zen 4). V7 is lost.

// RESTMASK: CX lanes of ones, then zeros, at address BX.
#define RESTMASK \
	LEAQ ·restMask+32(SB), BX; \
	NEGQ CX; \
	LEAQ (BX)(CX*4), BX; \
	NEGQ CX

#define LOADREST(p, v) \
	VMOVUPS    (BX), V7; \
	VMASKMOVPS p, V7, v

#define ZEROREST(v) VANDPS (BX), v, v

// MAXREST: a = max(a, v) in the lanes of the rest. v is lost.
#define MAXREST(v, a) \
	VMOVUPS   (BX), V7; \
	VMAXPS    v, a, v; \
	VBLENDVPS V7, v, a, a

// STOREREST: p = V0. V0 and R10 are lost; the labels are its own.
#define STOREREST(p, two, one, end) \
	LEAQ         p, R10; \
	TESTQ        $4, CX; \
	JEQ          two; \
	VMOVUPS      X0, (R10); \
	ADDQ         $16, R10; \
	VEXTRACTF128 $1, Y0, X0; \
two: \
	TESTQ        $2, CX; \
	JEQ          one; \
	VMOVQ        X0, (R10); \
	ADDQ         $8, R10; \
	VPSRLDQ      $8, X0, X0; \
one: \
	TESTQ        $1, CX; \
	JEQ          end; \
	VMOVSS       X0, (R10); \
end:

#define UPPER(v, h) VEXTRACTF128 $1, v, h // h = the upper half of v

// FOLD, FOLDPD: lane 0 of X8 = A0's lanes joined by OP. V0 is lost.
#define FOLD(OP) \
	VEXTRACTF128 $1, Y8, X0; \
	OP           X0, X8, X8; \
	VPERMILPS    $0x0E, X8, X0; \
	OP           X0, X8, X8; \
	VPERMILPS    $1, X8, X0; \
	OP           X0, X8, X8
#define FOLDPD(OP) \
	VEXTRACTF128 $1, Y8, X0; \
	OP           X0, X8, X8; \
	VPERMILPD    $1, X8, X0; \
	OP           X0, X8, X8

// The sums of row_amd64.h: a vector of 16 lanes is two registers, so that all eight accumulators hold the four vectors of one sum in
// float32. Of a pair of sums, and of one in float64, they hold two vectors: a second walk along the row adds up the other two.

// SUMREST: the CX + 16 numbers that do not fill a vector go to its lower half, a0 and b0, and if there are more than 8, to its upper half.
#define SUMREST(STEP, LAST, a0, b0, a1, b1, low, end) \
	ADDQ $16, CX; \
	CMPQ CX, $8; \
	JLT  low; \
	STEP(0, a0, b0); \
	ADDQ $32, AX; \
	SUBQ $8, CX; \
	JEQ  end; \
	RESTMASK; \
	LAST(a1, b1); \
	JMP  end; \
low: \
	TESTQ CX, CX; \
	JEQ   end; \
	RESTMASK; \
	LAST(a0, b0); \
end:

#define SUMPASS(STEP, LAST, loop, single, rest, low, end) \
	ZERO; \
	XORQ AX, AX; \
	MOVQ DX, CX; \
	SUBQ $64, CX; \
	JLT  single; \
loop: \
	STEP(0, A0, A0); STEP(32, A1, A1); STEP(64, A2, A2); STEP(96, A3, A3); \
	STEP(128, A4, A4); STEP(160, A5, A5); STEP(192, A6, A6); STEP(224, A7, A7); \
	ADDQ $256, AX; \
	SUBQ $64, CX; \
	JGE  loop; \
single: \
	ADDQ $48, CX; \
	JLT  rest; \
	STEP(0, A0, A0); STEP(32, A1, A1); \
	ADDQ $64, AX; \
	SUBQ $64, CX; \
	JMP  single; \
rest: \
	SUMREST(STEP, LAST, A0, A0, A1, A1, low, end)
#define SUM \
	VADDPS A2, A0, A0; VADDPS A3, A1, A1; VADDPS A6, A4, A4; VADDPS A7, A5, A5; \
	VADDPS A4, A0, A0; VADDPS A5, A1, A1; VADDPS A1, A0, A0; \
	FOLD(VADDPS)

// HALVES: SUMPASS for two accumulators at a time, A0 A1 and A2 A3 for the halves of vector 0, A4 A5 and A6 A7 for those of vector 1. OTHERS:
// the same for vectors 2 and 3, which only whole blocks of 64 numbers have.
#define HALVES(STEP, LAST, loop, single, rest, low, end) \
	ZERO; \
	XORQ AX, AX; \
	MOVQ DX, CX; \
	SUBQ $64, CX; \
	JLT  single; \
loop: \
	STEP(0, A0, A1); STEP(32, A2, A3); STEP(64, A4, A5); STEP(96, A6, A7); \
	ADDQ $256, AX; \
	SUBQ $64, CX; \
	JGE  loop; \
single: \
	ADDQ $48, CX; \
	JLT  rest; \
	STEP(0, A0, A1); STEP(32, A2, A3); \
	ADDQ $64, AX; \
	SUBQ $64, CX; \
	JMP  single; \
rest: \
	SUMREST(STEP, LAST, A0, A1, A2, A3, low, end)
#define OTHERS(STEP, loop, end) \
	ZERO; \
	XORQ AX, AX; \
	MOVQ DX, CX; \
	SUBQ $64, CX; \
	JLT  end; \
loop: \
	STEP(128, A0, A1); STEP(160, A2, A3); STEP(192, A4, A5); STEP(224, A6, A7); \
	ADDQ $256, AX; \
	SUBQ $64, CX; \
	JGE  loop; \
end:

#define SUMPAIR(STEP, LAST, loop, single, rest, low, end, loop2, end2) \
	HALVES(STEP, LAST, loop, single, rest, low, end); \
	VADDPS A4, A0, V2; VADDPS A5, A1, V3; VADDPS A6, A2, V4; VADDPS A7, A3, V5; \
	OTHERS(STEP, loop2, end2); \
	VADDPS A4, A0, A0; VADDPS A5, A1, A1; VADDPS A6, A2, A2; VADDPS A7, A3, A3; \
	VADDPS A0, V2, A0; VADDPS A1, V3, A1; VADDPS A2, V4, A2; VADDPS A3, V5, A3; \
	VADDPS A2, A0, A0; \
	FOLD(VADDPS); \
	VMOVAPS X8, X4; \
	VADDPS A3, A1, A0; \
	FOLD(VADDPS)

// In float64 the halves of a vector are joined first.
#define SUMPD(STEP, LAST, loop, single, rest, low, end, loop2, end2) \
	HALVES(STEP, LAST, loop, single, rest, low, end); \
	VADDPD A2, A0, A0; VADDPD A3, A1, A1; VADDPD A6, A4, A4; VADDPD A7, A5, A5; \
	VADDPD A4, A0, V4; VADDPD A5, A1, V5; \
	OTHERS(STEP, loop2, end2); \
	VADDPD A2, A0, A0; VADDPD A3, A1, A1; VADDPD A6, A4, A4; VADDPD A7, A5, A5; \
	VADDPD A4, A0, A0; VADDPD A5, A1, A1; \
	VADDPD A0, V4, A0; VADDPD A1, V5, A1; VADDPD A1, A0, A0; \
	FOLDPD(VADDPD)
