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

// PackedMemory returns the bytes of a packed [k, n] operand.
func PackedMemory(k, n int) int { return 4 * PackedSize(k, n) }

// SumMemory returns the bytes of SumRows over so many rows of the given width.
func SumMemory(rows, width int) int { return 4 * max(1, (rows+chunkRows-1)/chunkRows) * width }
