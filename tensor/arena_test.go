package tensor

import "testing"

func TestArena(t *testing.T) {
	sizes := []int{1, 16, 17, 0, 3 << 20, 5}
	a := NewArena(sizes...)
	var pieces [][]float32
	for i, n := range sizes {
		p := a.Take(n)
		if len(p) != n || cap(p) != n {
			t.Fatalf("piece of %d floats: len %d, cap %d", n, len(p), cap(p))
		}
		for j := range p {
			if p[j] != 0 {
				t.Fatalf("piece %d begins with values of another one", i)
			}
			p[j] = float32(i + 1)
		}
		pieces = append(pieces, p)
	}
	for i, p := range pieces {
		for j, v := range p {
			if v != float32(i+1) {
				t.Fatalf("piece %d, element %d was overwritten by piece %g", i, j, v-1)
			}
		}
	}
	a.ReserveBytes(3, 64, 1)
	for i, n := range []int{3, 64, 1} {
		p := a.TakeBytes(n)
		if len(p) != n || cap(p) != n || p[0] != 0 {
			t.Fatalf("piece of %d bytes: len %d, cap %d, begins with %d", n, len(p), cap(p), p[0])
		}
		p[0], p[n-1] = uint8(i+1), uint8(i+1)
	}
	if p := (*Arena)(nil).TakeBytes(7); len(p) != 7 {
		t.Fatalf("nil arena: %d bytes", len(p))
	}
	if p := (*Arena)(nil).Take(7); len(p) != 7 {
		t.Fatalf("nil arena: %d floats", len(p))
	}
}
