package fit

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/bert/tokenizer"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/data"
	"bertlabel/train/fit/note"
	"bertlabel/train/solver"
)

// headRun finds a head on features of a frozen encoder.
type headRun struct {
	run  *run
	loss layers.Loss
	csv  *os.File   // metrics.csv; nil without a folder
	log  *train.Log // that writes it

	train, dev train.Features     // dev is zero for none
	thresholds []float32          // that the folds have chosen
	pooling    bert.Pooling       // of the head
	head       *layers.Classifier // the result
	onDev      *judged            // what Dev says of an exact head; nil for others
}

// fitHead computes the features, finds the head and finishes the model.
func (r *run) fitHead(ctx context.Context) error {
	h := &headRun{run: r, loss: r.o.loss(r.rows.Y, r.rows.Shares, len(r.labels)), pooling: r.pooling}
	if err := r.encode(); err != nil {
		return err
	}
	if err := r.admitHead(); err != nil {
		return err
	}
	r.follow()
	if err := r.expect(ctx, passes{}); err != nil {
		return err
	}
	if err := h.computeFeatures(ctx); err != nil {
		return err
	}
	return h.finish(ctx)
}

// finish finds the head on the features, and finishes the model.
func (h *headRun) finish(ctx context.Context) error {
	r := h.run
	if err := h.crossValidate(ctx); err != nil {
		return err
	}
	if err := h.open(); err != nil {
		return err
	}
	defer h.csv.Close() // of nil, too
	if err := h.findBest(ctx); err != nil {
		return err
	}
	r.m.SetHead(h.head, slices.Clone(r.labels), h.pooling)
	if r.o.Folds > 0 {
		r.m.Thresholds = h.thresholds
	}
	if r.o.Dev != nil {
		onDev, err := r.settle(r.m, h.dev, h.onDev)
		if err != nil {
			return err
		}
		if err := r.report(r.m, onDev); err != nil {
			return err
		}
		h.onDev = onDev
	}
	if err := h.inspectLosses(h.onDev); err != nil {
		return err
	}
	if h.csv != nil {
		if err := h.csv.Sync(); err != nil {
			return err
		}
	}
	h.train, h.dev = train.Features{}, train.Features{} // saving copies weights: it may have their room
	return r.finish()
}

// computeFeatures sets train and dev.
func (h *headRun) computeFeatures(ctx context.Context) (err error) {
	r, start := h.run, time.Now()
	note := note.Features{Rows: r.rows.Rows()}
	if h.train, err = r.features(ctx, r.pooling, r.rows, r.texts); err != nil {
		return err
	}
	if r.o.Dev != nil {
		note.DevRows = r.o.Dev.Rows()
		if h.dev, err = r.features(ctx, r.pooling, r.o.Dev, r.devTexts); err != nil {
			return err
		}
	}
	note.Seconds = time.Since(start).Seconds()
	r.watch.note(note)
	return nil
}

// noisyOr reports whether the head reads the windows of texts.
func (r *run) noisyOr() bool { return r.m.WindowPooling == model.NoisyOr }

// compute returns the features of a data set that has been tokenised, a row for each text, or by noisy-or for each window: first says which
// are those of a text, nil where each has one.
func (r *run) compute(ctx context.Context, set *data.Dataset, texts []tokenizer.Encoding, pooling bert.Pooling, progress func(done int)) (
	x *tensor.Tensor, first []int, err error) {
	if !r.noisyOr() {
		x, err = r.reader(set).Features(ctx, texts, pooling, progress)
		return x, nil, err
	}
	if x, first, err = r.reader(set).WindowFeatures(ctx, texts, pooling, progress); err == nil && x.Rows == len(texts) {
		first = nil
	}
	return x, first, err
}

// features is compute that tells of its progress, or takes the features from the cache.
func (r *run) features(ctx context.Context, pooling bert.Pooling, set *data.Dataset, texts []tokenizer.Encoding) (
	f train.Features, err error) {
	rows, first := r.readRows(texts)
	f.Y, f.Shares, f.First = set.Y, set.Shares, first
	compute := func() (x *tensor.Tensor, err error) {
		r.watch.begin("features of "+filepath.Base(set.File), "texts", len(texts))
		defer r.watch.end()
		x, _, err = r.compute(ctx, set, texts, pooling, r.watch.done)
		return x, err
	}
	if r.o.Cache == "" {
		f.X, err = compute()
		return f, err
	}
	cache := train.FeatureCache{Dir: r.o.Cache, Warn: r.warn}
	hash := train.HashTokens(rows)
	parts := []string{string(r.m.Fingerprint()), pooling.String(), string(hash[:])}
	if reader := r.reader(set); reader != r.m { // what rounds m
		parts = append(parts, reader.Precision().String())
	}
	key := train.NewFeatureKey(parts...)
	width, err := r.m.Encoder.PoolingWidth(pooling)
	if err != nil {
		return train.Features{}, err
	}
	f.X, err = cache.Features(key, len(rows), width, compute)
	return f, err
}

