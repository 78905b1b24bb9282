package main

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
)

// firstLoss makes one step at a rate of 0, which changes nothing, and returns the loss of its batch, which is all rows.
func (h headTask) firstLoss(t *testing.T, args ...string) float64 {
	t.Helper()
	args = append([]string{"--pooling", "mean", "--train-batch-size", "120", "--max-steps", "1", "--learning-rate", "0", "--dropout",
		"0"}, args...)
	h.run(t, "first", args...)
	header, rows := metricsTable(t, filepath.Join(h.dir, "first"))
	return rows[0][slices.Index(header, "loss")]
}

// The weight of positives is what the flag says: a file's number is linear in the loss, balanced is negatives over positives, and the
// cap bounds it.
func TestPosWeight(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	rare := "text,rare\n" // 4 of 44 are positive
	for i := range 44 {
		rare += fmt.Sprintf("the cat sat %d,%d\n", i, (i%11)/10)
	}
	cmdtest.WriteFile(t, task.train, rare)
	loss := func(weight string) float64 {
		path := filepath.Join(task.dir, "weights.json")
		cmdtest.WriteFile(t, path, `{"rare": `+weight+`}`)
		return task.firstLoss(t, "--pos-weight", path)
	}
	one, three, ten := loss("1"), loss("3"), loss("10")
	if plain := task.firstLoss(t); !(math.Abs(one-plain) <= 1e-6*plain) || !(three > 1.05*one) {
		t.Errorf("loss %v plain, %v at weight 1, %v at 3", plain, one, three)
	}
	if want := one + (three-one)/2*9; !(math.Abs(ten-want) <= 1e-5*ten) {
		t.Errorf("loss %v at weight 10, want %v: it is linear in the weight", ten, want)
	}
	if got := task.firstLoss(t, "--pos-weight", "balanced"); !(math.Abs(got-ten) <= 1e-6*ten) {
		t.Errorf("loss %v balanced, want %v, that at 40 negatives over 4 positives", got, ten)
	}
	if got := task.firstLoss(t, "--pos-weight", "balanced", "--pos-weight-cap", "3"); !(math.Abs(got-three) <= 1e-6*three) {
		t.Errorf("loss %v balanced and capped at 3, want %v", got, three)
	}
}

// Smoothing mixes the loss with that of the opposite labels: y' = y(1−ε) + ε/2.
func TestLabelSmoothing(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	cmdtest.WriteFile(t, task.train, "text,a\n"+strings.Repeat("the cat,1\n", 30)+strings.Repeat("a dog,0\n", 10))
	plain := task.firstLoss(t)
	cmdtest.WriteFile(t, task.train, "text,a\n"+strings.Repeat("the cat,0\n", 30)+strings.Repeat("a dog,1\n", 10))
	opposite := task.firstLoss(t)
	cmdtest.WriteFile(t, task.train, "text,a\n"+strings.Repeat("the cat,1\n", 30)+strings.Repeat("a dog,0\n", 10))
	if got, want := task.firstLoss(t, "--label-smoothing", "0.2"), 0.9*plain+0.1*opposite; !(math.Abs(got-want) <= 1e-5*want) {
		t.Errorf("loss %v, want %v of %v and %v", got, want, plain, opposite)
	}
}

// Each label's log-odds is where the bias starts.
func TestBiasInit(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	cmdtest.WriteFile(t, task.train, "text,a,b\n"+strings.Repeat("the cat,1,\n", 30)+strings.Repeat("a dog,0,1\n", 10))
	m, _ := task.run(t, "odds", "--pooling", "mean", "--max-steps", "1", "--learning-rate", "0", "--bias-init", "log-odds")
	for i, want := range []float64{math.Log(30.5 / 10.5), math.Log(10.5 / 0.5)} {
		if got := float64(m.Head.Bias.Value[i]); !(math.Abs(got-want) <= 1e-6) {
			t.Errorf("bias %d is %v, want %v", i, got, want)
		}
	}
}

// Unknown cells of dev change no figure, threshold or calibration: rows that say nothing of a label, with scores of all kinds, may be
// there or not.
func TestUnknownCellsCountNowhere(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	head := strings.SplitAfter(cmdtest.LabelledCSV(60, 2), "\n")
	cmdtest.WriteFile(t, task.dev, strings.Join(head, ""))
	args := []string{"--pooling", "mean", "--train-batch-size", "8", "--max-steps", "20", "--dropout", "0", "--dev", task.dev,
		"--tune-thresholds", "--calibrate=temperature"}
	plain, _ := task.run(t, "plain", args...)
	before := evaluate(t, "--model", filepath.Join(task.dir, "plain"), "--data", task.dev)
	for i := range 40 {
		head = append(head, fmt.Sprintf("u%d,%s,,\n", i, cmdtest.TinyTexts(40)[i]))
	}
	cmdtest.WriteFile(t, task.dev, strings.Join(head, ""))
	after := evaluate(t, "--model", filepath.Join(task.dir, "plain"), "--data", task.dev)
	if after.F1Macro != before.F1Macro || after.PerLabel["animal"] != before.PerLabel["animal"] {
		t.Errorf("%+v with unknown rows, %+v without", after, before)
	}
	m, _ := task.run(t, "unknown", args...)
	if !slices.Equal(m.Thresholds, plain.Thresholds) {
		t.Errorf("thresholds %v with unknown rows on dev, %v without", m.Thresholds, plain.Thresholds)
	}
}

