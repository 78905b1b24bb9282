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