// pass computes the features of a data set that has been tokenised; of texts in kept, which is nil or for this pooling, it runs the trained
// layers only.
func (r *run) pass(ctx context.Context, pooling bert.Pooling, set *data.Dataset, texts []tokenizer.Encoding, kept *bert.FrozenStates) (
	*tensor.Tensor, error) {
	r.watch.begin("features of "+filepath.Base(set.File), "texts", len(texts))
	defer r.watch.end()
	if kept.Known() == 0 {
		return r.reader(set).Features(ctx, texts, pooling, r.watch.done)
	}
	return r.reader(set).FeaturesKept(ctx, texts, kept, r.watch.done)
}

// open begins metrics.csv, and takes away what a run of the encoder has left in the folder, so that Resume cannot take it for what
// stands there now.
func (h *headRun) open() (err error) {
	folder := h.run.o.Folder.Path
	if folder == "" {
		return nil
	}
	if err := (&train.Checkpoints{Dir: filepath.Join(folder, checkpointsDir)}).Clear(); err != nil {
		return err
	}
	h.log, h.csv, err = train.OpenLog(filepath.Join(folder, metricsFile), 0, h.run.config.LogSteps, h.run.o.Dev != nil)
	return err
}

// headTask is one head to be found.
type headTask struct {
	rows, dev train.Features     // dev is zero for none
	start     *layers.Classifier // where gradient steps start; nil: a new head
	work      string             // what the observer is told of steps and labels; "" for the run's own steps
}

// solveWork is what the observer is told of an exact head that is no fold's.
const solveWork = "solve"

// headFound is a head, and how it was found.
type headFound struct {
	head      *layers.Classifier
	state     train.State       // of gradient steps
	solutions []solver.Solution // of an exact solver, for each label
	rounds    int
}

// find finds one head: that of the run, and those of its folds, in the same way.
func (h *headRun) find(ctx context.Context, t headTask) (found headFound, err error) {
	r := h.run
	loss := r.o.loss(t.rows.Y, t.rows.Shares, len(r.labels))
	if r.o.exact() {
		return h.solve(ctx, t, loss)
	}
	if found.head = t.start; found.head == nil {
		found.head = r.newHead(t.rows.Width(), t.rows.Y, t.rows.Shares)
	}
	task := train.HeadTask{Config: r.config, Labels: r.labels, Train: t.rows, Dev: t.dev, Classifier: found.head, Loss: loss,
		Workers: r.workers,
		Observe: h.observe}
	if t.work != "" {
		schedule, err := r.config.Schedule(t.rows.Texts())
		if err != nil {
			return found, err
		}
		r.watch.begin(t.work, "steps", schedule.Steps)
		defer r.watch.end()
		task.Observe = func(p train.Progress) error { r.watch.done(int(p.Step)); return nil }
	}
	found.state, err = train.TrainHead(ctx, task)
	return found, err
}

// solve finds one exact head.
func (h *headRun) solve(ctx context.Context, t headTask, loss layers.Loss) (found headFound, err error) {
	r := h.run
	found.head = layers.NewClassifier(len(r.labels), t.rows.Width())
	crossEntropy, _ := loss.(layers.CrossEntropy) // Check has refused the others
	task := solver.Task{Labels: r.labels, Train: t.rows, Dev: t.dev, Classifier: found.head, Loss: crossEntropy, Seed: r.config.Seed,
		Workers: r.workers,
		Observe: func(p solver.Progress) error {
			if p.Parts > 0 {
				h.measured(&p, t.work)
				return nil
			}
			found.rounds = p.Round
			r.watch.done(p.Solved)
			return nil
		}}
	if r.o.L2 > 0 {
		task.L2 = []float64{r.o.L2}
	}
	r.watch.begin(t.work, "labels", len(r.labels))
	defer r.watch.end()
	solve := solver.Head
	if r.o.Solver == LDA {
		solve = solver.Discriminant
	}
	if found.solutions, err = solve(ctx, task); err == nil && t.work == solveWork {
		for _, end := range []int{1, -1} {
			if labels, l2 := solver.AtEnd(r.labels, found.solutions, end); len(labels) > 0 {
				r.watch.note(note.PathEnd{Labels: labels, Of: len(r.labels), L2: l2, Strongest: end > 0})
			}
		}
	}
	return found, err
}

// measured tells of the parts that a discriminant measures before it is solved, which is other work.
func (h *headRun) measured(p *solver.Progress, work string) {
	w := h.run.watch
	if p.Measured == 1 {
		w.begin("statistics", "parts", p.Parts)
	}
	if w.done(p.Measured); p.Measured == p.Parts {
		w.end()
		w.begin(work, "labels", p.Labels)
	}
}

