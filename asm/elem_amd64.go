//go:build !noasm && !purego

package asm

// elemAVX512 and elemAVX2 enter the element-wise and row kernels into a set; the fields of Kernels are their contracts.

func elemAVX512(s *Kernels) {
	s.Exp, s.Tanh, s.Sigmoid, s.GELUTanh, s.GELUErf = expAVX512, tanhAVX512, sigmoidAVX512, geluTanhAVX512, geluErfAVX512
	s.Softmax, s.LayerNorm = softmaxAVX512, layerNormAVX512
	s.Dot, s.Axpy, s.Add, s.SumSquares = dotAVX512, axpyAVX512, addAVX512, sumSquaresAVX512
	s.Scale, s.MulAdd = scaleAVX512, mulAddAVX512
	s.GELUTanhBackward, s.GELUErfBackward = geluTanhBackwardAVX512, geluErfBackwardAVX512
	s.SoftmaxBackward, s.LayerNormBackward, s.AdamW = softmaxBackwardAVX512, layerNormBackwardAVX512, adamWAVX512
	s.Dropout = dropoutAVX512
}

func elemAVX2(s *Kernels) {
	s.Exp, s.Tanh, s.Sigmoid, s.GELUTanh, s.GELUErf = expAVX2, tanhAVX2, sigmoidAVX2, geluTanhAVX2, geluErfAVX2
	s.Softmax, s.LayerNorm = softmaxAVX2, layerNormAVX2
	s.Dot, s.Axpy, s.Add, s.SumSquares = dotAVX2, axpyAVX2, addAVX2, sumSquaresAVX2
	s.Scale, s.MulAdd = scaleAVX2, mulAddAVX2
	s.GELUTanhBackward, s.GELUErfBackward = geluTanhBackwardAVX2, geluErfBackwardAVX2
	s.SoftmaxBackward, s.LayerNormBackward, s.AdamW = softmaxBackwardAVX2, layerNormBackwardAVX2, adamWAVX2
	s.Dropout = dropoutAVX2
}

// restMask holds 8 lanes of ones, then 8 of zeros: the 8 lanes from 8 − n on are a mask for n numbers.
//
//lint:ignore U1000 the assembly reads it by name
var restMask = [16]int32{-1, -1, -1, -1, -1, -1, -1, -1}

//go:noescape
func expAVX2(y, x []float32)

//go:noescape
func tanhAVX2(y, x []float32)

//go:noescape
func sigmoidAVX2(y, x []float32)

//go:noescape
func geluTanhAVX2(y, x []float32)

//go:noescape
func geluErfAVX2(y, x []float32)

//go:noescape
func softmaxAVX2(x []float32, scale float32)

//go:noescape
func layerNormAVX2(y, x, gamma, beta []float32, eps float32) (mean, rstd float32)

//go:noescape
func dotAVX2(x, y []float32) float32

//go:noescape
func axpyAVX2(y []float32, a float32, x []float32)

//go:noescape
func addAVX2(y, x []float32)

//go:noescape
func sumSquaresAVX2(x []float32) float64

//go:noescape
func scaleAVX2(y []float32, a float32)

//go:noescape
func mulAddAVX2(y, a, x []float32)

//go:noescape
func geluTanhBackwardAVX2(dx, dy, x []float32)

//go:noescape
func geluErfBackwardAVX2(dx, dy, x []float32)

//go:noescape
func softmaxBackwardAVX2(dx, p, dy []float32, scale float32)

//go:noescape
func layerNormBackwardAVX2(dx, dy, norm, gamma []float32, rstd float32)

//go:noescape
func adamWAVX2(w, g, m, v []float32, s *AdamStep)

//go:noescape
func expAVX512(y, x []float32)

//go:noescape
func tanhAVX512(y, x []float32)

//go:noescape
func sigmoidAVX512(y, x []float32)

//go:noescape
func geluTanhAVX512(y, x []float32)

//go:noescape
func geluErfAVX512(y, x []float32)

//go:noescape
func softmaxAVX512(x []float32, scale float32)

//go:noescape
func layerNormAVX512(y, x, gamma, beta []float32, eps float32) (mean, rstd float32)

//go:noescape
func dotAVX512(x, y []float32) float32

//go:noescape
func axpyAVX512(y []float32, a float32, x []float32)

//go:noescape
func addAVX512(y, x []float32)

//go:noescape
func sumSquaresAVX512(x []float32) float64

//go:noescape
func scaleAVX512(y []float32, a float32)

//go:noescape
func mulAddAVX512(y, a, x []float32)

//go:noescape
func geluTanhBackwardAVX512(dx, dy, x []float32)

//go:noescape
func geluErfBackwardAVX512(dx, dy, x []float32)

//go:noescape
func softmaxBackwardAVX512(dx, p, dy []float32, scale float32)

//go:noescape
func layerNormBackwardAVX512(dx, dy, norm, gamma []float32, rstd float32)

//go:noescape
func adamWAVX512(w, g, m, v []float32, s *AdamStep)
