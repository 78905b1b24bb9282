package solver

import (
	"math"

	"bertlabel/tensor"
)

// design is the matrix X of the problems that Head solves: features standardised column by column,
//
//	x = (feature − mean)/deviation
//
// so that one strength of the penalty suits every column. A product serves all labels in one pass over X. The work is split
// among workers by rows or columns of the result, never along a sum, and sums are cut into parts of a fixed size. So an element
// of a result has the same bits for any number of workers, and whatever the other labels are.
type design struct {
	x               *tensor.Tensor // [rows, hidden]
	mean, deviation []float64      // [hidden]; the deviation of a constant column is +Inf, which makes its x 0
	workers         *tensor.Workers
	scratch         []designScratch // one per worker
	packed          tensor.Packed   // wᵀ, [hidden, labels], of multiply
}

// designScratch is one worker's.
type designScratch struct {
	ws     *tensor.Workspace
	packed tensor.Packed // a block of X
	part   tensor.Tensor // the product with a block
}

const (
	blockRows = 512 // rows of X in one part of a sum
	blockCols = 128 // columns of X in one turn of a loop
)

// newDesign standardises features by the mean and the standard deviation of their columns. workers must have been started.
func newDesign(features *tensor.Tensor, workers *tensor.Workers) *design {
	d := &design{
		mean: make([]float64, features.Cols), deviation: make([]float64, features.Cols),
		workers: workers, scratch: make([]designScratch, workers.Count()),
	}
	for i := range d.scratch {
		d.scratch[i].ws = tensor.NewWorkspace(nil)
	}
	d.eachColumns(features.Cols, func(_, from, to int) { d.measure(features, from, to) })
	d.x = d.standardise(features)
	return d
}

// loop is a parallel loop of which turn i does work(worker, i).
type loop func(worker, i int)

// Run implements tensor.Job.
func (work loop) Run(worker, i int) { work(worker, i) }

// eachRows and eachColumns do work for each block of rows, or of columns, [from, to).
func (d *design) eachRows(n int, work func(worker, from, to int)) { d.each(n, blockRows, work) }

func (d *design) eachColumns(n int, work func(worker, from, to int)) { d.each(n, blockCols, work) }

func (d *design) each(n, block int, work func(worker, from, to int)) {
	d.workers.Do((n+block-1)/block, loop(func(worker, i int) { work(worker, i*block, min((i+1)*block, n)) }))
}

// measure sets mean and standard deviation of the columns [from, to) of features; the divisor is the number of rows.
func (d *design) measure(features *tensor.Tensor, from, to int) {
	mean, deviation, rows := d.mean[from:to], d.deviation[from:to], float64(features.Rows)
	for i := range features.Rows {
		for j, v := range features.Row(i)[from:to] {
			mean[j] += float64(v)
		}
	}
	for j := range mean {
		mean[j] /= rows
	}
	for i := range features.Rows {
		for j, v := range features.Row(i)[from:to] {
			deviation[j] += (float64(v) - mean[j]) * (float64(v) - mean[j])
		}
	}
	for j, squares := range deviation {
		deviation[j] = deviationOf(squares/rows, mean[j])
	}
}

// deviationOf returns the standard deviation of a column, given its variance; +Inf for a constant.
func deviationOf(variance, mean float64) float64 {
	deviation := math.Sqrt(variance)
	if deviation <= 0x1p-24*math.Abs(mean) { // below what float32 can tell apart
		return math.Inf(1)
	}
	return deviation
}

// standardise returns features of any texts by the moments of X.
func (d *design) standardise(features *tensor.Tensor) *tensor.Tensor {
	x := tensor.New(features.Rows, features.Cols)
	d.eachRows(x.Rows, func(_, from, to int) {
		for i := from; i < to; i++ {
			row := x.Row(i)
			for j, v := range features.Row(i) {
				row[j] = float32((float64(v) - d.mean[j]) / d.deviation[j])
			}
		}
	})
	return x
}

// unstandardise turns a label's w and b into a row of an ordinary head: it sets weights and returns bias so that
// weights·feature + bias = w·x + b.
func (d *design) unstandardise(weights []float32, w []float64, b float64) (bias float32) {
	for j := range weights {
		scaled := w[j] / d.deviation[j]
		weights[j] = float32(scaled)
		b -= scaled * d.mean[j]
	}
	return float32(b)
}

// multiply sets z [labels, rows] to w·Xᵀ, w [labels, hidden].
func (d *design) multiply(z, w *tensor.Tensor) {
	d.packed.Resize(w.Cols, w.Rows)
	d.packed.SetCols(w)
	d.eachRows(d.x.Rows, func(worker, from, to int) {
		s, x := &d.scratch[worker], d.x.SliceRows(from, to)
		s.part.Resize(x.Rows, w.Rows)
		s.ws.MatMul(&s.part, &x, &d.packed, tensor.Epilogue{}) // [rows of the block, labels]
		for l := range z.Rows {
			for i, z := 0, z.Row(l)[from:to]; i < len(z); i++ {
				z[i] = s.part.Data[i*s.part.Stride+l]
			}
		}
	})
}

// multiplyTransposed sets g [labels][hidden] to r·X, r [labels, rows]. Products are summed in float32 over blockRows rows, and
// these sums in float64.
func (d *design) multiplyTransposed(g [][]float64, r *tensor.Tensor) {
	d.eachColumns(d.x.Cols, func(worker, left, right int) {
		s, columns := &d.scratch[worker], d.x.SliceCols(left, right)
		for l := range g {
			clear(g[l][left:right])
		}
		for from := 0; from < d.x.Rows; from += blockRows {
			to := min(from+blockRows, d.x.Rows)
			x, r := columns.SliceRows(from, to), r.SliceCols(from, to)
			s.packed.Resize(x.Rows, x.Cols)
			s.packed.SetRows(0, &x)
			s.part.Resize(r.Rows, x.Cols)
			s.ws.MatMul(&s.part, &r, &s.packed, tensor.Epilogue{})
			for l, g := range g {
				for j, v := range s.part.Row(l) {
					g[left+j] += float64(v)
				}
			}
		}
	})
}

// transposed returns a design of which X is Xᵀ; it has no moments.
func (d *design) transposed() *design {
	t := &design{x: tensor.New(d.x.Cols, d.x.Rows), workers: d.workers, scratch: d.scratch}
	d.eachRows(d.x.Rows, func(_, from, to int) {
		for i := from; i < to; i++ {
			for j, v := range d.x.Row(i) {
				t.x.Data[j*t.x.Stride+i] = v
			}
		}
	})
	return t
}

// gram returns XᵀX/n, [hidden][hidden]: the product of X with its own columns in the place of labels.
func (d *design) gram(n int) [][]float64 {
	g := make([][]float64, d.x.Cols)
	for j := range g {
		g[j] = make([]float64, d.x.Cols)
	}
	var columns tensor.Tensor
	for left := 0; left < d.x.Cols; left += blockCols {
		right := min(left+blockCols, d.x.Cols)
		columns.Resize(right-left, d.x.Rows)
		d.eachRows(d.x.Rows, func(_, from, to int) {
			for i := from; i < to; i++ {
				for l, v := range d.x.Row(i)[left:right] {
					columns.Data[l*columns.Stride+i] = v / float32(n)
				}
			}
		})
		d.multiplyTransposed(g[left:right], &columns)
	}
	return g
}
