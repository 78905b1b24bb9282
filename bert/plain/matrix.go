package plain

import "slices"

// Matrix is a slice of rows of equal length. A vector is a Matrix of one row.
type Matrix = [][]float64

// zip is f of the elements of x and y. Where y has one row it goes with every row of x, where it has one column with every column.
func zip(x, y Matrix, f func(x, y float64) float64) Matrix {
	z := zeros(len(x), len(x[0]))
	for i := range z {
		for j := range z[i] {
			z[i][j] = f(x[i][j], y[i%len(y)][j%len(y[0])])
		}
	}
	return z
}

func add(x, y Matrix) Matrix { return zip(x, y, func(x, y float64) float64 { return x + y }) }

func subtract(x, y Matrix) Matrix { return zip(x, y, func(x, y float64) float64 { return x - y }) }

func times(x, y Matrix) Matrix { return zip(x, y, func(x, y float64) float64 { return x * y }) }

// each is f of every element.
func each(x Matrix, f func(float64) float64) Matrix {
	return zip(x, x, func(x, _ float64) float64 { return f(x) })
}

func scale(factor float64, x Matrix) Matrix {
	return each(x, func(x float64) float64 { return factor * x })
}

func zeros(rows, cols int) Matrix {
	x := make(Matrix, rows)
	for i := range x {
		x[i] = make([]float64, cols)
	}
	return x
}

// multiply is x·y, [m, k] by [k, n].
func multiply(x, y Matrix) Matrix {
	z := zeros(len(x), len(y[0]))
	for i := range x {
		for k := range y {
			for j := range y[k] {
				z[i][j] += x[i][k] * y[k][j]
			}
		}
	}
	return z
}

func transpose(x Matrix) Matrix {
	y := zeros(len(x[0]), len(x))
	for i := range x {
		for j := range x[i] {
			y[j][i] = x[i][j]
		}
	}
	return y
}

// sumRows is the sum of each row, [rows, 1].
func sumRows(x Matrix) Matrix {
	y := zeros(len(x), 1)
	for i := range x {
		for _, v := range x[i] {
			y[i][0] += v
		}
	}
	return y
}

// meanRows is the mean of each row, [rows, 1].
func meanRows(x Matrix) Matrix { return scale(1/float64(len(x[0])), sumRows(x)) }

// sumColumns is the sum of each column, [1, cols].
func sumColumns(x Matrix) Matrix { return transpose(sumRows(transpose(x))) }

// columns is columns [from, to) of x.
func columns(x Matrix, from, to int) Matrix {
	y := make(Matrix, len(x))
	for i := range x {
		y[i] = x[i][from:to]
	}
	return y
}

// concat puts y on the right of x.
func concat(x, y Matrix) Matrix {
	z := make(Matrix, len(y))
	for i := range y {
		z[i] = slices.Concat(x[i], y[i])
	}
	return z
}

// pick is the rows of a table that are named.
func pick(table Matrix, rows []int) (x Matrix) {
	for _, row := range rows {
		x = append(x, table[row])
	}
	return x
}

// floats is labels as a vector.
func floats(labels []int8) Matrix {
	x := zeros(1, len(labels))
	for i, y := range labels {
		x[0][i] = float64(y)
	}
	return x
}

// count is 0, 1, … n−1.
func count(n int) []int {
	x := make([]int, n)
	for i := range x {
		x[i] = i
	}
	return x
}
