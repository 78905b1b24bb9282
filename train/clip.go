package train

import (
	"math"

	"bertlabel/asm"
)

// GlobalNorm returns √(Σ g²) over the gradients of all parameters: ‖g‖ of tf.clip_by_global_norm. Squares are added in float64
// over fixed chunks, in order, so the result does not depend on the number of workers.
//
// squares replaces the Σ g² of parameters by name; nil for none. It is there for a quirk of TensorFlow: the gradient of the
// word embeddings is a list of rows, one per token of the batch, and TensorFlow adds up the squares of that list before rows
// of the same word are summed.
//
// If a gradient holds NaN or an infinity the error is a *DivergedError that names it.
func (o *Optimizer) GlobalNorm(squares map[string]float64) (float64, error) {
	o.workers.Do(len(o.chunks), normJob{o})
	sum := 0.0
	for i, c := range o.chunks {
		square := o.squares[i]
		if !finite(square) {
			return math.NaN(), diverged("gradient of "+c.param.Name, c.param.Shape, c.param.Grad)
		}
		if given, ok := squares[c.param.Name]; ok {
			square = 0
			if c.from == 0 {
				square = given
			}
		}
		sum += square
	}
	return math.Sqrt(sum), nil
}

// normJob is the loop over chunks of GlobalNorm.
type normJob struct{ *Optimizer }

func (j normJob) Run(_, i int) {
	j.squares[i] = asm.Best.SumSquares(j.chunks[i].of(j.chunks[i].param.Grad))
}

// ClipFactor returns what gradients of that global norm are multiplied with so that the norm is at most clip: clip/max(norm,
// clip) (Pascanu et al. 2013, §3.2). A clip of 0 means no clipping.
func ClipFactor(norm, clip float64) float32 {
	if clip == 0 {
		return 1
	}
	return float32(clip / max(norm, clip))
}
