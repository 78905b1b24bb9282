package fit

import (
	"fmt"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/train"
	"bertlabel/train/fit/note"
)

// CheckWeights refuses, before the weights are read, a model of this configuration for whose weights alone Options.MaxMemory is too
// small; with training, for their gradients and moments too: a *MemoryError. A configuration that no model can have gives nil:
// opening it says what is wrong.
func CheckWeights(config bert.Config, o *Options) error {
	if o.MaxMemory == 0 {
		return nil
	}
	m, err := bert.New(config)
	if err != nil {
		return nil
	}
	refused := &MemoryError{Limit: o.MaxMemory, Alone: "the weights", Smaller: smallerTune(o.Tune)}
	tuned := bert.TrainerOptions{Pooling: bert.CLS, Layers: max(1, min(o.Tune.Layers(len(m.Layers)), len(m.Layers))),
		Embeddings: o.Tune == All}
	memory, err := m.Memory(tuned, bert.BatchSize{}, 1)
	if err != nil {
		return nil
	}
	if p := o.Precision.Resolve(); p != bert.FP32 {
		memory.Rounded, _ = m.RoundedMemory(p, 1)
	}
	refused.Need.Model = memory
	if o.Tune == Head {
		refused.Need.Model = bert.Memory{Weights: memory.Weights, Rounded: memory.Rounded}
	} else {
		refused.Need.Moments, refused.Alone = 2*memory.Gradients, "weights, gradients and the optimizer's moments"
	}
	if int64(refused.Need.Total()) <= o.MaxMemory {
		return nil
	}
	return refused
}

// smallerTune is what helps when even the smallest batch is too much.
func smallerTune(tune Tune) []string {
	lines := []string{"a smaller model", "a larger `max_memory`, if the machine has it"}
	switch tune {
	case Head:
		return lines
	case Last(1):
		return append([]string{"`tune` head trains the head alone"}, lines...)
	}
	return append([]string{"`tune` last:1 trains one layer, `tune` head the head alone"}, lines...)
}

// admit tells what the run will take at its largest, and refuses one that the budget does not allow. From here on the folder changes.
func (r *run) admit(need train.Memory, smaller func() []string) error {
	r.watch.note(note.Need{Memory: need, Limit: r.o.MaxMemory})
	if r.o.MaxMemory > 0 && int64(need.Total()) > r.o.MaxMemory {
		return &MemoryError{Need: need, Limit: r.o.MaxMemory, Smaller: smaller()}
	}
	return r.removeFolds()
}

// admitHead refuses a head that needs too much memory.
func (r *run) admitHead() error {
	need, err := r.headMemory()
	if err != nil {
		return err
	}
	return r.admit(need, r.smallerHead)
}

// headMemory estimates what a head on a frozen encoder takes.
func (r *run) headMemory() (need train.Memory, err error) {
	weights, err := r.m.Encoder.Memory(bert.TrainerOptions{Pooling: bert.CLS, Layers: 1}, bert.BatchSize{}, 1)
	if err != nil {
		return need, err
	}
	texts, _ := r.readRows(r.texts)
	devTexts, _ := r.readRows(r.devTexts)
	rows, dev := len(texts), len(devTexts)
	if r.o.exact() {
		need.Features = r.solverMemory(r.o.Solver, r.width)
		if len(r.o.Poolings) > 0 && r.o.Solver == LDA {
			need.Features += 2 * 4 * (rows + dev) * r.width // what is narrowed: the best so far, and the next
		}
	} else {
		batch := r.config.BatchSize
		if windows := 1; r.noisyOr() {
			for i := range r.texts {
				windows = max(windows, r.texts[i].Sequences())
			}
			batch *= windows
		}
		need.Features = r.passesMemory(0) + train.HeadMemory(rows, dev, r.width, len(r.labels), batch)
	}
	if r.o.Folder.Path != "" {
		need.Saving = 4 * r.m.Encoder.KernelElements() // kernels in row-major order
	}
	need.Model.Weights, need.Model.Rounded = weights.Weights, r.roundedMemory()
	need.Other = max(0, machine.Held()-weights.Weights)
	return need, nil
}

