package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// recipeTask is a head task in the environment of a user who has set nothing, with so many rows to train on.
func recipeTask(t *testing.T, rows int) (task headTask, run func(args ...string) (stderr string, code int)) {
	t.Helper()
	task = newHeadTask(t)
	cmdtest.WriteFile(t, task.train, cmdtest.LabelledCSV(rows, 1))
	return task, func(args ...string) (string, int) {
		args = append([]string{"train", "--model", task.base, "--train", task.train, "--output", filepath.Join(task.dir, "out")}, args...)
		_, stderr, code := bertlabelIn(t, unset, "", args...)
		return stderr, code
	}
}

// unset is the environment of a user who has set nothing.
var unset = map[string]string{"BERTLABEL_RECIPE": "", "BERTLABEL_BASELINE": ""}

// Bare train: a tenth is held out, the recipe best is followed and kept in the model, and the baseline stands beside it.
func TestBareTrain(t *testing.T) {
	t.Parallel()
	task, run := recipeTask(t, 240)
	stderr, code := run("--num-train-epochs", "1")
	m, err := model.Open(filepath.Join(task.dir, "out"), nil)
	if code != cli.ExitOK || err != nil {
		t.Fatalf("exit %d, %v, stderr %s", code, err, stderr)
	}
	for _, want := range []string{"24 of 240 rows are held out to choose by", "recipe best", "--tune last:2 --pooling mean --optimizer adamw",
		"texts are read up to", "average_precision_macro on dev by the share of the tuned head", "kept the guarded thresholds",
		"average_precision_macro on dev: model"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	config := trainingOf(t, m)
	for key, want := range map[string]any{"recipe": "best", "tune": "last:2", "refit": "lda", "tune_thresholds": "guarded",
		"dev": task.train + " (held out)", "learning_rate": 3e-4, "optimizer": "adamw", "num_train_epochs": 1.0} {
		if config[key] != want {
			t.Errorf("%s is %v, want %v", key, config[key], want)
		}
	}
	if _, err := os.Stat(filepath.Join(task.dir, "out", "baseline.json")); err != nil {
		t.Error(err)
	}
}

// A run of a recipe that is killed goes on by the same command line and --resume: the tenth that is held out is the same.
func TestBareTrainResumes(t *testing.T) {
	t.Parallel()
	task, run := recipeTask(t, 240)
	if stderr, code := run("--max-steps", "6", "--save-checkpoints-steps", "2"); code != cli.ExitOK {
		t.Fatal(code, stderr)
	}
	out := filepath.Join(task.dir, "out")
	whole, err := os.ReadFile(filepath.Join(out, "bert_model.ckpt.data-00000-of-00001"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(out, "checkpoints", "ckpt-000006")); err != nil {
		t.Fatal(err)
	}
	stderr, code := run("--max-steps", "6", "--save-checkpoints-steps", "2", "--resume")
	again, err := os.ReadFile(filepath.Join(out, "bert_model.ckpt.data-00000-of-00001"))
	if code != cli.ExitOK || err != nil || !slices.Equal(whole, again) || !strings.Contains(stderr, "going on behind step 4") {
		t.Errorf("exit %d, %v, equal %v, stderr %s", code, err, slices.Equal(whole, again), stderr)
	}
}

// Below 200 rows nothing is held out, and the recipe is google's; one that was asked for by name is refused instead.
func TestFewRows(t *testing.T) {
	t.Parallel()
	task, run := recipeTask(t, 199)
	stderr, code := run("--max-steps", "2")
	m, err := model.Open(filepath.Join(task.dir, "out"), nil)
	if code != cli.ExitOK || err != nil || !strings.Contains(stderr, "199 rows are too few to hold some out") {
		t.Fatalf("exit %d, %v, stderr %s", code, err, stderr)
	}
	config := trainingOf(t, m)
	if config["recipe"] != "google" || config["tune"] != "head" || config["optimizer"] != "google" || config["learning_rate"] != 0.01 ||
		config["dev"] != nil || m.MaxSeqLength != m.Encoder.Config.MaxPositionEmbeddings || strings.Contains(stderr, "baseline") {
		t.Errorf("%v, MaxSeqLength %d\n%s", config, m.MaxSeqLength, stderr)
	}
	if stderr, code := run("--recipe", "fast", "--overwrite"); code != cli.ExitUsage ||
		!strings.Contains(stderr, "199 rows are too few for that: give --dev") {
		t.Errorf("exit %d, stderr %s", code, stderr)
	}
}

// The spelling of run_classifier.py asks for its recipe; --recipe help needs nothing else.
func TestGoogleSpelling(t *testing.T) {
	t.Parallel()
	task, run := recipeTask(t, 240)
	stderr, code := run("--num_train_epochs", "1")
	m, err := model.Open(filepath.Join(task.dir, "out"), nil)
	if code != cli.ExitOK || err != nil || trainingOf(t, m)["recipe"] != "google" || strings.Contains(stderr, "held out") {
		t.Errorf("exit %d, %v, stderr %s", code, err, stderr)
	}
	stdout, stderr, code := bertlabel(t, "", "train", "--recipe", "help")
	if code != cli.ExitOK || strings.Count(stdout, "\n") != 3 || stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
