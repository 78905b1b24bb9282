package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bertlabel/bert"
	"bertlabel/bert/model"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/cmdtest"
	"bertlabel/train/data"
	"bertlabel/train/metrics"
)

// headTask is a model without a head and two files of labelled rows.
type headTask struct{ base, train, dev, dir string }

func newHeadTask(t *testing.T) headTask {
	t.Helper()
	task := headTask{base: cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil)), dir: t.TempDir()}
	task.train, task.dev = filepath.Join(task.dir, "train.csv"), filepath.Join(task.dir, "dev.csv")
	cmdtest.WriteFile(t, task.train, cmdtest.LabelledCSV(120, 1))
	cmdtest.WriteFile(t, task.dev, cmdtest.LabelledCSV(60, 2))
	return task
}

// run trains into a folder of that name, and returns the model and what was said.
func (h headTask) run(t *testing.T, name string, args ...string) (*model.Model, string) {
	t.Helper()
	out := filepath.Join(h.dir, name)
	args = append([]string{"train", "--model", h.base, "--train", h.train, "--output", out, "--overwrite"}, args...)
	_, stderr, code := bertlabel(t, "", args...)
	if code != cli.ExitOK {
		t.Fatalf("%v: exit %d, stderr %s", args, code, stderr)
	}
	m, err := model.Open(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, stderr
}

// trainingOf returns what a model says of the run that made its head.
func trainingOf(t *testing.T, m *model.Model) (config map[string]any) {
	t.Helper()
	if err := json.Unmarshal(m.Training(), &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// The exact head has a lower loss on its training rows than any number of gradient steps, with dev or without, for every convex
// loss, and leaves one row in metrics.csv.
func TestTrainLBFGS(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	loss := func(name string) float64 {
		header, rows := metricsTable(t, filepath.Join(task.dir, name))
		return rows[len(rows)-1][slices.Index(header, "loss")]
	}
	task.run(t, "gradient", "--pooling", "mean", "--train-batch-size", "120", "--dropout", "0", "--max-steps", "300")
	m, stderr := task.run(t, "exact", "--pooling", "mean", "--solver", "lbfgs", "--l2", "1e-4")
	if exact, gradient := loss("exact"), loss("gradient"); !(exact < gradient) {
		t.Errorf("loss %v by lbfgs, %v by 300 steps", exact, gradient)
	}
	if config := trainingOf(t, m); config["solver"] != "lbfgs" || config["l2"] != 1e-4 ||
		!strings.Contains(stderr, "solved 2 labels on mean (16 features)") {
		t.Errorf("%v\n%s", config, stderr)
	}
	again, _ := task.run(t, "threads", "--pooling", "mean", "--solver", "lbfgs", "--l2", "1e-4", "--threads", "3")
	if !slices.Equal(again.Head.Weights.Value, m.Head.Weights.Value) {
		t.Error("another number of threads gives other weights")
	}
	for _, args := range [][]string{{"--label-smoothing", "0.1"}, {"--pos-weight", "balanced", "--dev", task.dev}, {"--dev", task.dev}} {
		other, stderr := task.run(t, "other", append(args, "--pooling", "mean", "--solver", "lbfgs")...)
		if slices.Equal(other.Head.Weights.Value, m.Head.Weights.Value) || !strings.Contains(stderr, "loss where it was chosen") {
			t.Errorf("%v: the same head, or stderr %s", args, stderr)
		}
	}
	header, rows := metricsTable(t, filepath.Join(task.dir, "other"))
	if f1 := rows[0][slices.Index(header, "dev_f1_macro")]; len(rows) != 1 || !(f1 > 0.9) {
		t.Errorf("%d rows, dev_f1_macro %v, want one row of a head that has learnt", len(rows), f1)
	}
}

// The discriminant is calibrated without being told, has learnt, and is the same for any number of threads.
func TestTrainLDA(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	m, stderr := task.run(t, "lda", "--pooling", "mean:-1..-2", "--solver", "lda", "--dev", task.dev, "--tune-thresholds")
	if config := trainingOf(t, m); config["solver"] != "lda" || config["calibrate"] != "platt" ||
		!strings.Contains(stderr, "1 − average_precision_macro on dev") {
		t.Errorf("%v\n%s", config, stderr)
	}
	if r := evaluate(t, "--model", filepath.Join(task.dir, "lda"), "--data", task.dev); !(r.F1Macro > 0.9) {
		t.Errorf("%+v", r)
	}
	again, _ := task.run(t, "threads", "--pooling", "mean:-1..-2", "--solver", "lda", "--dev", task.dev, "--threads", "3")
	if !slices.Equal(again.Head.Weights.Value, m.Head.Weights.Value) {
		t.Error("another number of threads gives other weights")
	}
	raw, stderr := task.run(t, "raw", "--pooling", "mean:-1..-2", "--solver", "lda", "--l2", "0.1")
	if config := trainingOf(t, raw); config["calibrate"] != nil || config["l2"] != 0.1 || !strings.Contains(stderr, "l2 0.1 to 0.1") {
		t.Errorf("%v\n%s", config, stderr)
	}
	if strings.Contains(stderr, "may lie beyond") {
		t.Errorf("a strength that was given is called the end of a path\n%s", stderr)
	}
	auto, stderr := task.run(t, "auto", "--pooling", "auto", "--solver", "lda", "--dev", task.dev)
	if !strings.Contains(stderr, "chose --pooling "+auto.Pooling.String()) {
		t.Errorf("pooling %s\n%s", auto.Pooling, stderr)
	}
}

// Wide features are kept in the model, and auto chooses among poolings by their loss on dev.
func TestTrainPoolings(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	m, _ := task.run(t, "wide", "--pooling", "concat:max,mean:-1..-3,cls:-2", "--solver", "lbfgs")
	if m.Pooling != "concat:max,mean:-1..-3,cls:-2" || m.Head.Weights.Shape[1] != 5*16 {
		t.Errorf("pooling %s, head %v", m.Pooling, m.Head.Weights.Shape)
	}
	if r := evaluate(t, "--model", filepath.Join(task.dir, "wide"), "--data", task.dev); r.Rows != 60 {
		t.Errorf("%+v", r)
	}

	auto, stderr := task.run(t, "auto", "--pooling", "auto", "--solver", "lbfgs", "--dev", task.dev)
	best, chosen := math.Inf(1), ""
	for line := range strings.Lines(stderr) {
		if _, rest, ok := strings.Cut(line, "solved 2 labels on "); ok {
			pooling, rest, _ := strings.Cut(rest, " ")
			_, number, _ := strings.Cut(rest, "loss where it was chosen ")
			var loss float64
			if err := json.Unmarshal([]byte(strings.TrimSpace(number)), &loss); err != nil {
				t.Fatal(line, err)
			}
			if loss < best {
				best, chosen = loss, pooling
			}
		}
	}
	if chosen == "" || auto.Pooling.String() != chosen || trainingOf(t, auto)["pooling"] != "auto" ||
		strings.Count(stderr, "solved 2") < 5 {
		t.Errorf("pooling %s, want %s\n%s", auto.Pooling, chosen, stderr)
	}
	alone, _ := task.run(t, "alone", "--pooling", chosen, "--solver", "lbfgs", "--dev", task.dev)
	if !slices.Equal(alone.Head.Weights.Value, auto.Head.Weights.Value) {
		t.Errorf("%s has other weights chosen than named", chosen)
	}
}

// Thresholds and calibration are kept in the model, said, and used by eval and predict.
func TestTrainTunesOnDev(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	common := []string{"--pooling", "mean", "--dev", task.dev, "--train-batch-size", "8", "--max-steps", "20", "--dropout", "0"}
	plain, said := task.run(t, "plain", common...)
	if plain.Thresholds[0] != 0.5 || plain.Thresholds[1] != 0.5 || strings.Count(said, "f1_macro") < 3 ||
		!strings.Contains(said, "--tune-thresholds keeps") {
		t.Errorf("thresholds %v\n%s", plain.Thresholds, said)
	}
	each, said := task.run(t, "each", append(common, "--tune-thresholds=per-label")...)
	if each.Thresholds[0] == 0.5 || each.Thresholds[0] == each.Thresholds[1] || !strings.Contains(said, "kept the per-label thresholds") {
		t.Errorf("thresholds %v\n%s", each.Thresholds, said)
	}
	global, _ := task.run(t, "global", append(common, "--tune-thresholds=global", "--threshold-objective", "recall@0.9")...)
	if global.Thresholds[0] == 0.5 || global.Thresholds[0] != global.Thresholds[1] {
		t.Errorf("thresholds %v, want one for all", global.Thresholds)
	}
	guarded, said := task.run(t, "guarded", append(common, "--tune-thresholds")...)
	one, _ := task.run(t, "one", append(common, "--tune-thresholds=global")...)
	dev, err := data.Load(task.dev, data.Options{})
	if err != nil || !strings.Contains(said, "kept the guarded thresholds") || !strings.Contains(said, "guarded for labels with few positives: f1_macro") ||
		trainingOf(t, guarded)["tune_thresholds"] != "guarded" {
		t.Errorf("%s, %v\n%s", guarded.Training(), err, said)
	}
	for l, got := range guarded.Thresholds {
		if want := metrics.Guard(each.Thresholds[l], one.Thresholds[l], dev.Classes(l)[1]); got != want {
			t.Errorf("label %d is guarded at %v, want %v", l, got, want)
		}
	}
	r := evaluate(t, "--model", filepath.Join(task.dir, "each"), "--data", task.dev)
	if float32(r.PerLabel["animal"].Threshold) != each.Thresholds[0] {
		t.Errorf("%+v, want the threshold %v", r, each.Thresholds[0])
	}
	if !slices.Equal(plain.Head.Weights.Value, each.Head.Weights.Value) {
		t.Error("tuning thresholds has changed the head")
	}

	for _, method := range []string{"temperature", "platt"} {
		calibrated, said := task.run(t, method, append(common, "--calibrate="+method, "--tune-thresholds")...)
		config := trainingOf(t, calibrated)
		if config["calibrate"] != method || config["tune_thresholds"] != "guarded" || config["threshold_objective"] != "f1" ||
			!strings.Contains(said, "calibrated on dev ("+method+")") {
			t.Errorf("%v\n%s", config, said)
		}
		ratio := calibrated.Head.Weights.Value[0] / plain.Head.Weights.Value[0]
		for j, w := range calibrated.Head.Weights.Value[:16] {
			if !(math.Abs(float64(w/plain.Head.Weights.Value[j]-ratio)) <= 1e-5) || ratio == 1 {
				t.Fatalf("%s: weight %d is %v times the plain one, the first %v: want one slope", method, j,
					w/plain.Head.Weights.Value[j], ratio)
			}
		}
		_, said, code := bertlabel(t, cmdtest.JSONLines([]string{"the cat"}), "predict", "--model", filepath.Join(task.dir, method))
		if code != cli.ExitOK || !strings.Contains(said, "calibrated ("+method+")") || !strings.Contains(said, "tuned guarded for f1") {
			t.Errorf("predict: exit %d, %s", code, said)
		}
	}
}

// Losses and the start of the bias reach the head; a file of weights is read by name.
func TestTrainLosses(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	weights := filepath.Join(task.dir, "weights.json")
	cmdtest.WriteFile(t, weights, `{"colour": 3}`)
	common := []string{"--pooling", "mean", "--max-steps", "1", "--warmup-proportion", "0"}
	seen := map[string]string{}
	for _, args := range [][]string{nil, {"--loss", "focal"}, {"--loss", "asymmetric"}, {"--pos-weight", "balanced"},
		{"--pos-weight", weights}, {"--label-smoothing", "0.2"}, {"--bias-init", "log-odds"}} {
		task.run(t, "out", append(slices.Clone(common), args...)...)
		_, rows := metricsTable(t, filepath.Join(task.dir, "out"))
		loss, _ := json.Marshal(rows[0][2])
		if other, ok := seen[string(loss)]; ok {
			t.Errorf("%v has the loss %s of %v", args, loss, other)
		}
		seen[string(loss)] = strings.Join(args, " ")
	}
	m, _ := task.run(t, "zero", "--pooling", "mean", "--max-steps", "1", "--bias-init", "log-odds", "--learning-rate", "0")
	if b := m.Head.Bias.Value[0]; b == 0 || !(math.Abs(float64(b)) < 0.5) {
		t.Errorf("bias %v of a label on about half the rows", b)
	}
}

func TestTrainHeadRefuses(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	for name, text := range map[string]string{"w1.json": `{"fish": 2}`, "w2.json": `{"animal": 0}`, "w3.json": "{\n\"animal\": x}"} {
		cmdtest.WriteFile(t, filepath.Join(task.dir, name), text)
	}
	out := filepath.Join(task.dir, "out")
	flags := "train --model " + task.base + " --train " + task.train + " --output " + out + " "
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--solver newton", "--solver", cli.ExitUsage},
		{"--solver lbfgs --tune all", "--tune head", cli.ExitUsage},
		{"--solver lbfgs --loss focal", "not convex", cli.ExitUsage},
		{"--l2 0.1", "--weight-decay", cli.ExitUsage},
		{"--solver lda", "chooses its strength on --dev", cli.ExitUsage},
		{"--solver lda --l2 1 --label-smoothing 0.1", "has no loss", cli.ExitUsage},
		{"--solver lda --l2 1 --tune last:1", "--tune head", cli.ExitUsage},
		{"--solver lbfgs --l2 -1", "--l2 -1", cli.ExitUsage},
		{"--loss hinge", "--loss", cli.ExitUsage},
		{"--loss focal --pos-weight balanced", "give one of them", cli.ExitUsage},
		{"--label-smoothing 1", "--label-smoothing 1", cli.ExitUsage},
		{"--pos-weight-cap 0.5", "--pos-weight-cap 0.5", cli.ExitUsage},
		{"--bias-init prior", "--bias-init", cli.ExitUsage},
		{"--tune-thresholds", "needs --dev", cli.ExitUsage},
		{"--calibrate", "needs --dev", cli.ExitUsage},
		{"--tune-thresholds=some --dev " + task.dev, "--tune-thresholds", cli.ExitUsage},
		{"--calibrate=isotonic --dev " + task.dev, "--calibrate", cli.ExitUsage},
		{"--threshold-objective f0 --dev " + task.dev, "--threshold-objective", cli.ExitUsage},
		{"--pooling auto --solver lbfgs", "--dev", cli.ExitUsage},
		{"--pooling auto --dev " + task.dev, "--solver lbfgs", cli.ExitUsage},
		{"--pooling mean:-4", "the layers -1 to -2, and the embeddings as -3", cli.ExitUsage},
		{"--pooling mean:-2 --tune all", "frozen encoder", cli.ExitUsage},
		{"--pos-weight " + task.dir + "/none.json", "none.json", cli.ExitUsage},
		{"--pos-weight " + task.dir + "/w1.json", `"fish"`, cli.ExitData},
		{"--pos-weight " + task.dir + "/w2.json", "0 for", cli.ExitData},
		{"--pos-weight " + task.dir + "/w3.json", "w3.json:2", cli.ExitData},
	} {
		stdout, stderr, code := bertlabel(t, "", strings.Fields(flags+c.args)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d; stdout %q, stderr %q, want %q", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "bert_config.json")); err == nil {
		t.Error("a refused run has left a model")
	}
}

// An encoder that was trained is calibrated and gets its thresholds too, once.
func TestTrainAllTunesOnDev(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	args := []string{"--tune", "last:1", "--pooling", "mean", "--dev", task.dev, "--train-batch-size", "16", "--num-train-epochs", "2",
		"--tune-thresholds", "--calibrate", "--tensorboard=false"}
	m, said := task.run(t, "out", args...)
	if !strings.Contains(said, "calibrated on dev") || m.Thresholds[0] == 0.5 || trainingOf(t, m)["calibrate"] != "platt" ||
		trainingOf(t, m)["tune"] != "last:1" {
		t.Errorf("thresholds %v, %s\n%s", m.Thresholds, m.Training(), said)
	}
	resumed := append([]string{"train", "--model", task.base, "--train", task.train, "--output", filepath.Join(task.dir, "out"),
		"--resume"}, args...)
	if _, stderr, code := bertlabel(t, "", resumed...); code != cli.ExitOK || strings.Contains(stderr, "calibrated on dev") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	again, err := model.Open(filepath.Join(task.dir, "out"), nil)
	if err != nil || !slices.Equal(again.Head.Weights.Value, m.Head.Weights.Value) || !slices.Equal(again.Thresholds, m.Thresholds) {
		t.Errorf("resuming a finished run has changed the model, %v", err)
	}
}

// A head in the folder of a run of the encoder: nothing of that run stays for --resume to go on with.
func TestHeadClearsEncoderRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	task := headTask{base: cmdtest.ModelFolder(t, cmdtest.TinyModel(t, 1, bert.Mean, nil)), train: filepath.Join(dir, "train.csv"),
		dir: dir}
	cmdtest.WriteFile(t, task.train, cmdtest.LabelledCSV(20, 1))
	task.run(t, "model", "--tune", "all", "--max-steps", "4")
	saved := func() []string {
		names, _ := filepath.Glob(filepath.Join(dir, "model", "checkpoints", "ckpt-*")) // the pattern is fine
		return names
	}
	if len(saved()) == 0 {
		t.Fatal("the run of the encoder left no checkpoint")
	}
	task.run(t, "model", "--max-steps", "2")
	if left := saved(); len(left) > 0 {
		t.Errorf("the run of the head leaves %v", left)
	}
}

// An end of the path that was chosen is a warning, with the label and the flag that goes beyond; with a strength that was given there is
// none.
func TestTrainSaysPathEnd(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	for _, c := range [][2]string{{"lbfgs", "the weakest that was tried: a better one may lie beyond, give it by --l2"},
		{"lda", "the strongest that was tried: a better one may lie beyond, give it by --l2"}} {
		solver, want := c[0], c[1]
		args := []string{"--pooling", "mean:-1..-3", "--solver", solver}
		if solver == "lda" { // labels at random: there is nothing to learn, and the penalty cannot be strong enough
			cmdtest.WriteFile(t, task.train, "text,animal,colour\nthe cat,1,0\na dog ran,0,1\nthe mat,0,0\nred home,1,1\n")
			args = append(args, "--dev", task.dev)
		}
		_, said := task.run(t, solver, args...)
		if !strings.Contains(said, "warning: l2 ") || !strings.Contains(said, want) {
			t.Errorf("%s: want %q\n%s", solver, want, said)
		}
		if _, said := task.run(t, solver, append(args, "--l2", "0.5")...); strings.Contains(said, "may lie beyond") {
			t.Errorf("%s: a strength that was given is called an end\n%s", solver, said)
		}
	}
}

// Two stages in one command: both heads' figures and the choice are said, the model reads what the record says, its dev figures are those of
// the choice, and --resume at the end changes nothing.
func TestTrainRefit(t *testing.T) {
	t.Parallel()
	task := newHeadTask(t)
	args := []string{"--tune", "last:1", "--pooling", "mean", "--dev", task.dev, "--train-batch-size", "16", "--max-steps", "3", "--tune-thresholds",
		"--tensorboard=false", "--refit", "lda"}
	m, said := task.run(t, "out", args...)
	config := trainingOf(t, m)
	share, ok := config["refit_share"].(float64)
	for _, want := range []string{"dev with the tuned head: average_precision_macro ",
		"dev with the lda head on concat:mean:-1..-3,max:-1..-3: average_precision_macro ",
		"average_precision_macro on dev by the share of the tuned head: 1: ", "; kept "} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in\n%s", want, said)
		}
	}
	if !ok || share == 1 || config["refit"] != "lda" || config["refit_pooling"] != "concat:mean:-1..-3,max:-1..-3" || m.Pooling != "concat:mean:-1..-3,max:-1..-3" {
		t.Fatalf("pooling %s, %v\n%s", m.Pooling, config, said)
	}
	_, list, _ := strings.Cut(said, "by the share of the tuned head: ")
	_, value, _ := strings.Cut(list, fmt.Sprintf("%g: ", share))
	r := evaluate(t, "--model", filepath.Join(task.dir, "out"), "--data", task.dev)
	if got := fmt.Sprintf("%.4f", r.Average); !strings.HasPrefix(value, got) {
		t.Errorf("average precision %s on dev, said %.20q", got, value)
	}
	out := filepath.Join(task.dir, "out")
	resumed := append([]string{"train", "--model", task.base, "--train", task.train, "--output", out, "--resume"}, args...)
	if _, stderr, code := bertlabel(t, "", resumed...); code != cli.ExitOK || strings.Contains(stderr, "lda head") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	again, err := model.Open(out, nil)
	if err != nil || !slices.Equal(again.Head.Weights.Value, m.Head.Weights.Value) || !slices.Equal(again.Thresholds, m.Thresholds) {
		t.Errorf("resuming a finished run has changed the model, %v", err)
	}
	for _, c := range []struct{ args, want string }{
		{"--tune last:1 --refit lda --resume --refit-pooling cls --pooling mean --train-batch-size 16 --max-steps 3", "refit_pooling was "},
		{"--tune last:1 --refit lda --refit-pooling mean:-4 --overwrite", "the layers -1 to -2"},
		{"--tune head --refit lda --overwrite", "--tune last:N or all"},
		{"--tune last:1 --refit-pooling cls --overwrite", "give --refit lbfgs or lda"},
	} {
		words := append([]string{"train", "--model", task.base, "--train", task.train, "--dev", task.dev, "--output", out}, strings.Fields(c.args)...)
		if _, stderr, code := bertlabel(t, "", words...); code != cli.ExitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %q in %s", c.args, code, c.want, stderr)
		}
	}
}
