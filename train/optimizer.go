package train

import (
	"fmt"
	"math"
	"strings"

	"bertlabel/asm"
	"bertlabel/tensor"
)

// The optimizers.
const (
	Google = "google" // AdamWeightDecayOptimizer of Google's optimization.py
	AdamW  = "adamw"  // torch.optim.AdamW with its defaults
)

// Hyper-parameters of Adam that nobody tunes: betas are the same in both optimizers, epsilon is not.
const (
	beta1         = 0.9
	beta2         = 0.999
	epsilonGoogle = 1e-6 // create_optimizer of optimization.py
	epsilonAdamW  = 1e-8 // default of torch.optim.AdamW
)

// notDecayed are the parts of a name that exempt a parameter from weight decay (create_optimizer of optimization.py).
var notDecayed = []string{"LayerNorm", "layer_norm", "bias"}

// Optimizer is Adam (Kingma and Ba 2015, algorithm 1) with weight decay apart from the gradient (Loshchilov and Hutter 2019,
// algorithm 2), in one of two forms. With g the gradient, already clipped, and t the number of this step from 1:
//
//	m ← β₁·m + (1 − β₁)·g
//	v ← β₂·v + (1 − β₂)·g²
//	google: w ← w − lr·(m/(√v + ε) + λ·w)                              no bias correction
//	adamw:  w ← w·(1 − lr·λ) − lr/(1 − β₁ᵗ) · m/(√(v/(1 − β₂ᵗ)) + ε)
//
// Every element moves in every step, embedding rows without a gradient too.
type Optimizer struct {
	form    string
	states  []state
	chunks  []chunk
	squares []float64 // of each chunk: Σ g² in GlobalNorm, Σ w² in Step
	workers *tensor.Workers
}

// state is what the optimizer keeps for one parameter.
type state struct {
	param *tensor.Param
	m, v  *tensor.Param // NAME/adam_m and NAME/adam_v, as TensorFlow saves them
	decay float64       // λ, or 0 for an exempted parameter
	scale float64       // multiplies the learning rate
	step  asm.AdamStep  // of the step being made
}

// chunk is a stretch of one parameter: what one worker does in one go.
type chunk struct {
	*state
	from, to int
}

// chunkSize is fixed, so that sums over chunks do not depend on the number of workers.
const chunkSize = 1 << 16

// of returns the chunk's part of x, which is as long as the parameter.
func (c chunk) of(x []float32) []float32 { return x[c.from:c.to] }

// OptimizerConfig says how parameters are stepped.
type OptimizerConfig struct {
	Form        string  // Google or AdamW; "" is Google
	WeightDecay float64 // λ; none on parameters whose name contains LayerNorm, layer_norm or bias

	// Scale multiplies the learning rate of single parameters, for rates that differ from layer to layer; nil for 1.
	Scale func(name string) float64
}

// NewOptimizer returns an optimizer of params with moments of zero; a parameter without a gradient gets one. Its loops run on
// workers, nil for the calling goroutine; their number does not change a bit of the result.
func NewOptimizer(params []*tensor.Param, cfg OptimizerConfig, workers *tensor.Workers) (*Optimizer, error) {
	if cfg.Form == "" {
		cfg.Form = Google
	}
	if cfg.Form != Google && cfg.Form != AdamW {
		return nil, fmt.Errorf("optimizer is %q, want %q or %q", cfg.Form, Google, AdamW)
	}
	o := &Optimizer{form: cfg.Form, states: make([]state, len(params))}
	for i, p := range params {
		o.states[i] = newState(p, cfg)
		for from := 0; from < p.Size(); from += chunkSize {
			o.chunks = append(o.chunks, chunk{&o.states[i], from, min(from+chunkSize, p.Size())})
		}
	}
	o.squares = make([]float64, len(o.chunks))
	if len(o.chunks) > len(params) { // otherwise it is done before a second worker has woken up
		o.workers = workers
	}
	return o, nil
}

func newState(p *tensor.Param, cfg OptimizerConfig) state {
	s := state{
		param: p,
		m:     tensor.NewParam(p.Name+"/adam_m", p.Shape...),
		v:     tensor.NewParam(p.Name+"/adam_v", p.Shape...),
		decay: cfg.WeightDecay,
		scale: 1,
	}
	s.m.Value, s.v.Value = make([]float32, p.Size()), make([]float32, p.Size())
	if p.Grad == nil {
		p.Grad = make([]float32, p.Size())
	}
	for _, part := range notDecayed {
		if strings.Contains(p.Name, part) {
			s.decay = 0
		}
	}
	if cfg.Scale != nil {
		s.scale = cfg.Scale(p.Name)
	}
	return s
}

// State returns the moments as parameters NAME/adam_m and NAME/adam_v, for saving and for going on from saved ones. They share
// the optimizer's memory.
func (o *Optimizer) State() []*tensor.Param {
	var moments []*tensor.Param
	for _, s := range o.states {
		moments = append(moments, s.m, s.v)
	}
	return moments
}

// Step moves every parameter by its gradient times factor (see ClipFactor), at learning rate lr, and sets the gradient to
// zero. done is the number of steps made before; only the bias correction of AdamW depends on it. If a parameter is not finite
// afterwards the error is a *DivergedError that names it.
func (o *Optimizer) Step(done int64, lr, factor float32) error {
	for i := range o.states {
		s := &o.states[i]
		s.step = o.adam(done+1, float64(lr)*s.scale, s.decay, factor)
	}
	o.workers.Do(len(o.chunks), stepJob{o})
	for i, c := range o.chunks {
		if !finite(o.squares[i]) {
			return diverged(c.param.Name, c.param.Shape, c.param.Value)
		}
	}
	return nil
}

// adam returns the numbers of step t, from 1.
func (o *Optimizer) adam(t int64, lr, decay float64, factor float32) asm.AdamStep {
	s := asm.AdamStep{
		Clip:  factor,
		Beta1: beta1, Gain1: 1 - beta1, Beta2: beta2, Gain2: 1 - beta2,
		MHat: 1, VHat: 1, Eps: epsilonGoogle,
		Decay: float32(decay), LR: float32(lr),
	}
	if o.form == AdamW {
		s.MHat, s.VHat = float32(1/(1-math.Pow(beta1, float64(t)))), float32(1/(1-math.Pow(beta2, float64(t))))
		s.Eps = epsilonAdamW
	}
	return s
}

// stepJob is the loop over chunks of one Step.
type stepJob struct{ *Optimizer }

func (j stepJob) Run(_, i int) {
	c := j.chunks[i]
	w := c.of(c.param.Value)
	asm.Best.AdamW(w, c.of(c.param.Grad), c.of(c.m.Value), c.of(c.v.Value), &c.step)
	j.squares[i] = asm.Best.SumSquares(w)
}
