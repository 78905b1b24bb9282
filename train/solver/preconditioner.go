package solver

import (
	"math"
	"slices"

	"bertlabel/tensor"

	"gonum.org/v1/gonum/mat"
)

// preconditioner knows the shape that the Hessian has in common for all labels. With c the mean of a label's curvature σ(z)·σ(−z),
//
//	Hessian = Σ σ(z)σ(−z)·x·xᵀ/rows + l2·I ≈ c·(G + μ·I)    with G = XᵀX/rows, μ = l2/c
//
// The inverses of G + μI are made when they are first needed, for powers of ten: being off by the root of ten costs less than
// another inverse.
type preconditioner struct {
	gram      [][]float64 // G, [hidden][hidden]
	inverses  map[int]*tensor.Packed
	workspace *tensor.Workspace
}

// The exponents of μ. Below the lowest the inverse would be more ill-conditioned than its float32 values bear.
const minExponent, maxExponent = -3, 3

// unconditioned is the exponent of a row that apply leaves alone.
const unconditioned = math.MinInt

// exponentOf returns which inverse serves a strength of the penalty and a curvature.
func exponentOf(l2, curvature float64) int {
	return int(min(maxExponent, max(minExponent, math.Round(math.Log10(l2/curvature)))))
}

// apply sets row i of y to (G + 10^exponents[i]·I)⁻¹ times row i of x; both are [labels, hidden]. Neighbours with the same
// exponent share a product.
func (p *preconditioner) apply(y, x *tensor.Tensor, exponents []int) {
	for from, to := 0, 0; from < len(exponents); from = to {
		for to = from + 1; to < len(exponents) && exponents[to] == exponents[from]; to++ {
		}
		if exponents[from] == unconditioned {
			continue
		}
		inverse, ok := p.inverses[exponents[from]]
		if !ok {
			inverse = p.invert(math.Pow10(exponents[from]))
			p.inverses[exponents[from]] = inverse
		}
		x, y := x.SliceRows(from, to), y.SliceRows(from, to)
		p.workspace.MatMul(&y, &x, inverse, tensor.Epilogue{})
	}
}

// invert returns (G + μI)⁻¹ by Cholesky's decomposition. Should rounding have made G + μI indefinite, μ is raised.
func (p *preconditioner) invert(mu float64) *tensor.Packed {
	n := len(p.gram)
	g := mat.NewSymDense(n, slices.Concat(p.gram...))
	for i := range n {
		g.SetSym(i, i, p.gram[i][i]+mu)
	}
	var cholesky mat.Cholesky
	var inverse mat.SymDense
	if !cholesky.Factorize(g) || cholesky.InverseTo(&inverse) != nil {
		return p.invert(10 * mu)
	}
	rows := tensor.New(n, n)
	for i := range n {
		for j, row := 0, rows.Row(i); j < n; j++ {
			row[j] = float32(inverse.At(i, j))
		}
	}
	packed := tensor.NewPacked(n, n)
	packed.SetRows(0, rows)
	return packed
}
