package solver

import (
	"math/bits"

	"bertlabel/tensor"
)

// Memory returns what Head takes at its largest, in bytes: on features [rows, width] of a frozen encoder, and [dev, width] to choose
// by. The features are part of it. It follows from the code, nothing in it is fitted.
func Memory(rows, dev, width, labels int) int {
	weights := 4 * labels * (width + 1)
	features := 4 * (rows + dev) * width
	scores := 2 * 4 * dev * labels
	standardised := 4 * (rows + dev) * width
	logits := 4 * rows * labels
	cells := 2*logits + rows*labels // logits, their change, classes
	steps := labels * (2*4 + 5*8) * width
	square := width * width
	gram := 8*square + 4*blockCols*rows
	inverses := (maxExponent-minExponent+1)*tensor.PackedMemory(width, width) +
		(3*8+4)*square // the last one is being made, from three float64 matrices
	return features + standardised + cells + logits + scores + weights + steps + gram + inverses
}

// SavedByParts returns what of Memory rows in parts do not take: features and what they are standardised to, but for a block of each.
func SavedByParts(rows, width int) int {
	block := min(rows, streamRows)
	return (rows - block) * (2*4*width + 4*blockCols)
}

// PartsMemory returns what Discriminant takes of so many parts, the largest of which has so many rows: a block of features, their labels,
// and the statistics of a way through the tree in which they are merged.
func PartsMemory(parts, largest, dev, width, labels int) int {
	block := min(largest, streamRows)
	features := 4*block*(2*width+blockCols+2*labels) + 4*dev*width
	cells := 5 * largest * labels // with shares
	moments := labels * (2*8 + 8) * width
	statistics := (bits.Len(uint(parts)) + 2) * (8*width*width + moments) // the last is being made from two
	solving := 8*width*(width+cholBlock) + 2*8*width*labels
	heads := 2 * 4 * labels * (width + 1)
	return features + cells + statistics + solving + heads + 2*4*dev*labels
}

// DiscriminantMemory returns the same for Discriminant, which solves in the smaller of rows and columns.
func DiscriminantMemory(rows, dev, width, labels int) int {
	features := 4 * (rows + dev) * width
	standardised := 4 * rows * width
	cells := 2 * 4 * labels * rows
	scores := 2 * 4 * dev * labels
	size := min(rows, width)
	moments := labels * (2*8 + 8) * width // of x, of x and y; the directions
	heads := 2 * 4 * labels * (width + 1)
	solving := 8*size*(size+cholBlock) + 2*8*size*labels // shrunk, which becomes its factor, and a panel of it; right-hand sides and solutions
	gram := 8*size*size + 4*blockCols*max(rows, width)
	if rows < width {
		gram += standardised // Xᵀ, while gram is made
	}
	return features + standardised + cells + scores + moments + heads + gram + solving
}
