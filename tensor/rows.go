package tensor

import "fmt"

// rowsPerTurn is the number of rows that one turn of a loop over rows does.
const rowsPerTurn = 8

// rowTurns returns the number of turns of a loop over so many rows.
func rowTurns(rows int) int { return (rows + rowsPerTurn - 1) / rowsPerTurn }

// EachRow calls f for all rows of c, some rows at a time, on all workers.
func (ws *Workspace) EachRow(c *Tensor, f RowFinisher) {
	ws.rows = rowLoop{c: *c, finisher: f}
	ws.Workers.Do(rowTurns(c.Rows), &ws.rows)
	ws.rows = rowLoop{} // keep nothing alive
}

type rowLoop struct {
	c        Tensor
	finisher RowFinisher
}

func (r *rowLoop) Run(_, turn int) {
	r.finisher.FinishRows(&r.c, turn*rowsPerTurn, min((turn+1)*rowsPerTurn, r.c.Rows))
}

// Map calls f(y, x) for the rows of y and x, which have equal shapes and may be the same tensor, on all workers. f is an
// element-wise kernel; nil copies.
func (ws *Workspace) Map(y, x *Tensor, f func(y, x []float32)) {
	ws.mapRows(rowMap{y: *y, x: *x, z: *x, f: f})
}

// MapGradient calls f(dx, dy, x) for the rows of dx, dy and x, which have equal shapes, on all workers; dx may be dy. f is the
// gradient of an element-wise kernel; nil copies dy.
func (ws *Workspace) MapGradient(dx, dy, x *Tensor, f func(dx, dy, x []float32)) {
	ws.mapRows(rowMap{y: *dx, x: *dy, z: *x, g: f})
}

func (ws *Workspace) mapRows(m rowMap) {
	if m.y.Rows != m.x.Rows || m.y.Cols != m.x.Cols || m.y.Rows != m.z.Rows || m.y.Cols != m.z.Cols {
		panic(fmt.Sprintf("tensor.Map: shapes [%d, %d], [%d, %d], [%d, %d]", m.y.Rows, m.y.Cols, m.x.Rows, m.x.Cols, m.z.Rows, m.z.Cols))
	}
	ws.mapping = m
	ws.Workers.Do(rowTurns(m.y.Rows), &ws.mapping)
	ws.mapping = rowMap{} // keep nothing alive
}

// rowMap is one call of Map (f) or MapGradient (g).
type rowMap struct {
	y, x, z Tensor
	f       func(y, x []float32)
	g       func(y, x, z []float32)
}

func (m *rowMap) Run(_, turn int) {
	for i := turn * rowsPerTurn; i < min((turn+1)*rowsPerTurn, m.y.Rows); i++ {
		y, x := m.y.Row(i), m.x.Row(i)
		switch {
		case m.f != nil:
			m.f(y, x)
		case m.g != nil:
			m.g(y, x, m.z.Row(i))
		default:
			copy(y, x)
		}
	}
}
