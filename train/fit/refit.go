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
	task := refit.Task{Labels: r.labels, Tuned: r.m.Head, TunedPooling: r.pooling, Pooling: r.refitPooling}
	rows := train.Features{Y: r.rows.Y, Shares: r.rows.Shares}
	if rows.X, err = r.pass(ctx, r.refitPooling, r.rows, r.texts, r.frozen); err != nil {
		return dev, err
	}
	task.Dev = train.Features{Y: r.o.Dev.Y, Shares: r.o.Dev.Shares}
	if task.Dev.X, err = r.pass(ctx, r.refitPooling, r.o.Dev, r.devTexts, r.frozenDev); err != nil {
		return dev, err
	}
	r.frozen, r.frozenDev = nil, nil // all but the features: room for the solver
	o := *r.o
	o.Solver = o.Refit
	exact := *r
	exact.o = &o
	h := &headRun{run: &exact, loss: o.loss(r.rows.Y, r.rows.Shares, len(r.labels))}
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

// solverMemory estimates what an exact head takes: the passes for its features, these, and the solver.
func (r *run) solverMemory(by Solver, width int) int {
	rows, dev, labels := len(r.texts), len(r.devTexts), len(r.labels)
	passes := r.passesMemory(0)
	if by == LDA {
		return passes + solver.DiscriminantMemory(rows, dev, width, labels)
	}
	return passes + solver.Memory(rows, dev, width, labels)
}
