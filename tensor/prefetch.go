package tensor

import "bertlabel/asm"

// While a tile computes it asks the memory for a little of the block of B that comes next, so that this is in the L2 cache when its turn
// comes (docs/kernels.md, section 4). Results do not depend on it.

// after returns the block of B that follows the one at panel q of k block pc: the next panels of the job, or its next k block, or
// the beginning of the job that this worker probably takes next.
func (p *product) after(turn, pc, q int) []float32 {
	first := p.from + turn%p.colRanges*p.pcols
	switch next := turn + p.workers; {
	case q+p.step < min(first+p.pcols, p.to):
		q += p.step
	case pc+p.b.kc < p.b.K:
		pc, q = pc+p.b.kc, first
	case next < p.rowBlocks*p.colRanges:
		pc, q = 0, p.from+next%p.colRanges*p.pcols
	default:
		return nil
	}
	b, _, _ := p.b.block(pc, q, min(q+p.step, p.to))
	return b
}

// fetchBeside returns what the tiles of rows [i0, i1) and so many panels are to fetch while they take so many steps each. With one row of
// tiles there is no time for that: B comes from memory and goes.
func fetchBeside(next []float32, i0, i1, panels, depth int) fetch {
	if i1-i0 <= asm.Best.MR {
		return fetch{}
	}
	steps := (i1 - i0 + asm.Best.MR - 1) / asm.Best.MR * panels * depth
	return fetch{next, (len(next) + steps - 1) / steps}
}

// fetch is memory that tiles ask for while they compute, a little in each step, so that it is in the L2 cache when its turn comes.
type fetch struct {
	left []float32
	nps  int // floats per step
}

// share returns what a tile of k steps is to ask for; here, which it reads anyway, if nothing is left.
func (f *fetch) share(k int, here []float32) (next []float32, nps int) {
	if len(f.left) == 0 {
		return here, 0
	}
	next, nps = f.left, f.nps
	f.left = f.left[min(k*nps, len(f.left)):]
	return next, nps
}
