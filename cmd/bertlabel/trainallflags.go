package main

import (
	"os"
	"strconv"
	"strings"

	"bertlabel/checkpoint/atomic"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/train"

	"github.com/spf13/cobra"
)

// tuning holds the flags of `train` that only matter when the encoder is trained.
type tuning struct {
	resume      bool
	resumeFrom  string // prefix of a TensorFlow training checkpoint
	saveSteps   int
	keep        int
	verify      bool
	tensorboard bool
	recompute   bool

	layers           int  // trained layers, counted from the last; 0: the head only
	embeddings       bool // trained too
	hiddenDropout    float64
	attentionDropout float64
}

// addTuningFlags declares them.
func addTuningFlags(cmd *cobra.Command, t *training) {
	f, u := cmd.Flags(), &t.tuning
	f.BoolVar(&u.resume, "resume", false, "go on with the run in --output: the same bits as if it had never stopped")
	f.StringVar(&u.resumeFrom, "resume-from", "", "go on from a TensorFlow training checkpoint, `PREFIX`, with adam_m, adam_v and global_step")
	f.IntVar(&u.saveSteps, "save-checkpoints-steps", 1000, "steps between two checkpoints")
	f.IntVar(&u.keep, "keep-checkpoints", 3, "newest checkpoints that stay")
	f.BoolVar(&u.verify, "verify-save", true, "read every checkpoint back before it counts")
	f.BoolVar(&u.tensorboard, "tensorboard", true, "write event files for TensorBoard")
	f.BoolVar(&u.recompute, "recompute", false, "compute each layer again on the way back: the same bits in less memory and more time")
	f.Float64Var(&t.config.LayerDecay, "layerwise-lr-decay", 1, "factor of the learning rate from layer to layer downwards")
	cli.Minor(cmd, "Run flags", "overwrite", "resume", "resume-from", "save-checkpoints-steps", "keep-checkpoints", "verify-save", "tensorboard", "recompute", "layerwise-lr-decay", "features-cache", "baseline")
	f.Lookup("learning-rate").DefValue = "5e-05; head: 0.01"
	f.Lookup("num-train-epochs").DefValue = "3; head: 10"
	f.Lookup("dropout").DefValue = "the config's; features: 0.1"
}

// settleTuning reads --tune, and gives what nothing has set the defaults for training an encoder.
func (t *training) settleTuning(cmd *cobra.Command) error {
	u, changed := &t.tuning, cmd.Flags().Changed
	last, isLast := strings.CutPrefix(t.tune, "last:")
	n, err := strconv.Atoi(last)
	switch {
	case t.tune == "head":
		if u.resumeFrom != "" {
			return cli.Usagef("--resume-from goes on with a run that trained the encoder: give --tune all or last:N")
		}
		if t.config.OnNaN == train.RestoreOnNaN {
			return cli.Usagef("--on-nan restore goes back to a checkpoint, and --tune head writes none: give stop or skip")
		}
		return nil
	case t.tune == "all":
		u.layers, u.embeddings = -1, true // as many as there are
	case isLast && err == nil && n >= 1:
		u.layers = n
	default:
		return cli.Usagef("--tune %q: want head, last:N or all", t.tune)
	}
	if u.saveSteps < 0 || u.keep < 1 {
		return cli.Usagef("--save-checkpoints-steps %d, --keep-checkpoints %d: want at least 0 and 1", u.saveSteps, u.keep)
	}
	if u.resume && t.overwrite {
		return cli.Usagef("--resume goes on with the run in --output, --overwrite begins anew: give one of them")
	}
	if u.resumeFrom != "" && t.models.InitCheckpoint != "" {
		return cli.Usagef("--resume-from brings the weights: --init-checkpoint has no place beside it")
	}
	defaults := train.DefaultConfig()
	if !changed("learning-rate") {
		t.config.LearningRate = defaults.LearningRate
	}
	if !changed("num-train-epochs") {
		t.config.Epochs = defaults.Epochs
	}
	u.hiddenDropout, u.attentionDropout = -1, -1 // the config's
	if changed("dropout") {
		u.hiddenDropout, u.attentionDropout = t.config.Dropout, t.config.Dropout
	}
	if u.resumeFrom != "" {
		t.models.InitCheckpoint = u.resumeFrom
	}
	return nil
}

// lockOutput makes the output folder and keeps other processes out of it until the process ends.
func (t *training) lockOutput() (*atomic.Lock, error) {
	if err := os.MkdirAll(t.output, 0o777); err != nil {
		return nil, err
	}
	return atomic.Acquire(t.output)
}
