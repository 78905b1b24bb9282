//go:build !noasm && !purego

package asm

// elemNEON enters the element-wise and row kernels into the set; the fields of Kernels are their contracts.
func elemNEON(s *Kernels) {
	s.Exp, s.Tanh, s.Sigmoid, s.GELUTanh, s.GELUErf = expNEON, tanhNEON, sigmoidNEON, geluTanhNEON, geluErfNEON
	s.Softmax, s.LayerNorm = softmaxNEON, layerNormNEON
	s.Dot, s.Axpy, s.Add, s.SumSquares = dotNEON, axpyNEON, addNEON, sumSquaresNEON
	s.Scale, s.MulAdd = scaleNEON, mulAddNEON
	s.GELUTanhBackward, s.GELUErfBackward = geluTanhBackwardNEON, geluErfBackwardNEON
	s.SoftmaxBackward, s.LayerNormBackward, s.AdamW = softmaxBackwardNEON, layerNormBackwardNEON, adamWNEON
}

// restMask holds 4 lanes of ones, then 4 of zeros: the 4 lanes from 4 − n on are a mask for n numbers.
//
//lint:ignore U1000 the assembly reads it by name
var restMask = [8]int32{-1, -1, -1, -1}

//go:noescape
func expNEON(y, x []float32)

//go:noescape
func tanhNEON(y, x []float32)

//go:noescape
func sigmoidNEON(y, x []float32)

//go:noescape
func geluTanhNEON(y, x []float32)

//go:noescape
func geluErfNEON(y, x []float32)

//go:noescape
func softmaxNEON(x []float32, scale float32)

//go:noescape
func layerNormNEON(y, x, gamma, beta []float32, eps float32) (mean, rstd float32)

//go:noescape
func dotNEON(x, y []float32) float32

//go:noescape
func axpyNEON(y []float32, a float32, x []float32)

//go:noescape
func addNEON(y, x []float32)

//go:noescape
func sumSquaresNEON(x []float32) float64

//go:noescape
func scaleNEON(y []float32, a float32)

//go:noescape
func mulAddNEON(y, a, x []float32)

//go:noescape
func geluTanhBackwardNEON(dx, dy, x []float32)

//go:noescape
func geluErfBackwardNEON(dx, dy, x []float32)

//go:noescape
func softmaxBackwardNEON(dx, p, dy []float32, scale float32)

//go:noescape
func layerNormBackwardNEON(dx, dy, norm, gamma []float32, rstd float32)

//go:noescape
func adamWNEON(w, g, m, v []float32, s *AdamStep)
