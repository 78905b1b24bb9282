package tensor

import "bertlabel/asm"

// ProductMemory returns the bytes that one worker's scratch grows to in products of at most rows rows and depth elements of the
// summed axis: the copy of a block of A, or of Aᵀ where transposed is set (MatMulTN), and a tile.
func ProductMemory(rows, depth int, transposed bool) int {
	if rows == 0 || depth == 0 {
		return 0
	}
	tile := 0
	for _, t := range asm.Best.Tiles {
		tile = max(tile, t.Rows*t.Panels*asm.Best.NR)
	}
	kc, mc := blockDepth(depth), min(roundUp(evenPart(rows, maxRowBlock), asm.Best.MR), rows)
	copied := max(mc, maxRowBlock) * (roundUp(kc, aPadding) + aPadding)
	if transposed {
		copied = max(kc, maxRowBlock) * (roundUp(mc, aPadding) + aPadding)
	}
	return 4 * (copied + tile)
}

// LowProductMemory returns the bytes of products in a low precision, of at most rows rows and depth elements of the summed axis, with so
// many outliers: those of the workspace, for all workers together, and those of each worker's scratch.
func LowProductMemory(p Precision, rows, depth, outliers int) (shared, worker int) {
	set, k := &asm.Best.Int8, int8Depth(depth)
	mr, nr, bytes := set.MR, set.NR, k/4*set.QuadBytes+(outliers+1)/2*set.OutlierBytes
	if p == BF16 {
		mr, nr, bytes = asm.Best.BF16.MR, asm.Best.BF16.NR, roundUp(depth, lowDepth)/2*asm.Best.BF16.PairBytes
	}
	const factor = 8
	return rows * (lowRowStride(bytes) + factor), 4 * (2*depth + 2*mr*nr + nr)
}

// FormsMemory returns the bytes of the products of training in precision p, FP32 or BF16, of a layer of width in → out on so many rows,
// forward and backward: the packed operand and the prepared rows of A, which the workspace has once, and each worker's scratch.
func FormsMemory(p Precision, rows, in, out int) (operand, prepared, worker int) {
	if p == FP32 {
		operand = max(PackedMemory(in, out), PackedMemory(out, in), PackedMemory(rows, out))
		return operand, 0, max(ProductMemory(rows, in, false), ProductMemory(rows, out, false), ProductMemory(in, rows, true))
	}
	for _, a := range [][2]int{{rows, in}, {rows, out}, {in, rows}} { // A of NN, NT, TN
		left, scratch := LowProductMemory(p, a[0], a[1], 0)
		prepared, worker = max(prepared, left), max(worker, scratch)
	}
	operand = max(sizeBF16(in, out), sizeBF16(out, in), sizeBF16(rows, out))
	return operand, prepared, max(worker, 4*transposedRows*asm.Best.BF16.NR)
}

// PackedBF16Memory returns the bytes of a PackedBF16 of shape [k, n] that Resize and, if cols is set, SetCols have made.
func PackedBF16Memory(k, n int, cols bool) int {
	if cols {
		return sizeBF16(k, n) + 4*min(k, transposedRows)*asm.Best.BF16.NR
	}
	return sizeBF16(k, n)
}

// PackedMemory returns the bytes of a packed [k, n] operand.
func PackedMemory(k, n int) int { return 4 * PackedSize(k, n) }

// SumMemory returns the bytes of SumRows over so many rows of the given width.
func SumMemory(rows, width int) int { return 4 * max(1, (rows+chunkRows-1)/chunkRows) * width }
