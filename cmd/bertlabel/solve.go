package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/layers"
	"bertlabel/tensor"
	"bertlabel/train"
	"bertlabel/train/metrics"
	"bertlabel/train/solver"

	"github.com/spf13/cobra"
)

// solverFlags are the flags of `train --tune head` that say how the head is found.
type solverFlags struct {
	Solver string  `json:"solver"`
	L2     float64 `json:"l2,omitempty"`
}

func addSolverFlags(cmd *cobra.Command, s *solverFlags) {
	f := cmd.Flags()
	f.StringVar(&s.Solver, "solver", "gradient", "head by gradient (Google's), lbfgs (exact), lda (discriminant)")
	f.Float64Var(&s.L2, "l2", 0, "strength of the L2 penalty of --solver lbfgs and lda, on standardised features; 0: chosen on --dev, by lbfgs for each label and without --dev on a fifth of the rows")
	cli.Minor(cmd, "Head flags", "l2")
}

func (s *solverFlags) check(t *training) error {
	if err := cli.OneOf("solver", s.Solver, "gradient", "lbfgs", "lda"); err != nil {
		return err
	}
	exact := s.Solver != "gradient"
	switch {
	case exact && t.tune != "head":
		return cli.Usagef("--solver %s finds a head on a frozen encoder: give --tune head", s.Solver)
	case exact && (t.Loss == "focal" || t.Loss == "asymmetric"):
		return cli.Usagef("--solver %s has no use for --loss %s, which is not convex", s.Solver, t.Loss)
	case s.Solver == "lda" && (t.PosWeight != "" || t.LabelSmoothing != 0):
		return cli.Usagef("--solver lda has no loss that --pos-weight or --label-smoothing could change")
	case s.Solver == "lda" && t.dev == "" && s.L2 == 0:
		return cli.Usagef("--solver lda chooses its strength on --dev: give that, or --l2")
	case !(s.L2 >= 0) || math.IsInf(s.L2, 0):
		return cli.Usagef("--l2 %v: want 0 (chosen) or more", s.L2)
	case s.L2 > 0 && !exact:
		return cli.Usagef("--l2 is for --solver lbfgs and lda; the gradient has --weight-decay")
	}
	if s.Solver == "lda" && t.dev != "" && t.Calibrate == "" {
		t.Calibrate = "platt" // its logits are too sure of themselves
	}
	return nil
}

// solver returns what finds an exact head.
func (s *solverFlags) solver() func(context.Context, solver.Task) ([]solver.Solution, error) {
	if s.Solver == "lda" {
		return solver.Discriminant
	}
	return solver.Head
}

// solve finds the head on each of the candidates, which are all part of the features, and keeps the one with the lowest loss
// on the rows that its strengths were chosen on: for several, those of dev.
func (r *headRun) solve(ctx context.Context, candidates []bert.Pooling) error {
	wide, wideTrain, wideDev := r.pooling, r.train, r.dev
	best := math.Inf(1)
	for _, pooling := range candidates {
		trainPart, err := narrow(wideTrain, wide, pooling)
		if err != nil {
			return err
		}
		devPart, err := narrow(wideDev, wide, pooling)
		if err != nil {
			return err
		}
		head, loss, err := r.solveOn(ctx, pooling, trainPart, devPart)
		if err != nil {
			return err
		}
		if loss < best || len(candidates) == 1 {
			best, r.head, r.pooling, r.train, r.dev = loss, head, pooling, trainPart, devPart
		}
	}
	if len(candidates) > 1 {
		r.a.Log.Infof("chose --pooling %s, of %d", r.pooling, len(candidates))
	}
	return nil
}

// narrow returns the features of a narrower pooling from those of wide.
func narrow(f train.Features, wide, pooling bert.Pooling) (train.Features, error) {
	if f.X == nil || wide == pooling {
		return f, nil
	}
	x, err := bert.SelectFeatures(f.X, wide, pooling)
	return train.Features{X: x, Y: f.Y}, err
}

