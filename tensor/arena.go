package tensor

// Arena hands out pieces of one block of memory: the weights of a model. One block instead of hundreds lets the system back it
// by huge pages, which saves most page faults while a model is loaded and most TLB misses afterwards. It is not safe for
// concurrent use; a nil Arena hands out memory of its own for each piece.
type Arena struct {
	free  []float32
	bytes []uint8 // a block of its own
}

// arenaAlign is the alignment of every piece, in floats: a cache line.
const arenaAlign = 16

// NewArena returns an arena with room for pieces of the given sizes, in floats.
func NewArena(sizes ...int) *Arena {
	n := 0
	for _, size := range sizes {
		n += roundUp(size, arenaAlign)
	}
	a := &Arena{free: make([]float32, n)}
	adviseHugePages(a.free)
	return a
}

// ReserveBytes gives the arena room for pieces of the given sizes, in bytes, which TakeBytes hands out: operands in low precision.
func (a *Arena) ReserveBytes(sizes ...int) {
	n := 0
	for _, size := range sizes {
		n += roundUp(size, 4*arenaAlign)
	}
	a.bytes = make([]uint8, n)
	adviseHugePages(a.bytes)
}

// TakeBytes is Take for n bytes.
func (a *Arena) TakeBytes(n int) []uint8 {
	if a == nil {
		return make([]uint8, n)
	}
	piece := a.bytes[:n:n]
	a.bytes = a.bytes[min(roundUp(n, 4*arenaAlign), len(a.bytes)):]
	return piece
}

// Take returns the next n zeros. It panics if the arena has no room for them.
func (a *Arena) Take(n int) []float32 {
	if a == nil {
		return make([]float32, n)
	}
	piece := a.free[:n:n]
	a.free = a.free[min(roundUp(n, arenaAlign), len(a.free)):]
	return piece
}
