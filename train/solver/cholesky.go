package solver

import (
	"math"

	"bertlabel/asm"
	"bertlabel/tensor"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// cholesky factors symmetric matrices A = UᵀU, U upper triangular (Golub and Van Loan 2013, Matrix Computations, §4.2), and solves with
// them. It is LAPACK's dpotrf in the blocks of gonum's Potrf, with its bits, which took nine tenths of its time for
//
//	C −= AᵀB    A = U[:j, j:j+64], B = U[:j, j:], C = A[j:j+64, j:]
//
// on one vector of 64 at a time. Here that product has a kernel, and the columns of C are dealt to the workers. No sum is cut or
// reordered, so the bits hang on neither.
type cholesky struct {
	u         blas64.Symmetric // the upper triangle is U; what is below the diagonal is nothing
	condition float64          // of A, estimated in the norm of LAPACK's dpocon
}

const (
	cholBlock  = 64  // rows of a step, as LAPACK's ilaenv has it for dpotrf
	cholDepth  = 256 // rows of B that a strip is packed from: 32 KiB, which stay in the first cache
	cholStrips = 8   // strips of columns of one turn of a worker
)

// newCholesky factors a, in place. Not ok: a is not positive definite. workers must have been started.
func newCholesky(a *mat.SymDense, workers *tensor.Workers) (c *cholesky, ok bool) {
	c = &cholesky{u: a.RawSymmetric()}
	n := c.u.N
	norm := lapack64.Lansy(mat.CondNorm, c.u, make([]float64, n))
	if n <= cholBlock {
		_, ok = lapack64.Potrf(c.u)
	} else {
		ok = c.factor(workers)
	}
	if ok {
		c.condition = 1 / lapack64.Pocon(c.u, norm, make([]float64, 3*n), make([]int, n))
	}
	return c, ok
}

// part returns rows and columns of the matrix from (i, j) on.
func (c *cholesky) part(i, j, rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Data: c.u.Data[i*c.u.Stride+j:], Stride: c.u.Stride}
}

func (c *cholesky) factor(workers *tensor.Workers) bool {
	n := c.u.N
	left := make([]float64, n*cholBlock) // A, row by row
	strips := make([]cholStrip, workers.Count())
	for j := 0; j < n; j += cholBlock {
		rows := min(cholBlock, n-j)
		for p := range j {
			copy(left[p*cholBlock:(p+1)*cholBlock], c.u.Data[p*c.u.Stride+j:p*c.u.Stride+j+rows])
		}
		const turn = cholStrips * asm.Cols64
		turns := (n - j + turn - 1) / turn
		workers.Do(turns, loop(func(worker, i int) {
			for from := j + i*turn; from < min(j+(i+1)*turn, n); from += asm.Cols64 {
				c.subtract(&strips[worker], left, j, rows, from)
			}
		}))
		diagonal := blas64.Symmetric{N: rows, Stride: c.u.Stride, Data: c.u.Data[j*c.u.Stride+j:], Uplo: blas.Upper}
		triangle, ok := lapack64.Potrf(diagonal)
		if !ok {
			return false
		}
		workers.Do(turns, loop(func(_, i int) {
			if from, to := max(j+i*turn, j+rows), min(j+(i+1)*turn, n); from < to {
				blas64.Trsm(blas.Left, blas.Trans, 1, triangle, c.part(j, from, rows, to-from))
			}
		}))
	}
	return true
}

// cholStrip is what a worker keeps of columns of B and C.
type cholStrip struct {
	b [cholDepth * asm.Cols64]float64
	c [asm.Rows64 * asm.Cols64]float64
}

// subtract subtracts AᵀB from the columns [from, from+16) of the rows [j, j+rows), of those that are there.
func (c *cholesky) subtract(s *cholStrip, left []float64, j, rows, from int) {
	cols, stride := min(asm.Cols64, c.u.N-from), c.u.Stride
	for top := 0; top < j; top += cholDepth {
		depth := min(cholDepth, j-top)
		for p := range depth { // beyond the last column stands what was there before: it reaches no column that is
			copy(s.b[p*asm.Cols64:(p+1)*asm.Cols64], c.u.Data[(top+p)*stride+from:(top+p)*stride+from+cols])
		}
		for i := 0; i < rows; i += asm.Rows64 {
			a := left[top*cholBlock+i:]
			if height := min(asm.Rows64, rows-i); height == asm.Rows64 && cols == asm.Cols64 {
				asm.Best.Subtract64(depth, a, cholBlock, s.b[:], c.u.Data[(j+i)*stride+from:], stride)
			} else {
				for r := range height {
					copy(s.c[r*asm.Cols64:(r+1)*asm.Cols64], c.u.Data[(j+i+r)*stride+from:(j+i+r)*stride+from+cols])
				}
				asm.Best.Subtract64(depth, a, cholBlock, s.b[:], s.c[:], asm.Cols64)
				for r := range height {
					copy(c.u.Data[(j+i+r)*stride+from:(j+i+r)*stride+from+cols], s.c[r*asm.Cols64:])
				}
			}
		}
	}
}

// solve replaces b, [n, any], by A⁻¹·b. The error says that the matrix is too close to one without inverse for float64.
func (c *cholesky) solve(b *mat.Dense) error {
	lapack64.Potrs(blas64.Triangular{N: c.u.N, Stride: c.u.Stride, Data: c.u.Data, Uplo: blas.Upper, Diag: blas.NonUnit}, b.RawMatrix())
	if c.condition > mat.ConditionTolerance || math.IsNaN(c.condition) {
		return mat.Condition(c.condition)
	}
	return nil
}
