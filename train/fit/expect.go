package fit

import (
	"context"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/tokenizer"
	"bertlabel/train/fit/note"
	"bertlabel/train/solver"
)

// What the estimate of a run's time takes for granted; all else it measures.
const (
	expectFrom      = 50_000 // tokens of the texts from which on a run is worth an estimate
	expectSample    = 8192   // tokens that a pass is measured on, after a quarter of them has warmed it up
	trainingPasses  = 4.4    // a step of a trained layer, in passes through it: forward, dx, dW, and the optimizer
	multiplications = 12     // of a layer's matrices on a token, in hidden²
)

// passes is how often the texts of a run that trains the encoder go through its layers.
type passes struct {
	epochs, evaluations float64 // the training texts and Dev, through the trained layers
	frozen, frozenDev   float64 // the same, through those below
	refit               float64 // all texts, through those below, for the refit
}

// expect tells how long the run will take, measured on its first texts, if it takes long.
func (r *run) expect(ctx context.Context, p passes) error {
	tokens, dev := countTokens(r.texts), countTokens(r.devTexts)
	if tokens+dev < expectFrom {
		return nil
	}
	pass, err := r.secondsPerToken(ctx)
	if err != nil {
		return err
	}
	whole := float64(tokens+dev) * pass // all texts through all layers
	c := &r.m.Encoder.Config
	trained := float64(r.o.Tune.Layers(c.NumHiddenLayers)) / float64(c.NumHiddenLayers)
	seconds, width, by := whole, r.width, r.o.Solver
	if r.o.Tune != Head {
		seconds = (1-trained)*pass*(p.frozen*float64(tokens)+p.frozenDev*float64(dev)) +
			trained*pass*(trainingPasses*p.epochs*float64(tokens)+p.evaluations*float64(dev))
		if width, by = r.refitWidth, r.o.Refit; by != Gradient {
			seconds += (trained + (1-trained)*p.refit) * whole
		}
	}
	if by != Gradient {
		perProduct := pass / float64(multiplications*c.NumHiddenLayers*c.HiddenSize*c.HiddenSize)
		seconds += solver.DiscriminantSeconds(len(r.texts), width, perProduct)
	}
	r.watch.note(note.Expected{Seconds: seconds})
	return nil
}

func countTokens(texts []tokenizer.Encoding) (n int) {
	for i := range texts {
		n += len(texts[i].IDs)
	}
	return n
}

// secondsPerToken times a pass of the first texts through the whole encoder.
func (r *run) secondsPerToken(ctx context.Context) (float64, error) {
	var seconds float64
	for _, limit := range []int{expectSample / 4, expectSample} {
		var sample []tokenizer.Encoding // windows of long texts by themselves: a document may have more tokens than are needed
		tokens := 0
		for n := 0; n < len(r.texts) && tokens < limit; n++ {
			for w := 0; w < r.texts[n].Sequences() && tokens < limit; w++ {
				sample = append(sample, r.texts[n].Alone(w))
				tokens += len(sample[len(sample)-1].IDs)
			}
		}
		start := time.Now()
		if _, err := r.reader(r.rows).Features(ctx, sample, bert.Mean, nil); err != nil {
			return 0, err
		}
		seconds = time.Since(start).Seconds() / float64(tokens)
	}
	return seconds, nil
}
