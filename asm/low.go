package asm

// The products in low precision, bfloat16 and int8: C = A·B + Bias + Base, where A and B have been rounded to fewer bits and the
// sums are float32, or exact integers. Unlike the float32 kernels those of low precision give the same bits in all sets: what an
// instruction of one CPU does, the others do by other means. docs/precision.md has the formulas, docs/kernels.md the tiles.

// LowTile is one register tile of a product in low precision, Rows rows of C and one panel of B. A call goes through several panels
// that lie one after the other.
type LowTile struct {
	Rows int
	GEMM func(t *TileArgs)
}

// TileArgs are the operands of one call of a LowTile. The kernels read the fields by name, check nothing, and write C alone.
// Panels of B are NR columns wide; C, Base and Bias must have all columns of all of them.
type TileArgs struct {
	Panels int // at least 1

	K   int     // steps, at least 1: pairs of k for bf16, quads for int8, an even number of them where Int8.Depth is 8
	A   []uint8 // row i as Round or Quantize wrote it, ARS·i bytes from the beginning
	ARS int
	B   []uint8 // panels, each [K][NR] pairs of bf16, or quads of int8 and then [Pairs][NR] pairs of bf16

	C      []float32 // element (i, j) of C is C[i·LDC + j]
	LDC    int
	Base   []float32 // likewise: what is added to the sum; may be C. LDBase = 0 gives every row the same base
	LDBase int
	Bias   []float32 // [Panels·NR], added to Base first: C = (Base + Bias) + sum

	Next []uint8 // in each step the tile asks the memory for the next NPS bytes, so that they are in the L2 cache soon
	NPS  int

	// int8 only.
	Rows      []RowFactor // of A, [rows]
	ColSums   []int32     // Σ over k of B, [Panels·NR]
	ColScales []float32   // [Panels·NR]
	Pairs     int         // outlier channels, in pairs, that stand in bf16 after the quads of A and B

	//lint:ignore U1000 assembly uses them
	at, left int // of the kernels: 4 times the first column of the panel in work; panels left
}

// RowFactor says what the integers of one row of A stand for: x = Scale·(q − zero point).
type RowFactor struct {
	Offset int32 // what the sum of the row begins with, times ColSums: −zero point; where A holds q − 128, 128 − zero point
	Scale  float32
}

// BF16 is the product of operands rounded to bfloat16, the upper half of a float32. An element of C is one chain of float32
// operations over the pairs (p, p+1) of k, the odd element of each pair first,
//
//	sum = 0;  sum = sum + A[i,p+1]·B[p+1,j];  sum = sum + A[i,p]·B[p,j];  …  C[i,j] = (Base[i,j] + Bias[j]) + sum
//
// which is what VDPBF16PS does, and BFMLALT followed by BFMLALB. The product of two bf16 is exact in float32, so it does not
// matter whether it is fused with the addition; and as Round and Pairs leave no number below 2⁻⁵⁶, no result is denormal, which
// VDPBF16PS would take for zero. All sets give the same bits, unless a sum overflows.
type BF16 struct {
	MR, NR int
	Tiles  []LowTile // Rows = MR, …, 1
	Fast   bool      // the CPU multiplies bf16 itself, at about twice the rate of float32

	// Round writes a row of A: x in pairs, each PairBytes long, the last one filled up with zero. dst has PairBytes·⌈len(x)/2⌉
	// bytes. In sets that multiply bf16, PairBytes is 4 and a pair is x[p], x[p+1] as bf16; else it is 8 and a pair is x[p+1],
	// x[p], rounded, as float32. generic is of the first kind.
	Round     func(dst []uint8, x []float32)
	PairBytes int

	// Pairs writes a row of a panel of B: dst[4j…4j+3] = even[j], odd[j] as bf16. The slices have equal lengths, dst four times
	// as many bytes.
	Pairs func(dst []uint8, even, odd []float32)

	// peak runs rounds rounds of independent multiply-adds in registers, peakFLOP operations a round: see PeakBF16.
	peak     func(rounds int)
	peakFLOP int
}

// Int8 is the product of integers: A unsigned with 8 bits, a scale and a zero point for each row; B signed with 8 bits and a scale for
// each column. The sum over all of k is an exact int32, for k up to 65,536. With S = ColSums, the sum of each column of B,
//
//	sum = float32(Σ over p of A[i,p]·B[p,j] + Offset[i]·S[j]) · Scale[i] · ColScale[j]
//
// then the outlier channels, by the rule of BF16, go on with sum, and C[i,j] = (Base[i,j] + Bias[j]) + sum. Every operation is
// rounded to float32 by itself. All sets give the same bits.
type Int8 struct {
	MR, NR int
	Tiles  []LowTile // Rows = MR, …, 1
	Fast   bool      // faster than float32

	// Quantize writes a row of A: q = min(max(round(x·inv) + zero, 0), 255), ties to even, in QuadBytes for each four elements.
	// dst has at least ⌈len(x)/4⌉·QuadBytes bytes; what fills up the last quad is undefined, and B is zero there. QuadBytes is 4
	// for bytes, 8 for int16. The bytes are q, or q − Shift.
	Quantize  func(dst []uint8, x []float32, inv float32, zero int32)
	QuadBytes int
	Shift     int32

	// Depth is how many elements of k lie side by side in B: 2, 4, or 8, and then K is even. A panel of B is [k/Depth][NR][Depth].
	Depth int

	// Outliers is Round for the outlier channels, which stand after the quads.
	Outliers     func(dst []uint8, x []float32)
	OutlierBytes int // of a pair

	// Range returns min(0, x…) and max(0, x…); the latter is NaN if any x is NaN or infinite.
	Range func(x []float32) (lo, hi float32)

	// peak runs rounds rounds of independent multiply-adds in registers, peakOps operations a round: see PeakInt8.
	peak    func(rounds int)
	peakOps int
}
