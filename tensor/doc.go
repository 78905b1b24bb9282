// Package tensor holds row-major float32 matrices, model parameters, and the matrix product: packing, blocking, threads.
package tensor
