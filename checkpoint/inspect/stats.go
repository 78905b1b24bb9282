package inspect

import (
	"math"

	"bertlabel/checkpoint"
)

// Stats are over the finite elements of a tensor; the four numbers are nil if there are none.
type Stats struct {
	Mean *float64 `json:"mean"`
	Std  *float64 `json:"std"` // of the population: the sum of squares is divided by n
	Min  *float64 `json:"min"`
	Max  *float64 `json:"max"`
	NaN  int64    `json:"nan"` // how many
	Inf  int64    `json:"inf"`
}

// moments gathers the statistics of a stream of numbers.
type moments struct {
	n        float64 // finite elements
	mean     float64
	squares  float64 // Σ (x − mean)²
	min, max float64
	nan, inf int64
}

// add takes the elements of a piece.
func (m *moments) add(raw []byte, t checkpoint.DType) {
	var buf [512]float64
	for len(raw) > 0 {
		n := checkpoint.Float64s(buf[:], raw, t)
		if n == 0 {
			return
		}
		m.addChunk(buf[:n])
		raw = raw[n*t.Size():]
	}
}

// addChunk takes some elements, and overwrites x.
func (m *moments) addChunk(x []float64) {
	finite := x[:0]
	for _, v := range x {
		switch {
		case v-v == 0: // neither NaN nor infinite
			finite = append(finite, v)
		case math.IsNaN(v):
			m.nan++
		default:
			m.inf++
		}
	}
	if len(finite) == 0 {
		return
	}
	c := moments{n: float64(len(finite)), min: finite[0], max: finite[0]}
	share := 1 / c.n
	for _, v := range finite {
		c.mean += v * share // not (Σv)/n, which may overflow
		if v < c.min {
			c.min = v
		}
		if v > c.max {
			c.max = v
		}
	}
	for _, v := range finite {
		c.squares += (v - c.mean) * (v - c.mean)
	}
	m.combine(c)
}

// combine adds the moments of other finite elements (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample
// variance", eq. 2.1): unlike Σx² − n·mean², it does not cancel.
func (m *moments) combine(c moments) {
	if m.n == 0 {
		m.n, m.mean, m.squares, m.min, m.max = c.n, c.mean, c.squares, c.min, c.max
		return
	}
	delta, total := c.mean-m.mean, m.n+c.n
	m.squares += c.squares + delta*delta*m.n*c.n/total
	m.mean += delta * c.n / total
	m.min, m.max = min(m.min, c.min), max(m.max, c.max)
	m.n = total
}

func (m *moments) stats() *Stats {
	s := &Stats{NaN: m.nan, Inf: m.inf}
	if m.n == 0 {
		return s
	}
	s.Min, s.Max = &m.min, &m.max
	if std := math.Sqrt(m.squares / m.n); !math.IsInf(m.mean, 0) && !math.IsNaN(m.mean) {
		s.Mean = &m.mean
		if !math.IsInf(std, 0) && !math.IsNaN(std) { // squares of numbers beyond 1e154 are too large
			s.Std = &std
		}
	}
	return s
}
