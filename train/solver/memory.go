package solver

import "bertlabel/tensor"

// Memory returns what Head takes at its largest, in bytes: on features [rows, width] of a frozen encoder, and [dev, width] to choose
// by. The features are part of it. Discriminant takes less. It follows from the code, nothing in it is fitted.
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
