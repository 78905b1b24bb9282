package fit

import (
	"context"
	"math/rand/v2"

	"bertlabel/train"
	"bertlabel/train/fit/note"
	"bertlabel/train/refit"
	"bertlabel/train/solver"
)

// refit finds the exact head of Options.Refit on features of the encoder as it was kept, and gives the model what Dev likes best: the
// tuned head, that one, or a mixture. It returns the features of Dev that the result reads.
func (r *run) refit(ctx context.Context) (dev train.Features, err error) {
	o := *r.o
	o.Solver, o.Cache = o.Refit, "" // the encoder is another than the one whose features a cache has
	exact := *r
	exact.o = &o
	h := &headRun{run: &exact, loss: o.loss(r.rows.Y, r.rows.Shares, len(r.labels))}
	rows, err := exact.features(ctx, r.refitPooling, r.rows, r.texts)
	if err != nil {
		return dev, err
	}
	task := refit.Task{Labels: r.labels, Tuned: r.m.Head, TunedPooling: r.pooling, Pooling: r.refitPooling}
	if task.Dev, err = exact.features(ctx, r.refitPooling, o.Dev, r.devTexts); err != nil {
		return dev, err
	}
	if task.Exact, _, _, err = h.solveOn(ctx, r.refitPooling, rows, task.Dev); err != nil {
		return dev, err
	}
	if o.Refit == LDA {
		task.Calibrate = rand.New(rand.NewPCG(r.config.Seed, calibrationStream))
	}
	best, err := refit.Choose(task)
	if err != nil {
		return dev, err
	}
	if r.record.RefitShare = &best.Share; best.Share < 1 {
		r.m.SetHead(best.Head, r.labels, best.Pooling)
	}
	r.watch.note(note.Refit{Solver: o.Refit.String(), Pooling: r.refitPooling, Tuned: best.Tuned, Exact: best.Exact,
		Shares: refit.Shares(), AveragePrecision: best.AveragePrecision, Share: best.Share})
	return best.Dev, nil
}

// countRefit makes Features of an estimate of the steps what the refit, which follows them, takes beyond what they then set free.
func (r *run) countRefit(need *train.Memory) {
	if r.o.Refit != Gradient {
		need.Features = max(0, r.solverMemory(r.o.Refit, r.refitWidth)-need.Released())
	}
}

// solverMemory estimates what an exact head takes: the passes for its features, these, and the solver.
func (r *run) solverMemory(by Solver, width int) int {
	rows, dev, labels := len(r.texts), len(r.devTexts), len(r.labels)
	passes := r.passesMemory(0)
	if by == LDA {
		return passes + solver.DiscriminantMemory(rows, dev, width, labels)
	}
	return passes + solver.Memory(rows, dev, width, labels)
}
