package main

import (
	"fmt"
	"strings"

	"bertlabel/asm/machine"
	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/train"
	"bertlabel/train/solver"
)

// admit says what a run will take at its largest, and refuses one that the memory budget does not allow. advice is what the user can
// do.
func admit(a *cli.App, need *train.Memory, advice func() []string) error {
	total := need.Total()
	a.Log.Infof("memory: about %s%s: %s", term.Bytes(total), budgetText(a), memoryText(need))
	if a.MaxMemory > 0 && total > int(a.MaxMemory) {
		return cli.WithCode(cli.ExitResources, fmt.Errorf("training needs about %s, %s more than the memory budget of %s (--max-memory; else 80 %% of what the machine or its container has):\n  %s",
			term.Bytes(total), term.Bytes(total-int(a.MaxMemory)), term.Bytes(int(a.MaxMemory)), strings.Join(advice(), "\n  ")))
	}
	return nil
}

func budgetText(a *cli.App) string {
	if a.MaxMemory == 0 {
		return ""
	}
	return " of " + term.Bytes(int(a.MaxMemory))
}

// memoryText lists the parts of an estimate that are not nothing.
func memoryText(m *train.Memory) string {
	activations := "activations"
	if m.Largest.Tokens > 0 {
		activations = fmt.Sprintf("activations of %d tokens", m.Largest.Tokens)
	}
	var parts []string
	for _, p := range []struct {
		what  string
		bytes int
	}{
		{"weights", m.Model.Weights + m.Head}, {"row-major kernels", m.Model.Kernels}, {"gradients", m.Model.Gradients}, {"moments", m.Moments},
		{activations, m.Model.Activations}, {"workspace", m.Model.Workspace}, {"features", m.Features}, {"frozen layers' outputs", m.Frozen}, {"saving", m.Saving},
		{"dev", m.Evaluation}, {"program and texts", m.Other},
	} {
		if p.bytes > 0 {
			parts = append(parts, p.what+" "+term.Bytes(p.bytes))
		}
	}
	return strings.Join(parts, ", ")
}

// admitWeights refuses, before the weights are read, a model for whose weights alone the budget is too small; with training, for
// their gradients and moments too.
func (t *training) admitWeights() error {
	source, err := t.models.Source()
	if err != nil || t.a.MaxMemory == 0 {
		return nil // opening the model will say what is wrong with it
	}
	config, err := source.ReadConfig(t.a)
	if err != nil {
		return nil
	}
	m, err := bert.New(config)
	if err != nil {
		return nil
	}
	need, what := train.Memory{}, "the weights"
	if need.Model, err = m.Memory(bert.TrainerOptions{Pooling: bert.CLS, Layers: 1}, bert.BatchSize{}, 1); err != nil {
		return nil
	}
	need.Model = bert.Memory{Weights: need.Model.Weights}
	if layers := min(t.layers, len(m.Layers)); t.tune != "head" {
		if layers < 0 {
			layers = len(m.Layers)
		}
		o := bert.TrainerOptions{Pooling: bert.CLS, Layers: layers, Embeddings: t.embeddings}
		if need.Model, err = m.Memory(o, bert.BatchSize{}, 1); err != nil {
			return nil
		}
		need.Moments, what = 2*need.Model.Gradients, "weights, gradients and the optimizer's moments"
	}
	if total := need.Total(); total > int(t.a.MaxMemory) {
		return cli.WithCode(cli.ExitResources, fmt.Errorf("--model %s: %s alone take %s, the memory budget is %s (--max-memory; else 80 %% of what the machine or its container has):\n  %s",
			t.models.Path, what, term.Bytes(total), term.Bytes(int(t.a.MaxMemory)), strings.Join(t.smallerTuning(), "\n  ")))
	}
	return nil
}

// smallerTuning is what helps when even the smallest batch is too much.
func (t *training) smallerTuning() []string {
	if t.tune == "head" {
		return []string{"a smaller model", "a larger --max-memory, if the machine has it"}
	}
	return []string{"--tune last:1 trains one layer, --tune head the head alone", "a smaller model", "a larger --max-memory, if the machine has it"}
}

