package solver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"bertlabel/tensor"

	"gonum.org/v1/gonum/mat"
)

// positiveDefinite returns XᵀX + I of a random X.
func positiveDefinite(n int) *mat.SymDense {
	rng := rand.New(rand.NewPCG(uint64(n), 8))
	x := mat.NewDense(n+3, n, nil)
	for i := range n + 3 {
		for j := range n {
			x.Set(i, j, rng.NormFloat64())
		}
	}
	a := mat.NewSymDense(n, nil)
	a.SymOuterK(1, x.T())
	for i := range n {
		a.SetSym(i, i, a.At(i, i)+1)
	}
	return a
}

// same compares with what gonum has computed: by the bit where its kernels are assembly, elsewhere to the rounding of some hundred steps,
// as its loops may be compiled to fused multiply-add there.
func same(got, want []float64) bool {
	return slices.EqualFunc(got, want, func(g, w float64) bool {
		return g == w || runtime.GOARCH != "amd64" && math.Abs(g-w) <= 1e-9*max(1, math.Abs(w))
	})
}

// Factors, condition and solutions have gonum's bits, at every size about the edges of blocks, strips and depth, for any workers.
func TestCholesky(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 5, 63, 64, 65, 70, 79, 127, 128, 144, 200, 257, 330} {
		a := positiveDefinite(n)
		var theirs mat.Cholesky
		if !theirs.Factorize(a) {
			t.Fatal(n)
		}
		var u mat.TriDense
		theirs.UTo(&u)
		b := mat.NewDense(n, 3, nil)
		for i := range n {
			b.SetRow(i, []float64{float64(i), 1 / float64(i+1), -1})
		}
		var want mat.Dense
		if err := theirs.SolveTo(&want, b); err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 3} {
			workers := tensor.NewWorkers(threads)
			workers.Start()
			copied := mat.NewSymDense(n, nil)
			copied.CopySym(a)
			ours, ok := newCholesky(copied, workers)
			workers.Stop()
			if !ok || !same([]float64{ours.condition}, []float64{theirs.Cond()}) {
				t.Errorf("n = %d: ok %v, condition %v, want %v", n, ok, ours.condition, theirs.Cond())
			}
			for i := range n {
				if got := ours.u.Data[i*ours.u.Stride+i : i*ours.u.Stride+n]; !same(got, u.RawTriangular().Data[i*n+i:(i+1)*n]) {
					t.Fatalf("n = %d, %d threads: row %d is not gonum's", n, threads, i)
				}
			}
			got := mat.DenseCopyOf(b)
			if err := ours.solve(got); err != nil || !same(got.RawMatrix().Data, want.RawMatrix().Data) {
				t.Errorf("n = %d, %d threads: the solution is not gonum's: %v", n, threads, err)
			}
		}
	}
}

// What is not positive definite, or as good as without inverse, is said.
func TestCholeskyRefuses(t *testing.T) {
	t.Parallel()
	workers := tensor.NewWorkers(2)
	workers.Start()
	defer workers.Stop()
	for _, n := range []int{10, 150} {
		bad := positiveDefinite(n)
		bad.SetSym(n-1, n-1, -1)
		if _, ok := newCholesky(bad, workers); ok {
			t.Errorf("n = %d: a matrix with a negative diagonal is factored", n)
		}
		near := positiveDefinite(n)
		near.SetSym(0, 0, 1e30)
		c, ok := newCholesky(near, workers)
		if !ok || c.solve(mat.NewDense(n, 1, nil)) == nil {
			t.Errorf("n = %d: condition %g is solved with", n, c.condition)
		}
	}
}

func BenchmarkCholesky(b *testing.B) {
	for _, n := range []int{768, 2304, 5376} {
		a := positiveDefinite(min(n, 300))
		whole := mat.NewSymDense(n, nil)
		for i := range n {
			for j := i; j < n; j++ {
				whole.SetSym(i, j, a.At(i%300, j%300)/float64(1+j-i))
			}
			whole.SetSym(i, i, 1e4)
		}
		flop := float64(n) * float64(n) * float64(n) / 3
		for _, ours := range []bool{true, false} {
			b.Run(fmt.Sprintf("n=%d/ours=%v", n, ours), func(b *testing.B) {
				workers := tensor.NewWorkers(0)
				workers.Start()
				defer workers.Stop()
				for b.Loop() {
					ok := false
					if ours {
						copied := mat.NewSymDense(n, nil)
						copied.CopySym(whole)
						_, ok = newCholesky(copied, workers)
					} else {
						var theirs mat.Cholesky
						ok = theirs.Factorize(whole)
					}
					if !ok {
						b.Fatal("not positive definite")
					}
				}
				b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
