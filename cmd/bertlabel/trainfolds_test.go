package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// foldsOf reads the report of a run.
func foldsOf(t *testing.T, h headTask, name string) (f struct {
	Folds     int
	Rows      int
	ROCAUC    float64 `json:"roc_auc_macro"`
	F1Macro   float64 `json:"f1_macro"`
	LogLoss   float64 `json:"log_loss"`
	Mean, Std map[string]*float64
	Each      []map[string]any
	Tuned     struct {
		Threshold []float64
	}
}, text string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(h.dir, name, "folds.json"))
	if err == nil {
		err = json.Unmarshal(content, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, string(content)
}

// The folds judge a head by rows it does not know, for either solver; the model itself is that of a run without them.
func TestTrainFolds(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	for name, args := range map[string][]string{
		"exact":    {"--solver", "lbfgs", "--l2", "1e-3"},
		"gradient": {"--max-steps", "300", "--dropout", "0", "--bias-init", "log-odds", "--pos-weight", "balanced"},
	} {
		args = append(args, "--pooling", "mean")
		plain, _ := task.run(t, name+"-plain", args...)
		m, stderr := task.run(t, name, append(args, "--folds", "4", "--features-cache", filepath.Join(task.dir, "cache"))...)
		if !slices.Equal(m.Head.Weights.Value, plain.Head.Weights.Value) {
			t.Errorf("%s: --folds changes the model", name)
		}
		f, text := foldsOf(t, task, name)
		if !strings.Contains(stderr, "out of fold at 0.5: f1_macro") || f.Folds != 4 || f.Rows != 120 || len(f.Each) != 4 ||
			!(f.F1Macro > 0.9) || trainingOf(t, m)["folds"] != 4.0 {
			t.Errorf("%s: %+v\n%s", name, f, stderr)
		}
		page, err := os.ReadFile(filepath.Join(task.dir, name, "report.html"))
		if err != nil || !strings.Contains(string(page), "120 rows, each by a head of the other folds") ||
			!strings.Contains(string(page), fmt.Sprintf("%.4f", f.F1Macro)[:5]) {
			t.Errorf("%s: %v, the report does not show the folds", name, err)
		}
		rows, mean, squares := 0.0, 0.0, 0.0
		for _, fold := range f.Each {
			rows += fold["rows"].(float64)
			mean += fold["log_loss"].(float64) / 4
		}
		for _, fold := range f.Each {
			squares += math.Pow(fold["log_loss"].(float64)-mean, 2)
		}
		if rows != 120 || !(math.Abs(*f.Mean["log_loss"]-mean) <= 1e-12) || !(math.Abs(*f.Std["log_loss"]-math.Sqrt(squares/3)) <= 1e-12) {
			t.Errorf("%s: %v rows, mean %v, std %v, want %v and %v", name, rows, *f.Mean["log_loss"], *f.Std["log_loss"], mean,
				math.Sqrt(squares/3))
		}
		tuned, _ := task.run(t, name, append(args, "--folds", "4", "--tune-thresholds=per-label", "--threads", "3")...)
		again, sameText := foldsOf(t, task, name)
		if text != sameText || float64(tuned.Thresholds[0]) != float64(float32(again.Tuned.Threshold[0])) || tuned.Thresholds[0] == 0.5 &&
			tuned.Thresholds[1] == 0.5 {
			t.Errorf("%s: thresholds %v, chosen on the folds %v, same report %t", name, tuned.Thresholds, again.Tuned.Threshold,
				text == sameText)
		}
	}
	task.run(t, "exact", "--max-steps", "2")
	if _, err := os.Stat(filepath.Join(task.dir, "exact", "folds.json")); !os.IsNotExist(err) {
		t.Errorf("the folds of an earlier run are left: %v", err)
	}
}

// Labels that are drawn by lot cannot be known of a row that is left out, although every text stands there twice: its rows are in
// one fold.
func TestTrainFoldsKnowNothing(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"the", "mat", "cat", "sat", "big", "red", "home"}
	csv := "text,animal,colour\n"
	for range 40 {
		text := ""
		for range 8 {
			text += " " + words[random.IntN(len(words))]
		}
		row := fmt.Sprintf("%d,%d\n", random.IntN(2), random.IntN(2))
		csv += text + "," + row + strings.ToUpper(text) + " ," + row
	}
	cmdtest.WriteFile(t, task.train, csv)
	task.run(t, "model", "--pooling", "concat:mean,cls,max", "--solver", "lbfgs", "--l2", "1e-5", "--folds", "5")
	stdout, stderr, code := bertlabel(t, "", "eval", "--model", filepath.Join(task.dir, "model"), "--data", task.train)
	var known struct {
		ROCAUC float64 `json:"roc_auc_macro"`
	}
	if err := json.Unmarshal([]byte(stdout), &known); err != nil || code != cli.ExitOK {
		t.Fatalf("%v, %s", err, stderr)
	}
	// 80 cells of each of two labels: the standard deviation of an AUC by chance is about 0.09, for 40 texts
	if f, _ := foldsOf(t, task, "model"); !(known.ROCAUC > 0.9) || !(f.ROCAUC < 0.75) {
		t.Errorf("AUC %.3f on known rows, %.3f out of fold", known.ROCAUC, f.ROCAUC)
	}
}

func TestTrainFoldsRefuses(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--folds 1", "want 2 or more", cli.ExitUsage},
		{"--folds 5 --dev " + task.dev, "takes the place of --dev", cli.ExitUsage},
		{"--folds 5 --tune all", "give --tune head", cli.ExitUsage},
		{"--folds 5 --calibrate", "--calibrate needs --dev", cli.ExitUsage},
		{"--folds 121 --pooling mean", "different texts, expected at least 121", cli.ExitData},
	} {
		args := append([]string{"train", "--model", task.base, "--train", task.train, "--output", filepath.Join(task.dir, "refused"),
			"--overwrite"}, strings.Fields(c.args)...)
		if _, stderr, code := bertlabel(t, "", args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %s", c.args, code, stderr)
		}
	}
}
