package asm

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fences allocates operands against pages that nobody may touch: one element read or written too far is a fault.
type fences struct {
	t     *testing.T
	atEnd bool // operands end at a forbidden page; otherwise they begin behind one
	free  [][]byte
	next  int
}

// alloc returns n NaNs that touch a forbidden page. Blocks are reused after reset: mapping memory is slow.
func (f *fences) alloc(n int) []float32 {
	const bytes = 1 << 17 // more than any operand here has
	page := unix.Getpagesize()
	if f.next == len(f.free) {
		block, err := unix.Mmap(-1, 0, bytes+2*page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			err = unix.Mprotect(block[page:page+bytes], unix.PROT_READ|unix.PROT_WRITE)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { unix.Munmap(block) })
		f.free = append(f.free, block[page:page+bytes])
	}
	inside := f.free[f.next]
	f.next++
	if 4*n > len(inside) {
		f.t.Fatalf("%d floats do not fit between the fences", n)
	}
	if n == 0 {
		return nil
	}
	if f.atEnd {
		inside = inside[bytes-4*n:]
	}
	s := unsafe.Slice((*float32)(unsafe.Pointer(&inside[0])), n)
	for i := range s {
		s[i] = nan
	}
	return s
}

func (f *fences) reset() { f.next = 0 }

// TestFences runs every kernel of this half of the package with each operand ending or beginning at a forbidden page: all
// tiles, layouts and k to 2·16+1; PackCols at all n and k to 33.
func TestFences(t *testing.T) {
	for _, set := range Sets() {
		for _, atEnd := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/atEnd=%v", set.Name, atEnd), func(t *testing.T) {
				f := &fences{t: t, atEnd: atEnd}
				for k := range 34 {
					one := func() float32 { return 1 }
					r := newProduct(set, set.MR, maxPanels(set)*set.NR, k, one)
					for _, tile := range set.Tiles {
						for _, l := range layouts {
							f.reset()
							if err := r.run(set, tile, l, 0, 0, f.alloc); err != nil {
								t.Fatalf("tile %d×%d, k=%d, %s: %v", tile.Rows, tile.Panels*set.NR, k, l.name, err)
							}
						}
					}
					for n := range set.NR + 1 {
						f.reset()
						if err := checkPackCols(set, k+5, k, n, f.alloc); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// TestLowFences does the same for the products in low precision: all tiles, roundings and quantisations, at all k to 33.
func TestLowFences(t *testing.T) {
	bf, i8 := lowForms()
	for _, atEnd := range []bool{true, false} {
		f := &fences{t: t, atEnd: atEnd}
		rng := rand.New(rand.NewPCG(16, 0))
		check := func(name string, err error) {
			if err != nil {
				t.Fatalf("%s, atEnd=%v: %v", name, atEnd, err)
			}
			f.reset()
		}
		for k := 1; k < 34; k++ {
			for name, set := range bf {
				r := newBF16Product(set.MR, (1+k%3)*set.NR, k, rng.Float32)
				for _, tile := range set.Tiles {
					check(name, r.run(tile, r.bf16Args(set, tile.Rows, f.alloc)))
				}
				set.Pairs(asBytes(f.alloc(k)), f.alloc(k), f.alloc(k))
				f.reset()
			}
			for name, set := range i8 {
				r := newInt8Product(rng, set.MR, (1+k%3)*set.NR, k, k%4)
				for _, tile := range set.Tiles {
					check(name, r.run(tile, r.int8Args(set, pairsGeneric, tile.Rows, f.alloc)))
				}
				set.Range(f.alloc(k))
				f.reset()
			}
		}
	}
}