// findBest sets the head: on the one pooling, or on that of several candidates that has the lowest loss on the rows that strengths were
// chosen on, which for several are those of Dev.
func (h *headRun) findBest(ctx context.Context) error {
	r := h.run
	if !r.o.exact() {
		return h.descend(ctx)
	}
	candidates := r.o.Poolings
	if len(candidates) == 0 {
		candidates = []bert.Pooling{r.pooling}
	}
	wideTrain, wideDev, best := h.train, h.dev, math.Inf(1)
	for _, pooling := range candidates {
		rows, err := wideTrain.Narrow(r.pooling, pooling)
		if err != nil {
			return err
		}
		dev, err := wideDev.Narrow(r.pooling, pooling)
		if err != nil {
			return err
		}
		head, onDev, loss, err := h.solveOn(ctx, pooling, rows, dev)
		if err != nil {
			return err
		}
		if loss < best || h.head == nil {
			best, h.head, h.onDev, h.pooling, h.train, h.dev = loss, head, onDev, pooling, rows, dev
		}
	}
	if len(candidates) > 1 {
		r.watch.note(note.Chosen{Pooling: h.pooling, Of: len(candidates)})
	}
	return nil
}

// solveOn finds the exact head on some features. loss is what its strengths were chosen by, NaN where nothing chose.
func (h *headRun) solveOn(ctx context.Context, pooling bert.Pooling, rows, dev train.Features) (
	head *layers.Classifier, onDev *judged, loss float64, err error) {
	start := time.Now()
	found, err := h.solve(ctx, headTask{rows: rows, dev: dev, work: solveWork}, h.loss)
	if err != nil {
		return nil, nil, 0, err
	}
	note := note.Solved{Labels: len(h.run.labels), Pooling: pooling, Width: rows.Width(), Seconds: time.Since(start).Seconds(),
		Rounds: found.rounds,
		Ranked: h.run.o.Solver == LDA && dev.X != nil}
	note.Strength, note.Loss = solver.HeldLoss(found.solutions)
	h.run.watch.note(note)
	if dev.X != nil {
		onDev = h.run.judge(&model.Model{Head: found.head}, dev)
	}
	return found.head, onDev, note.Loss, h.logSolution(found, rows, onDev, note.Seconds)
}

// logSolution writes the row of metrics.csv: rounds for steps and epochs, the loss of all training rows, and the largest element of the
// gradient.
func (h *headRun) logSolution(found headFound, rows train.Features, onDev *judged, seconds float64) (err error) {
	if h.log == nil {
		return nil
	}
	loss, err := solver.MeanLoss(found.head, h.loss, rows, h.run.workers)
	if err != nil {
		return err
	}
	p := train.Progress{
		Step: int64(found.rounds), Steps: found.rounds, Epoch: float64(found.rounds), Loss: loss,
		Rows: rows.Texts() * found.rounds, Seconds: seconds, Last: true,
	}
	for _, s := range found.solutions {
		p.GradNorm = max(p.GradNorm, s.Gradient)
	}
	if onDev != nil {
		if p.Dev, err = onDev.atHalf(); err != nil {
			return err
		}
	}
	return h.log.Observe(p)
}

// descend trains the head by gradient steps.
func (h *headRun) descend(ctx context.Context) error {
	r, begin := h.run, time.Now()
	schedule, err := r.config.Schedule(h.train.Texts())
	if err != nil {
		return &OptionError{Option: "num_train_epochs", Err: err}
	}
	start := r.startHead(r.pooling, h.train.Width())
	r.watch.note(note.Begun{Steps: schedule.Steps, StepRows: r.config.StepRows()})
	found, err := h.find(ctx, headTask{rows: h.train, dev: h.dev, start: start})
	if err != nil {
		return err
	}
	h.head, r.result.State = found.head, found.state
	r.watch.note(note.Trained{Steps: found.state.Step, Seconds: time.Since(begin).Seconds()})
	if found.state.BestStep > 0 {
		r.watch.note(note.Kept{Step: found.state.BestStep, Metric: r.bestMetric(), Value: found.state.Best, On: r.o.Dev.File})
	}
	return nil
}

// observe is told of every gradient step of the run: the row of metrics.csv comes first, so that it is there whatever the observer does.
func (h *headRun) observe(p train.Progress) error {
	if h.log != nil {
		if err := h.log.Observe(p); err != nil {
			return err
		}
	}
	return h.run.watch.step(p)
}

// bestMetric returns the name of the metric that weights are kept by.
func (r *run) bestMetric() string {
	if r.config.BestMetric == "" {
		return "f1_macro"
	}
	return r.config.BestMetric
}

// warn tells of what went wrong without ending the run.
func (r *run) warn(text string) { r.watch.note(note.Warning{Text: text}) }
