package train

import (
	"fmt"
	"slices"
	"strings"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/train/data"
)

// Memory is an estimate of what a run takes at its largest, in bytes, by what it is for. It follows from the configuration, the
// plan of the code and the lengths of the texts; nothing in it is fitted (docs/training.md compares it with what is measured).
type Memory struct {
	Model      bert.Memory // of encoder and trainer; for a frozen encoder Weights only
	Head       int         // weights, gradients and moments of the head, and its part of a batch
	Moments    int         // Adam's m and v of the trained parameters of the encoder
	Features   int         // of a frozen encoder, and what the head is found with
	Frozen     int         // states below the trained layers, kept between epochs
	Saving     int         // copies that a checkpoint is written from
	Evaluation int         // a pass over the dev texts, and their scores
	Other      int         // what the process holds besides: program, vocabulary, texts

	Largest bert.BatchSize // the batches that it is for
}

// Total returns the sum.
func (m *Memory) Total() int {
	e := &m.Model
	return e.Weights + e.Rounded + e.Kernels + e.Gradients + e.Activations + e.Workspace + m.Head + m.Moments + m.Features + m.Frozen + m.Saving +
		m.Evaluation + m.Other
}

// Released returns what of it the steps of a run set free at their end.
func (m *Memory) Released() int {
	e := &m.Model
	return e.Kernels + e.Gradients + e.Activations + e.Workspace + m.Head + m.Moments + m.Frozen + m.Evaluation
}

// Memory returns what training by t takes, but for Evaluation and Other. With P the trained parameters, gradients are 4·P bytes, the
// moments of Adam 8·P; bert.Model.Memory has the rest. The batches are those that the run will draw.
func (t *EncoderTask) Memory() (Memory, error) {
	largest, err := t.largest()
	if err != nil {
		return Memory{}, err
	}
	model, err := t.Encoder.Memory(t.Tune, largest, t.Workers.Count())
	if err != nil {
		return Memory{}, err
	}
	labels, hidden := t.Classifier.Labels(), t.Encoder.Config.HiddenSize
	kernels, frozen := 4*t.Encoder.KernelElements(), 0
	if t.KeepFrozen && t.Tune.Layers < len(t.Encoder.Layers) {
		frozen = 4 * t.Texts.Tokens() * hidden
	}
	head := 16*labels*(hidden+1) + 4*largest.Texts*(3*hidden+2*labels) // features, dfeatures, x; logits, dlogits
	if t.Tune.OfWindows {
		head += 4 * largest.Texts * 2 * labels // the logits of texts, and the gradient by them
	}
	return Memory{
		Model:   model,
		Head:    head,
		Moments: 2 * model.Gradients,
		Frozen:  frozen,
		Saving:  kernels - model.Kernels, // frozen kernels, in row-major order
		Largest: largest,
	}, nil
}

// maxDraws bounds the rows that largest draws to see what batches come: it takes less than a second.
const maxDraws = 1 << 22

// largest returns the size of the largest batches of the run, each quantity for itself. Of a run that is too long to look at it
// takes the longest texts together.
func (t *EncoderTask) largest() (size bert.BatchSize, err error) {
	config := t.Config.withDefaults()
	schedule, err := config.Schedule(t.Texts.Texts())
	if err != nil {
		return size, err
	}
	lengths, windows := make([]int, t.Texts.Texts()), 0
	for i := range lengths {
		start, end := t.Texts.Text(i)
		lengths[i] = end - start
		windows = max(windows, t.Texts.Windows(i))
	}
	size.Texts = config.BatchSize * windows
	for s := range t.Texts.Sequences() {
		size.Longest = max(size.Longest, t.Texts.Offsets[s+1]-t.Texts.Offsets[s])
	}
	if draws := schedule.Steps * config.StepRows(); draws/config.StepRows() == schedule.Steps && draws <= maxDraws {
		stream := data.Stream{Rows: len(lengths), Seed: config.Seed, Shuffle: config.Shuffle}
		for from := 0; from < draws; from += config.BatchSize {
			tokens := 0
			for i := range config.BatchSize {
				tokens += lengths[stream.Row(int64(from+i))]
			}
			size.Tokens = max(size.Tokens, tokens)
		}
		return size, nil
	}
	slices.Sort(lengths)
	for i := range config.BatchSize {
		size.Tokens += lengths[len(lengths)-1-i%len(lengths)]
	}
	return size, nil
}

// HeadMemory returns what TrainHead takes, in bytes: on features [rows, width] of a frozen encoder, and [dev, width] to choose by, with
// batches of so many rows; with Features.First rows are windows. The features are part of it; solver.Memory is the same for an exact head.
func HeadMemory(rows, dev, width, labels, batch int) int {
	weights := 4 * labels * (width + 1)
	features := 4 * (rows + dev) * width
	scores := 2 * 4 * dev * labels
	return features + scores + 5*weights + 4*batch*(width+2*labels) // weights, gradient, m, v, the best; x, logits, dlogits
}

// String lists the parts that are not nothing.
func (m *Memory) String() string {
	activations := "activations"
	if m.Largest.Tokens > 0 {
		activations = fmt.Sprintf("activations of %d tokens", m.Largest.Tokens)
	}
	var parts []string
	for _, p := range []struct {
		what  string
		bytes int
	}{
		{"weights", m.Model.Weights + m.Head}, {"rounded kernels", m.Model.Rounded}, {"row-major kernels", m.Model.Kernels}, {"gradients", m.Model.Gradients},
		{"moments", m.Moments},
		{activations, m.Model.Activations}, {"workspace", m.Model.Workspace}, {"features", m.Features},
		{"frozen layers' outputs", m.Frozen},
		{"saving", m.Saving}, {"dev", m.Evaluation}, {"program and texts", m.Other},
	} {
		if p.bytes > 0 {
			parts = append(parts, p.what+" "+machine.Bytes(p.bytes).String())
		}
	}
	return strings.Join(parts, ", ")
}
