package tensor

// Operand is the right-hand operand B [k, n] of a product, in the order in which the tiles of its precision read it: *Packed,
// *PackedBF16 or *PackedInt8. It is packed once and read by any number of goroutines; columns that do not overlap may be packed by
// several at once.
type Operand interface {
	// Shape returns k and n.
	Shape() (k, n int)

	// PanelWidth returns the columns of a panel, and with it the unit of MatMulPanels.
	PanelWidth() int

	// SetRows packs b, a [k, b.Cols] matrix, into columns [col, col+b.Cols) of B.
	SetRows(col int, b *Tensor)

	// Rows undoes SetRows: it sets b, a [k, b.Cols] matrix, to columns [col, col+b.Cols) of B, with the values that the operand holds.
	Rows(col int, b *Tensor)

	// Bytes returns the memory that the operand holds.
	Bytes() int
}

// NewOperandIn returns an operand of shape [k, n] in precision p, in memory of the arena: OperandBytes, as floats for FP32 and else as
// bytes. The rows of B that outliers names, in ascending order, are held in bf16 instead; they count for Int8 only.
func NewOperandIn(a *Arena, p Precision, k, n int, outliers []int) Operand {
	switch p {
	case BF16:
		return newPackedBF16In(a, k, n)
	case Int8:
		return newPackedInt8In(a, k, n, outliers)
	}
	return NewPackedIn(a, k, n)
}

// OperandBytes returns the bytes that an operand of shape [k, n] in precision p takes from an arena, with so many outliers.
func OperandBytes(p Precision, k, n, outliers int) int {
	switch p {
	case BF16:
		return sizeBF16(k, n)
	case Int8:
		return sizeInt8(k, n, outliers)
	}
	return 4 * PackedSize(k, n)
}

// NewOperandArena returns an arena with room for operands in precision p of the given sizes, in bytes, and for pieces of so many floats.
func NewOperandArena(p Precision, operands []int, floats ...int) *Arena {
	if p != FP32 {
		a := NewArena(floats...)
		a.ReserveBytes(operands...)
		return a
	}
	for _, bytes := range operands {
		floats = append(floats, bytes/4)
	}
	return NewArena(floats...)
}
