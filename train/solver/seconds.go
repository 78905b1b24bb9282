package solver

import (
	"math"
	"time"

	"bertlabel/tensor"

	"gonum.org/v1/gonum/mat"
)

const (
	decomposedSize = 768 // of the matrix whose decomposition is timed
	strengthsTried = 4   // of DiscriminantPath, mostly
)

// DiscriminantSeconds estimates the time of Discriminant on rows of features, of a width: a matrix of products, [size, size], and for each
// strength that is tried a Cholesky decomposition of size³/3 multiplications, which is timed here on a small matrix. perProduct is the time
// of a multiplication in a matrix product of float32, on all threads. Head takes about as long.
func DiscriminantSeconds(rows, width int, perProduct float64) float64 {
	size := float64(min(rows, width))
	probe := mat.NewSymDense(decomposedSize, nil)
	for i := range decomposedSize {
		probe.SetSym(i, i, 1)
	}
	workers := tensor.NewWorkers(0)
	workers.Start()
	defer workers.Stop()
	start := time.Now()
	newCholesky(probe, workers) // it has no other speed on other numbers
	decomposition := time.Since(start).Seconds() * math.Pow(size/decomposedSize, 3)
	return float64(max(rows, width))*size*size*perProduct + strengthsTried*decomposition
}
