package tensor

import "bertlabel/asm"

// chunkRows is the number of rows of one partial sum. It is fixed, so that sums do not depend on the number of workers.
const chunkRows = 32

// RowSummer adds the terms of rows [from, to) of a sum over rows to sum. It must be safe for concurrent use on disjoint rows.
type RowSummer interface {
	SumRows(sum []float32, from, to int)
}

// SumRows returns the sum over all rows of what job adds up, a slice of length width in memory of ws that lasts until the next
// call. Chunks of chunkRows rows are summed on all workers, each from zero, and then added in their order: the result has the
// same bits for any number of workers, and an error that grows with the number of chunks and not of rows.
func (ws *Workspace) SumRows(rows, width int, job RowSummer) []float32 {
	s := &ws.sums
	s.job, s.rows = job, rows
	s.partial.Resize(max(1, (rows+chunkRows-1)/chunkRows), width)
	clear(s.partial.Data)
	ws.Workers.Do(s.partial.Rows, s)
	s.job = nil // keep nothing alive
	total := s.partial.Row(0)
	for i := 1; i < s.partial.Rows; i++ {
		asm.Best.Add(total, s.partial.Row(i))
	}
	return total
}

// sumJob is one call of SumRows: turn i is chunk i.
type sumJob struct {
	job     RowSummer
	rows    int
	partial Tensor // [chunks, width]
}

func (s *sumJob) Run(_, turn int) {
	s.job.SumRows(s.partial.Row(turn), turn*chunkRows, min((turn+1)*chunkRows, s.rows))
}

// AddColumnSums adds the sums of the columns of x [rows, n] to dst [n]: the gradient of a bias.
func (ws *Workspace) AddColumnSums(dst []float32, x *Tensor) {
	ws.columns.x = *x
	asm.Best.Add(dst, ws.SumRows(x.Rows, x.Cols, &ws.columns))
	ws.columns.x = Tensor{}
}

type columnSums struct{ x Tensor }

func (c *columnSums) SumRows(sum []float32, from, to int) {
	for i := from; i < to; i++ {
		asm.Best.Add(sum, c.x.Row(i))
	}
}
