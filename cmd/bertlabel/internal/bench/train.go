package bench

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/tensor"
	"bertlabel/train"
)

// Train times steps of training all of m, forward, backward and update, after one to warm up. The texts are random tokens of the
// given lengths: batch of them a step, in their order, and from the first again after the last. As in programs that compare
// libraries, dropout is 0.1 everywhere, the optimizer AdamW, the gradient clipped to a norm of 1, and a tenth of the labels
// positive. p is FP32 or BF16. It needs a head, and leaves m, which is in FP32, trained.
func Train(ctx context.Context, m *model.Model, p bert.Precision, lengths []int, batch, steps, threads int) (Times, error) {
	texts := &bert.Batch{}
	for _, t := range Texts(&m.Encoder.Config, lengths) {
		texts.Append(t.IDs, t.Segments)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	y := make([]int8, len(lengths)*len(m.Labels))
	for i := range y {
		y[i] = int8(rng.IntN(10) / 9)
	}
	config := train.DefaultConfig()
	config.BatchSize, config.MaxSteps, config.Shuffle = batch, 1+steps, false
	config.Optimizer, config.LearningRate = train.AdamW, 1e-5
	times := make(Times, 0, steps)
	loop, encoder, err := train.NewEncoderLoop(train.EncoderTask{
		Config: config, Encoder: m.Encoder, Classifier: m.Head, Texts: texts, Y: y, Workers: tensor.NewWorkers(threads),
		Tune: everything(&m.Encoder.Config, m.Pooling, p),
		Observe: func(p train.Progress) error {
			if p.Step > 1 {
				times = append(times, time.Duration(p.Seconds*float64(time.Second)))
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	defer encoder.Release()
	err = loop.Run(ctx)
	slices.Sort(times)
	return times, err
}

// everything trains all of a model, with the dropout of BERT's pre-training.
func everything(c *bert.Config, pooling bert.Pooling, p bert.Precision) bert.TrainerOptions {
	return bert.TrainerOptions{Pooling: pooling, Layers: c.NumHiddenLayers, Embeddings: true, Precision: p, HiddenDropout: 0.1,
		AttentionDropout: 0.1}
}

// TrainBytes estimates the memory of Train on a model of random weights, for batches of the given size.
func TrainBytes(c *bert.Config, p bert.Precision, size bert.BatchSize, threads int) (float64, error) {
	m, err := bert.New(*c)
	if err != nil {
		return 0, err
	}
	n, err := m.Memory(everything(c, bert.Pooled, p), size, threads)
	moments := 2 * n.Gradients
	return float64(n.Weights + n.Rounded + n.Kernels + n.Gradients + moments + n.Activations + n.Workspace), err
}
