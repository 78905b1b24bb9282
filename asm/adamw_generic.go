package asm

import "math"

// AdamStep holds the numbers of one step of Adam with decoupled weight decay. With β₁ and β₂ as float64 and t = 1, 2, … steps:
//
//	                     MHat           VHat           source
//	Google's form        1              1              optimization.py, AdamWeightDecayOptimizer
//	bias-corrected form  1/(1 − β₁ᵗ)    1/(1 − β₂ᵗ)    Kingma and Ba 2015 (arXiv:1412.6980), Loshchilov and Hutter 2019 (arXiv:1711.05101)
type AdamStep struct {
	Clip       float32 // factor of every gradient: clipping, mean over accumulated batches
	Beta1      float32 // decay of m
	Gain1      float32 // 1 − β₁, rounded once: float32(1) − Beta1 is not
	Beta2      float32 // decay of v
	Gain2      float32 // 1 − β₂
	MHat, VHat float32 // factors of m and v that correct their start at 0
	Eps        float32 // added to the root
	Decay      float32 // weight decay, multiplied by LR
	LR         float32 // learning rate
}

func adamWGeneric(w, g, m, v []float32, s *AdamStep) {
	for i := range w {
		d := float32(s.Clip * g[i])
		m[i] = fma32(d, s.Gain1, float32(s.Beta1*m[i]))
		v[i] = fma32(float32(d*d), s.Gain2, float32(s.Beta2*v[i]))
		root := float32(math.Sqrt(float64(float32(s.VHat * v[i]))))
		u := fma32(w[i], s.Decay, float32(s.MHat*m[i])/(root+s.Eps))
		w[i] = fma32(-u, s.LR, w[i])
		g[i] = 0
	}
}