// smallerHead says what makes a head on a frozen encoder smaller.
func (r *run) smallerHead() []string {
	return append([]string{
		fmt.Sprintf("a narrower `pooling` than %s, whose features are %d numbers a text", r.pooling, r.width),
		fmt.Sprintf("fewer rows than %d", len(r.texts)+len(r.devTexts)),
	}, smallerTune(Head)...)
}

// settleMemory estimates what the run takes, and decides how much is kept of frozen layers: what there is room for.
func (e *encoderRun) settleMemory() (need train.Memory, err error) {
	schedule, err := e.task.Config.Schedule(e.task.Texts.Texts())
	if err != nil {
		return need, &OptionError{Option: "num_train_epochs", Err: err}
	}
	noRoom := 0
	for keep := keepAll; ; keep-- {
		e.keep(keep, schedule.Steps)
		if need, err = e.memory(); err != nil {
			return need, &OptionError{Option: "tune", Err: err}
		}
		if limit := e.run.o.MaxMemory; limit == 0 || int64(need.Total()) <= limit || keep == keepNothing {
			if noRoom > 0 {
				e.run.watch.note(note.NoRoom{Bytes: noRoom, Steps: keep == keepNothing})
			}
			return need, nil
		}
		noRoom = need.Frozen
	}
}

// memory estimates what the task takes.
func (e *encoderRun) memory() (need train.Memory, err error) {
	r := e.run
	if need, err = e.task.Memory(); err != nil {
		return need, err
	}
	need.Model.Rounded = r.roundedMemory()
	if r.o.Folder.Path == "" {
		need.Saving = 0
	}
	if r.o.Dev != nil {
		hidden := r.m.Encoder.Config.HiddenSize
		need.Evaluation = r.devMemory(hidden) + 2*4*len(r.devTexts)*len(r.labels) // logits, probabilities
		if r.o.Folder.Path == "" {
			need.Evaluation += need.Model.Gradients // the best weights: a copy of what is trained
		}
	}
	need.Other = max(0, machine.Held()-need.Model.Weights)
	e.countKept(&need)
	return need, nil
}

// smaller says what makes the run smaller, and by how much.
func (e *encoderRun) smaller(need train.Memory) (lines []string) {
	try := func(change func(*train.EncoderTask)) string {
		smaller := e.task
		change(&smaller)
		m, err := smaller.Memory()
		if err != nil {
			return "less"
		}
		m.Evaluation, m.Other, m.Model.Rounded = need.Evaluation, need.Other, need.Model.Rounded
		e.countKept(&m)
		return "about " + machine.Bytes(m.Total()).String()
	}
	if batch, steps := e.task.Config.BatchSize, max(1, e.task.Config.AccumulationSteps); batch > 1 {
		half := (batch + 1) / 2
		size := try(func(t *train.EncoderTask) { t.Config.BatchSize = half })
		lines = append(lines,
			fmt.Sprintf("`train_batch_size` %d, now %d: %s", half, batch, size),
			fmt.Sprintf("with `gradient_accumulation_steps` %d, now %d, a step keeps its rows", 2*steps, steps))
	}
	if longest := need.Largest.Longest; longest > 4 {
		lines = append(lines, fmt.Sprintf("`max_seq_length` %d: the longest text has %d tokens", longest/2, longest))
	}
	if e.task.Texts.Sequences() > e.task.Texts.Texts() {
		lines = append(lines, fmt.Sprintf("fewer `windows` than %s: all those of a text go through a step together",
			e.run.m.Windows.MostText()))
	}
	if !e.task.Tune.Recompute {
		lines = append(lines, "`recompute`, which computes every layer twice: "+try(func(t *train.EncoderTask) { t.Tune.Recompute = true }))
	}
	if need.Features > 0 {
		lines = append(lines, fmt.Sprintf("a narrower `refit_pooling` than %s, whose features are %d numbers a text, or `refit` none",
			e.run.refitPooling, e.run.refitWidth))
	}
	return append(lines, smallerTune(e.run.o.Tune)...)
}