// The thresholds that training kept are what predict and eval go by, and say; --threshold goes over them.
func TestKeptThresholds(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	for _, objective := range []string{"f1", "f2", "f0.5", "precision@0.9", "recall@0.9"} {
		m, _ := task.run(t, "kept", "--pooling", "mean", "--train-batch-size", "8", "--max-steps", "20", "--dropout", "0", "--dev",
			task.dev, "--tune-thresholds", "--threshold-objective", objective)
		dir := filepath.Join(task.dir, "kept")
		stdout, stderr, code := bertlabel(t, cmdtest.JSONLines(cmdtest.TinyTexts(30)), "predict", "--model", dir)
		if code != cli.ExitOK || !strings.Contains(stderr, "tuned guarded for "+objective) {
			t.Fatalf("predict: exit %d, %s", code, stderr)
		}
		predicted := 0
		for line := range strings.Lines(stdout) {
			var p struct {
				Labels        []string
				Probabilities map[string]float32
			}
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				t.Fatal(err)
			}
			for i, label := range m.Labels {
				if is := slices.Contains(p.Labels, label); is != (p.Probabilities[label] > m.Thresholds[i]) {
					t.Errorf("%s: label %s predicted: %v, with %v and threshold %v", objective, label, is, p.Probabilities[label],
						m.Thresholds[i])
				}
			}
			predicted += len(p.Labels)
		}
		_, stderr, code = bertlabel(t, "", "eval", "--model", dir, "--data", task.dev)
		if code != cli.ExitOK || !strings.Contains(stderr, "tuned guarded for "+objective) || predicted == 0 {
			t.Errorf("eval: exit %d, %s; %d labels predicted", code, stderr, predicted)
		}
		if r := evaluate(t, "--model", dir, "--data", task.dev, "--threshold", "0.25"); r.PerLabel["animal"].Threshold != 0.25 {
			t.Errorf("eval --threshold 0.25: %+v", r)
		}
	}
}

// Calibration says error, Brier score and log loss before and after, and eval finds the improvement it promised.
func TestCalibrateSaysBeforeAndAfter(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	args := []string{"--pooling", "mean", "--train-batch-size", "8", "--max-steps", "20", "--dropout", "0", "--dev", task.dev}
	task.run(t, "plain", args...)
	_, said := task.run(t, "calibrated", append(args, "--calibrate")...)
	var before, after [3]float64
	_, said, _ = strings.Cut(said, "calibrated on dev (platt): ")
	if _, err := fmt.Sscanf(said, "expected_calibration_error %f → %f, brier_score %f → %f, log_loss %f → %f,",
		&before[0], &after[0], &before[1], &after[1], &before[2], &after[2]); err != nil {
		t.Fatal(said, err)
	}
	measure := func(name string) (m struct {
		ECE     float64 `json:"expected_calibration_error"`
		Brier   float64 `json:"brier_score"`
		LogLoss float64 `json:"log_loss"`
	}) {
		stdout, stderr, code := bertlabel(t, "", "eval", "--model", filepath.Join(task.dir, name), "--data", task.dev)
		if err := json.Unmarshal([]byte(stdout), &m); code != cli.ExitOK || err != nil {
			t.Fatal(code, err, stderr)
		}
		return m
	}
	plain, calibrated := measure("plain"), measure("calibrated")
	if !(math.Abs(plain.ECE-before[0]) <= 1e-4 && math.Abs(plain.Brier-before[1]) <= 1e-5 && math.Abs(plain.LogLoss-before[2]) <= 1e-5) {
		t.Errorf("said %v before, eval finds %+v", before, plain)
	}
	// With the rows that fitted it in the measure, the calibrated head looks better than it was said to be, at least not worse.
	if !(calibrated.LogLoss <= after[2]+1e-5 && after[2] < before[2] && calibrated.Brier < plain.Brier) {
		t.Errorf("said %v before and %v after, eval finds %+v", before, after, calibrated)
	}
}

// A flag that was set for nothing is named; one that has its default is not.
func TestUnusedFlagsAreNamed(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	cmdtest.WriteFile(t, task.train, cmdtest.LabelledCSV(30, 1))
	for args, want := range map[string]string{
		"--solver lbfgs --learning-rate 3 --optimizer adamw": "--learning-rate would change nothing: --solver lbfgs takes no steps",
		"--max-steps 1 --recompute":                          "--recompute would change nothing: --tune head leaves the encoder as it is",
		"--max-steps 1 --eval-steps 1":                       "--eval-steps would change nothing: give --dev to evaluate on",
		"--max-steps 1 --num-train-epochs 2":                 "--num-train-epochs would change nothing: --max-steps says",
		"--pos-weight-cap 3":                                 "--pos-weight-cap would change nothing: it bounds --pos-weight balanced",
		"--threshold-objective f2":                           "--threshold-objective would change nothing",
		"--l2 0.5":                                           "--l2 is for --solver lbfgs and lda",
		"--tune last:1 --features-cache x":                   "--features-cache would change nothing",
		"--max-bad-rows 3":                                   "--max-bad-rows needs --on-bad-row skip or report",
		"--binarize 0":                                       "--binarize 0: want a number above 0",
	} {
		_, said, code := bertlabel(t, "", append([]string{"train", "--model", task.base, "--train", task.train, "--output",
			filepath.Join(task.dir, "unused")}, strings.Fields(args)...)...)
		if code != cli.ExitUsage || !strings.Contains(said, want) {
			t.Errorf("%s: exit %d, %s, want %s", args, code, said, want)
		}
	}
	// What the environment says may be for other runs.
	_, said, code := bertlabelIn(t, map[string]string{"BERTLABEL_LEARNING_RATE": "3"}, "", "train", "--model", task.base, "--train", task.train,
		"--output", filepath.Join(task.dir, "env"), "--solver", "lbfgs", "--pooling", "mean")
	if code != cli.ExitOK {
		t.Errorf("exit %d, %s", code, said)
	}
}