// admit refuses a run that needs too much memory, and has the outputs of frozen layers kept where there is room for them and a second
// epoch that reads them.
func (r *encoderRun) admit(task *train.EncoderTask) error {
	schedule, err := task.Config.Schedule(task.Texts.Texts())
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	task.KeepFrozen = schedule.Steps > task.Texts.Texts()/task.Config.StepRows()
	need, err := r.memory(*task)
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	if budget := int(r.a.MaxMemory); budget > 0 && need.Total() > budget && need.Frozen > 0 {
		r.a.Log.Infof("the frozen layers run again in every epoch: there is no room for their outputs, %s", term.Bytes(need.Frozen))
		task.KeepFrozen, need.Frozen = false, 0
	}
	r.estimate = need.Total()
	return admit(r.a, &need, func() []string { return r.advice(*task, need) })
}

// memory estimates what a task takes.
func (r *encoderRun) memory(task train.EncoderTask) (need train.Memory, err error) {
	if need, err = task.Memory(); err != nil {
		return need, err
	}
	if r.devSet != nil {
		hidden := r.m.Encoder.Config.HiddenSize
		need.Evaluation = r.m.FeaturesMemory(r.devTexts, hidden) + 2*4*len(r.devTexts)*r.classifier.Labels() // logits, probabilities
	}
	need.Other = max(0, machine.Held()-need.Model.Weights)
	return need, nil
}

// advice says what makes the run smaller, and by how much.
func (r *encoderRun) advice(task train.EncoderTask, need train.Memory) (lines []string) {
	try := func(change func(*train.EncoderTask)) string {
		smaller := task
		change(&smaller)
		m, err := smaller.Memory()
		if err != nil {
			return "less"
		}
		m.Evaluation, m.Other = need.Evaluation, need.Other
		return "about " + term.Bytes(m.Total())
	}
	if batch, steps := task.Config.BatchSize, max(1, task.Config.AccumulationSteps); batch > 1 {
		half := (batch + 1) / 2
		size := try(func(t *train.EncoderTask) { t.Config.BatchSize = half })
		lines = append(lines,
			fmt.Sprintf("--train-batch-size %d, now %d: %s", half, batch, size),
			fmt.Sprintf("with --gradient-accumulation-steps %d, now %d, a step keeps its rows", 2*steps, steps))
	}
	if longest := need.Largest.Longest; longest > 4 {
		lines = append(lines, fmt.Sprintf("--max-seq-length %d: the longest text has %d tokens", longest/2, longest))
	}
	if !task.Tune.Recompute {
		lines = append(lines, "--recompute, which computes every layer twice: "+try(func(t *train.EncoderTask) { t.Tune.Recompute = true }))
	}
	return append(lines, r.smallerTuning()...)
}

// admit refuses a run that needs too much memory.
func (r *headRun) admit() error {
	width, err := r.m.Encoder.PoolingWidth(r.pooling)
	if err != nil {
		return err
	}
	model, err := r.m.Encoder.Memory(bert.TrainerOptions{Pooling: bert.CLS, Layers: 1}, bert.BatchSize{}, 1)
	if err != nil {
		return err
	}
	rows, dev := len(r.texts), len(r.devTexts)
	passes := max(r.m.FeaturesMemory(r.texts, 0), r.m.FeaturesMemory(r.devTexts, 0))
	head := solver.Memory(rows, dev, width, len(r.labels))
	if r.Solver == "gradient" {
		head = train.HeadMemory(rows, dev, width, len(r.labels), r.config.BatchSize)
	}
	need := train.Memory{
		Features: passes + head,
		Saving:   4 * r.m.Encoder.KernelElements(), // kernels in row-major order
	}
	need.Model.Weights = model.Weights
	need.Other = max(0, machine.Held()-model.Weights)
	r.estimate = need.Total()
	return admit(r.a, &need, func() []string {
		return append([]string{
			fmt.Sprintf("a narrower --pooling than %s, whose features are %d numbers a text", r.pooling, width),
			fmt.Sprintf("fewer rows than %d", rows+dev),
		}, r.smallerTuning()...)
	})
}