// solveOn finds the exact head on some features. loss is the mean over the labels of the loss on the cells that their strengths
// were chosen on.
func (r *headRun) solveOn(ctx context.Context, pooling bert.Pooling, trainPart, dev train.Features) (head *layers.Classifier, loss float64, err error) {
	start, rounds := time.Now(), 0
	head = layers.NewClassifier(len(r.labels), trainPart.X.Cols)
	loss64, _ := r.loss.(layers.CrossEntropy) // check has refused the others
	task := solver.Task{
		Labels: r.labels, Train: trainPart, Dev: dev, Classifier: head, Loss: loss64, Seed: r.config.Seed, Workers: r.workers,
		Observe: func(p solver.Progress) error {
			rounds = p.Round
			r.a.Log.Progress("solve", cli.Progress{Step: p.Solved, Steps: p.Labels})
			return nil
		},
	}
	if r.L2 > 0 {
		task.L2 = []float64{r.L2}
	}
	r.a.Log.Progress("solve", cli.Progress{Steps: len(r.labels)})
	solutions, err := r.solver()(ctx, task)
	r.a.Log.Done()
	if err != nil {
		return nil, 0, err
	}
	seconds := time.Since(start).Seconds()
	loss, said := heldLoss(solutions)
	if r.Solver == "lda" && dev.X != nil {
		said += " (1 − average_precision_macro on dev)"
	}
	r.a.Log.Infof("solved %d labels on %s (%d features) in %.1f s, %d rounds; %s", len(r.labels), pooling, trainPart.X.Cols, seconds, rounds, said)
	return head, loss, r.logSolution(head, trainPart, dev, solutions, rounds, seconds)
}

// heldLoss returns the mean loss on the cells that chose, and says what was chosen.
func heldLoss(solutions []solver.Solution) (loss float64, said string) {
	var strengths []float64
	n := 0
	for _, s := range solutions {
		if s.Rounds > 0 {
			strengths = append(strengths, s.L2)
		}
		if !math.IsNaN(s.HeldLoss) {
			loss += s.HeldLoss
			n++
		}
	}
	if len(strengths) == 0 {
		return math.NaN(), "every label has one class only"
	}
	said = fmt.Sprintf("l2 %.2g to %.2g", slices.Min(strengths), slices.Max(strengths))
	if n == 0 {
		return math.NaN(), said
	}
	return loss / float64(n), said + fmt.Sprintf(", loss where it was chosen %.5f", loss/float64(n))
}

// logSolution writes the row of metrics.csv: rounds for steps and epochs, the loss of all training rows, and the largest element of
// the gradient.
func (r *headRun) logSolution(head *layers.Classifier, trainPart, dev train.Features, solutions []solver.Solution, rounds int, seconds float64) error {
	logits := tensor.New(trainPart.X.Rows, len(r.labels))
	head.Forward(logits, trainPart.X)
	p := train.Progress{
		Step: int64(rounds), Steps: rounds, Epoch: float64(rounds), Loss: layers.MeanLoss(r.loss, nil, logits, trainPart.Y, 0),
		Rows: trainPart.X.Rows * rounds, Seconds: seconds, Last: true,
	}
	for _, s := range solutions {
		p.GradNorm = max(p.GradNorm, s.Gradient)
	}
	if dev.X != nil {
		var err error
		_, devProbabilities := head.Score(dev.X)
		if p.Dev, err = metrics.Evaluate(metrics.Data{Labels: r.labels, Truth: dev.Y, Scores: devProbabilities.Data}, []float32{model.DefaultThreshold}); err != nil {
			return err
		}
	}
	return r.log.Observe(p)
}

// autoWidth is the most columns that --pooling auto considers: the time to solve grows with their square.
const autoWidth = 6144

// autoPoolings returns what --pooling auto chooses from, and the pooling that has the vectors of all of them.
func (r *headRun) autoPoolings() (candidates []bert.Pooling, wide bert.Pooling, err error) {
	n, hidden := len(r.m.Encoder.Layers), r.m.Encoder.Config.HiddenSize
	specs := []string{"cls", "mean", "concat:cls,mean", fmt.Sprintf("mean:-1..%d", -min(3, n)), spread(n, autoWidth/hidden, "mean"), spread(n, autoWidth/hidden, "mean", "max")}
	if r.m.Encoder.Pooler != nil {
		specs = append([]string{"pooled"}, specs...)
	}
	for _, s := range specs {
		pooling, err := bert.ParsePooling(s)
		if err != nil {
			return nil, "", err
		}
		if width, err := r.m.Encoder.PoolingWidth(pooling); err != nil {
			return nil, "", err
		} else if width <= autoWidth && !slices.Contains(candidates, pooling) {
			candidates = append(candidates, pooling)
		}
	}
	if len(candidates) == 0 {
		candidates = []bert.Pooling{bert.Mean}
	}
	wide, err = bert.JoinPoolings(candidates...)
	return candidates, wide, err
}

// spread writes the pooling of the given kinds of n layers and the embeddings: all, or so many evenly spread ones that there are at
// most that many vectors.
func spread(n, most int, kinds ...string) string {
	every := max(1, (len(kinds)*(n+1)+most-1)/max(1, most))
	var items []string
	for _, kind := range kinds {
		for layer := 1; layer <= n+1; layer += every {
			items = append(items, fmt.Sprintf("%s:-%d", kind, layer))
		}
	}
	return "concat:" + strings.Join(items, ",")
}
