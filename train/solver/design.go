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
// of a result has the same bits for any number of workers, and whatever the other labels are; nor does it depend on whether X is in memory
// or streamed, as the parts of a sum begin at the same rows.
type design struct {
	x               *tensor.Tensor // [rows, hidden]; nil where stream has the features
	stream          *stream
	rows, cols      int
	mean, deviation []float64 // [hidden]; the deviation of a constant column is +Inf, which makes its x 0
	workers         *tensor.Workers
	scratch         []designScratch // one per worker
	packed          tensor.Packed   // wᵀ, [hidden, labels], of multiply
	block           tensor.Tensor   // of stream, standardised
	err             error           // the first of stream: what was computed after it means nothing
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
	d := emptyDesign(features.Rows, features.Cols, workers)
	d.measure(func(visit func(*tensor.Tensor)) { visit(features) })
	d.x = d.standardise(features)
	return d
}

// newStreamDesign is newDesign of features that are read anew in each pass; it has the bits of one in memory.
func newStreamDesign(s *stream, workers *tensor.Workers) *design {
	d := emptyDesign(s.rows, s.cols, workers)
	d.stream = s
	d.measure(func(visit func(*tensor.Tensor)) {
		d.read(func(_ int, features *tensor.Tensor) { visit(features) })
	})
	return d
}

func emptyDesign(rows, cols int, workers *tensor.Workers) *design {
	d := &design{rows: rows, cols: cols, mean: make([]float64, cols), deviation: make([]float64, cols), workers: workers,
		scratch: make([]designScratch, workers.Count())}
	for i := range d.scratch {
		d.scratch[i].ws = tensor.NewWorkspace(nil)
	}
	return d
}

// read hands out the features of stream, as stream.read does.
func (d *design) read(visit func(first int, features *tensor.Tensor)) {
	if d.err == nil {
		d.err = d.stream.read(visit)
	}
}

// blocks hands out X from its first row on, in pieces of a multiple of blockRows rows, but for the last one; in memory it is one piece.
func (d *design) blocks(visit func(first int, x *tensor.Tensor)) {
	if d.x != nil {
		visit(0, d.x)
		return
	}
	d.read(func(first int, features *tensor.Tensor) {
		d.block.Resize(features.Rows, features.Cols)
		d.standardiseTo(&d.block, features)
		visit(first, &d.block)
	})
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

// measure sets mean and standard deviation of the columns; the divisor is the number of rows. pass hands out all features, in the order of
// their rows.
func (d *design) measure(pass func(visit func(features *tensor.Tensor))) {
	pass(func(features *tensor.Tensor) {
		d.eachColumns(d.cols, func(_, from, to int) {
			mean := d.mean[from:to]
			for i := range features.Rows {
				for j, v := range features.Row(i)[from:to] {
					mean[j] += float64(v)
				}
			}
		})
	})
	for j := range d.mean {
		d.mean[j] /= float64(d.rows)
	}
	pass(func(features *tensor.Tensor) {
		d.eachColumns(d.cols, func(_, from, to int) {
			mean, squares := d.mean[from:to], d.deviation[from:to]
			for i := range features.Rows {
				for j, v := range features.Row(i)[from:to] {
					squares[j] += (float64(v) - mean[j]) * (float64(v) - mean[j])
				}
			}
		})
	})
	for j, squares := range d.deviation {
		d.deviation[j] = deviationOf(squares/float64(d.rows), d.mean[j])
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
	d.standardiseTo(x, features)
	return x
}

// standardiseTo sets x, of the shape of features.
func (d *design) standardiseTo(x, features *tensor.Tensor) {
	d.eachRows(x.Rows, func(_, from, to int) {
		for i := from; i < to; i++ {
			row := x.Row(i)
			for j, v := range features.Row(i) {
				row[j] = float32((float64(v) - d.mean[j]) / d.deviation[j])
			}
		}
	})
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
	d.blocks(func(first int, x *tensor.Tensor) {
		d.eachRows(x.Rows, func(worker, from, to int) {
			s, x := &d.scratch[worker], x.SliceRows(from, to)
			s.part.Resize(x.Rows, w.Rows)
			s.ws.MatMul(&s.part, &x, &d.packed, tensor.Epilogue{}) // [rows of the block, labels]
			for l := range z.Rows {
				for i, z := 0, z.Row(l)[first+from:first+to]; i < len(z); i++ {
					z[i] = s.part.Data[i*s.part.Stride+l]
				}
			}
		})
	})
}

// multiplyTransposed sets g [labels][hidden] to r·X, r [labels, rows].
func (d *design) multiplyTransposed(g [][]float64, r *tensor.Tensor) {
	for _, row := range g {
		clear(row)
	}
	d.blocks(func(first int, x *tensor.Tensor) {
		r := r.SliceCols(first, first+x.Rows)
		d.addTransposed(g, &r, x)
	})
}

// addTransposed adds r·x to g, r [labels, rows of x]. Products are summed in float32 over blockRows rows, and these sums in float64.
func (d *design) addTransposed(g [][]float64, r, x *tensor.Tensor) {
	d.eachColumns(x.Cols, func(worker, left, right int) {
		s, columns := &d.scratch[worker], x.SliceCols(left, right)
		for from := 0; from < x.Rows; from += blockRows {
			to := min(from+blockRows, x.Rows)
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

// transposed returns a design of which X is Xᵀ, of one in memory; it has no moments.
func (d *design) transposed() *design {
	t := &design{x: tensor.New(d.cols, d.rows), rows: d.cols, cols: d.rows, workers: d.workers, scratch: d.scratch}
	d.eachRows(d.rows, func(_, from, to int) {
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
	g := make([][]float64, d.cols)
	for j := range g {
		g[j] = make([]float64, d.cols)
	}
	var columns tensor.Tensor
	d.blocks(func(_ int, x *tensor.Tensor) {
		for left := 0; left < d.cols; left += blockCols {
			right := min(left+blockCols, d.cols)
			columns.Resize(right-left, x.Rows)
			d.eachRows(x.Rows, func(_, from, to int) {
				for i := from; i < to; i++ {
					for l, v := range x.Row(i)[left:right] {
						columns.Data[l*columns.Stride+i] = v / float32(n)
					}
				}
			})
			d.addTransposed(g[left:right], &columns, x)
		}
	})
	return g
}
