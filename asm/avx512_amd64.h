// Level avx512 of the element-wise and row kernels: vectors are Z registers of 16 numbers. Everything that elem_amd64.h and
// row_amd64.h leave to the level. CPU features: AVX512F, AVX512DQ.

#define V0 Z0
#define V1 Z1
#define V2 Z2
#define V3 Z3
#define V4 Z4
#define V5 Z5
#define V6 Z6
#define V7 Z7

#define A0 Z8
#define A1 Z9
#define A2 Z10
#define A3 Z11
#define A4 Z12
#define A5 Z13
#define A6 Z14
#define A7 Z15

#define LANES 16
#define H0 Y0 // the lower half of V0
#define H1 Y1
#define HALF 32 // bytes of a half

#define MULK       VMULPS.BCST
#define ADDK       VADDPS.BCST
#define SUBK       VSUBPS.BCST
#define MINK       VMINPS.BCST
#define MAXK       VMAXPS.BCST
#define ANDK       VANDPS.BCST
#define ANDNK      VANDNPS.BCST
#define FMADDK213  VFMADD213PS.BCST
#define FMADDK231  VFMADD231PS.BCST
#define FNMADDK231 VFNMADD231PS.BCST

#define ROUND(x, n) VRNDSCALEPS $0, x, n
#define LDEXP(n, p) VSCALEFPS n, p, p

#define PICK(is, c, x, a, p) \
	VCMPPS.BCST is, c, x, K2; \
	VMOVAPS     a, K2, p

// The CX = 1…15 numbers that do not fill a register are loaded and stored through a mask; the other lanes are 0.

// RESTMASK: CX ones in K1.
#define RESTMASK \
	MOVL  $1, BX; \
	SHLL  CX, BX; \
	DECL  BX; \
	KMOVW BX, K1

#define LOADREST(p, v)              VMOVUPS.Z p, K1, v
#define ZEROREST(v)                 VMOVAPS.Z v, K1, v
#define MAXREST(v, a)               VMAXPS v, a, K1, a // a = max(a, v) in the lanes of the rest
#define STOREREST(p, two, one, end) VMOVUPS V0, K1, p  // p = V0

#define UPPER(v, h) VEXTRACTF32X8 $1, v, h // h = the upper half of v

// FOLD, FOLDPD: lane 0 of X8 = A0's lanes joined by OP. V0 is lost.
#define FOLD(OP) \
	VEXTRACTF32X8 $1, Z8, Y0; \
	OP            Y0, Y8, Y8; \
	VEXTRACTF128  $1, Y8, X0; \
	OP            X0, X8, X8; \
	VPERMILPS     $0x0E, X8, X0; \
	OP            X0, X8, X8; \
	VPERMILPS     $1, X8, X0; \
	OP            X0, X8, X8
#define FOLDPD(OP) \
	VEXTRACTF64X4 $1, Z8, Y0; \
	OP            Y0, Y8, Y8; \
	VEXTRACTF128  $1, Y8, X0; \
	OP            X0, X8, X8; \
	VPERMILPD     $1, X8, X0; \
	OP            X0, X8, X8

// The sums of row_amd64.h: a vector of 16 lanes is a register, in float64 it is two.

#define SUMPASS(STEP, LAST, loop, single, rest, low, end) \
	ZERO; \
	PASS(STEP, LAST(A0, A1), loop, single, rest, end)
#define SUM \
	VADDPS A2, A0, A0; VADDPS A6, A4, A4; VADDPS A4, A0, A0; \
	FOLD(VADDPS)
#define SUMPAIR(STEP, LAST, loop, single, rest, low, end, loop2, end2) \
	SUMPASS(STEP, LAST, loop, single, rest, low, end); \
	SUM; \
	VMOVAPS X8, X4; \
	VMOVAPS A1, A0; VMOVAPS A3, A2; VMOVAPS A5, A4; VMOVAPS A7, A6; \
	SUM
#define SUMPD(STEP, LAST, loop, single, rest, low, end, loop2, end2) \
	SUMPASS(STEP, LAST, loop, single, rest, low, end); \
	VADDPD A1, A0, A0; VADDPD A3, A2, A2; VADDPD A5, A4, A4; VADDPD A7, A6, A6; \
	VADDPD A2, A0, A0; VADDPD A6, A4, A4; VADDPD A4, A0, A0; \
	FOLDPD(VADDPD)
