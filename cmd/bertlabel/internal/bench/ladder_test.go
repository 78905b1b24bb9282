package bench

import (
	"math"
	"testing"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// Every rung gives the product: within the bound of a float32 sum of k products in any order (Higham, Accuracy and Stability, §3.1).
func TestLadder(t *testing.T) {
	for _, p := range []Product{{1, 1, 1}, {1, 5, 3}, {3, 37, 29}, {13, 70, 65}, {31, 96, 530}} {
		l := NewLadder(p, 2)
		l.Enough = 0
		want, bound := l.product64()
		rungs := l.Rungs()
		for _, r := range rungs {
			clear(l.c) // what the rung below left
			clear(l.result.Data)
			_, c, err := l.Run(t.Context(), r, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i := range p.M {
				for j, got := range c.Row(i) {
					if at := i*p.N + j; !(math.Abs(float64(got)-want[at]) <= bound[at]) {
						t.Fatalf("%v, %s: C[%d,%d] = %g, want %g ± %g", p, r.Name, i, j, got, want[at], bound[at])
					}
				}
			}
		}
		number := 9
		if asm.Best.Name == "generic" {
			number = 6
		}
		if len(rungs) != number {
			t.Errorf("%s has %d rungs, want %d", asm.Best.Name, len(rungs), number)
		}
	}
}

// product64 returns C in float64, row-major, and how far off a sum in float32 may be.
func (l *Ladder) product64() (c, bound []float64) {
	for i := range l.M {
		for j := range l.N {
			sum, abs := 0.0, 0.0
			for p := range l.K {
				term := float64(l.a[i*l.K+p]) * float64(l.b[p*l.N+j])
				sum, abs = sum+term, abs+math.Abs(term)
			}
			c, bound = append(c, sum), append(bound, 2*float64(l.K)*0x1p-24*abs)
		}
	}
	return c, bound
}

// A pass of its own and an epilogue give the same up to the order in which bias and residual are added.
func TestEpilogues(t *testing.T) {
	l := NewLadder(Product{13, 70, 65}, 1)
	l.Enough = 0
	results := map[string]tensor.Tensor{}
	for _, e := range l.Epilogues() {
		_, c, err := l.RunEpilogue(t.Context(), e, 1)
		if err != nil {
			t.Fatal(err)
		}
		kept := tensor.New(c.Rows, c.Cols)
		copy(kept.Data, c.Data)
		results[e.Name] = *kept
	}
	for fused, passes := range map[string]string{"product with bias, GELU": "product; bias; GELU",
		"product with bias, residual, LayerNorm": "product; bias; residual; LayerNorm"} {
		a, b := results[fused], results[passes]
		for i, x := range a.Data { // sums of 65 products below ¼, which GELU and norm stretch by less than 2: 2·65·2⁻²⁴·16
			if y := b.Data[i]; !(math.Abs(float64(x-y)) <= 1.3e-4) || x == results["product"].Data[i] {
				t.Fatalf("%s: element %d is %g, as passes %g, without them %g", fused, i, x, y, results["product"].Data[i])
			}
		}
		if a.Rows != 13 || b.Rows != 13 {
			t.Errorf("%s or %s is not there", fused, passes)
		}
	}
}
